"""The figures of editing and inversion, on shapes whose colour and category are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models import squeezenet1_1

from persona.catalog.perceptual import Perceptual
from persona.errors import BadInput
from persona.gan import GarmentModel
from persona.gan.edit import outline_iou
from persona.gan.evaluate_edits import evaluate_edits, evaluate_inversion, reconstruction
from persona.gan.invert import Encoder, Inverter
from persona.gan.judge import Judge, RealSet

from .painter import held_out, painter


def real_set(count: int, seed: int) -> RealSet:
    rgba, conditions, names = held_out(count, seed)
    return RealSet(rgba, conditions, list(names))


@pytest.fixture(scope="module")
def model() -> GarmentModel:
    return painter()


def test_edits_are_seen_where_the_generator_obeys(model: GarmentModel) -> None:
    torch.manual_seed(0)
    judge = Judge(Perceptual(squeezenet1_1(weights=None).features, caffe=False), real_set(90, 5))
    figures = evaluate_edits(model, real_set(24, 6), judge, garments=5)
    assert figures["colour_edited"] > figures["colour_once"] - 1e-9
    assert figures["colour_edited"] > 3 * figures["colour_before"]
    assert figures["colours"].keys() <= {"beige", "red", "yellow", "green", "blue", "navy", "purple", "pink"}
    assert figures["colour_outline_kept"] > 0.85
    assert figures["patterns"] == {"plain": 1.0}
    assert figures["category_edited"] > 0.6 > figures["category_before"]
    assert figures["category_real"] > 0.8
    assert figures["category_colour_de00"] < 6
    with pytest.raises(BadInput, match="garments: none to edit"):
        evaluate_edits(model, real_set(24, 6), judge, garments=0)


def test_inversion_stands_beside_its_controls(model: GarmentModel) -> None:
    inverter = Inverter(Encoder(4), model.version)  # untrained: it moves nothing
    figures = evaluate_inversion(inverter, model, real_set(10, 7), garments=6)
    assert figures["rgb_mae"] < figures["rgb_mae_zero"]
    assert figures["rgb_mae_no_steps"] == pytest.approx(figures["rgb_mae_zero"])
    assert figures["psnr"] > figures["psnr_zero"]
    assert figures["held_out"] == 6
    assert figures["seconds"] > 0


def test_the_same_picture_is_perfectly_near() -> None:
    real = real_set(4, 8).rgba
    same = reconstruction(real, real)
    assert (same["rgb_mae"], same["outline_iou"], same["colour_de00"]) == (0, 1, 0)
    darker = real.copy()
    darker[..., :3] = np.maximum(darker[..., :3].astype(int) - 10, 0)
    assert reconstruction(darker, real)["rgb_mae"] == pytest.approx(10, abs=0.5)
    flat = np.full_like(real, 100)
    off = flat + np.uint8(10)
    assert reconstruction(off, flat)["psnr"] == pytest.approx(10 * np.log10(255**2 / 100))


def test_outlines_are_compared_by_area() -> None:
    one, other = np.zeros((2, 8, 8, 4), np.uint8), np.zeros((2, 8, 8, 4), np.uint8)
    one[0, :, :4, 3] = 255
    other[0, :, 2:6, 3] = 255
    assert outline_iou(one, other).tolist() == [pytest.approx(1 / 3), 1.0]
