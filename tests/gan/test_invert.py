"""A picture to the code that draws it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persona.errors import BadInput, OutOfDate
from persona.gan import GarmentModel
from persona.gan.data import Garments
from persona.gan.edit import Change, edit, outline_iou
from persona.gan.evaluate_edits import labs, reconstruction
from persona.gan.invert import BOX, RADIUS, Encoder, Inverter, bounded, difference, invert
from persona.gan.model import render
from persona.gan.train_inverter import Plan, train_inverter

from .painter import held_out, painter
from .small import NAMES, garments, shapes

PLAN = Plan(images=2400, width=8, rate=4e-3, half=False)


def wrong(conditions: np.ndarray) -> np.ndarray:
    """Conditions that say another colour than the picture shows, so that there is something to find."""
    return np.where(np.arange(64) < 3, conditions - 0.6 * np.sign(conditions), conditions).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> GarmentModel:
    return painter()


@pytest.fixture(scope="module")
def inverter(model: GarmentModel) -> Inverter:
    rgba, conditions, codes = shapes(256)
    conditions = wrong(conditions)
    *_, last = train_inverter(model, Garments(rgba, conditions, conditions, codes, NAMES, 32), PLAN)
    assert last.images == PLAN.images
    return Inverter(last.encoder, model.version)


def test_encoder_and_steps_each_bring_the_picture_nearer(model: GarmentModel, inverter: Inverter) -> None:
    rgba, conditions, names = held_out(20)
    conditions = wrong(conditions)
    errors = [
        invert(one, model, rgba, conditions, names, steps=steps).error.mean()
        for one, steps in ((None, 0), (inverter, 0), (inverter, 8))
    ]
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] < 0.9 * errors[1]
    assert errors[2] < invert(None, model, rgba, conditions, names, steps=8).error.mean()


def test_the_code_draws_the_picture_and_can_be_edited(model: GarmentModel, inverter: Inverter) -> None:
    rgba, conditions, names = held_out(5)
    found = invert(inverter, model, rgba, conditions, names)
    again = render(model, found.code)
    near = reconstruction(again, rgba)
    assert near["outline_iou"] > 0.85
    assert near["colour_de00"] < 6
    assert near["psnr"] > reconstruction(again[::-1], rgba)["psnr"] + 3
    green = edit(model, found.code, Change(colour="green"))
    assert outline_iou(again, green.pictures).min() > 0.85
    assert (labs(green.pictures)[:, 1] < 0).sum() >= 4


def test_codes_stay_near_what_the_generator_knows(model: GarmentModel, inverter: Inverter) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (3, 32, 32, 4)).astype(np.uint8)
    conditions = rng.normal(size=(3, 64)).astype(np.float32)
    code = invert(inverter, model, noise, conditions, ("disc",) * 3, steps=20).code
    assert np.linalg.norm(code.z, axis=1).max() <= RADIUS + 1e-4
    assert np.abs(code.condition - conditions).max() <= BOX + 1e-4


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0, 100))
def test_bounds_hold_for_any_numbers(seed: int, scale: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    free, condition = scale * torch.randn(4, 128, generator=draw), torch.randn(4, 64, generator=draw)
    z, moved = bounded(free, condition)
    assert (z.norm(dim=1) <= RADIUS + 1e-3).all()
    assert ((moved - condition).abs() <= BOX + 1e-5).all()
    small_z, small_moved = bounded(1e-3 * free / max(scale, 1), condition)
    torch.testing.assert_close(small_z, 1e-3 * free[:, :64] / max(scale, 1), atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(small_moved - condition, 1e-3 * free[:, 64:] / max(scale, 1), atol=1e-5, rtol=1e-2)


def test_the_same_picture_gives_the_same_code(model: GarmentModel, inverter: Inverter) -> None:
    rgba, conditions, names = held_out(18)  # more than one pass
    one, other = (invert(inverter, model, rgba, conditions, names, steps=3).code for _ in range(2))
    assert np.array_equal(one.z, other.z)
    alone = invert(inverter, model, rgba[17:], conditions[17:], names[17:], steps=3).code
    assert np.abs(alone.condition - one.condition[17:]).max() < 1e-2
    none = invert(inverter, model, rgba[:0], conditions[:0], ())
    assert len(none.code) == len(none.error) == 0


def test_training_repeats_to_the_bit(model: GarmentModel) -> None:
    plan = Plan(images=96, width=8, half=False, seed=3)
    runs = [[state.loss for state in train_inverter(model, garments(32), plan)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 3


def test_a_larger_picture_is_brought_to_size(model: GarmentModel, inverter: Inverter) -> None:
    rgba, conditions, names = held_out(2)
    larger = rgba.repeat(2, 1).repeat(2, 2)
    one, other = (invert(inverter, model, pictures, conditions, names).code for pictures in (rgba, larger))
    assert np.allclose(one.z, other.z, atol=1e-4)


def test_a_folder_gives_the_same_code_back(model: GarmentModel, inverter: Inverter, tmp_path: Path) -> None:
    rgba, conditions, names = held_out(2)
    kept = Inverter(inverter.encoder, inverter.generator)
    kept.save(tmp_path / "inverter", width=PLAN.width, card="A card.", metrics={})
    loaded = Inverter.load(tmp_path / "inverter")
    assert loaded.version == kept.version
    assert loaded.generator == model.version
    one, other = (invert(i, model, rgba, conditions, names, steps=0).code for i in (inverter, loaded))
    assert np.allclose(one.z, other.z, atol=0.05)  # stored as float16
    assert (tmp_path / "inverter" / "model.safetensors").stat().st_size < 4 * 2**20


def test_weights_are_small_enough_at_the_width_that_ships() -> None:
    assert 2 * sum(p.numel() for p in Encoder(Plan().width).parameters()) < 4 * 2**20


def test_what_cannot_be_inverted(model: GarmentModel, inverter: Inverter) -> None:
    rgba, conditions, names = held_out(2)
    with pytest.raises(OutOfDate, match=r"was trained with the generator other@1.*persona train inverter"):
        invert(Inverter(inverter.encoder, "other@1"), model, rgba, conditions, names)
    with pytest.raises(BadInput, match=r"pictures: .*wanted uint8"):
        invert(inverter, model, rgba[..., :3], conditions, names)
    with pytest.raises(BadInput, match="conditions: 1 for 2"):
        invert(inverter, model, rgba, conditions[:1], names)
    with pytest.raises(BadInput, match="conditions: wanted finite"):
        invert(inverter, model, rgba, np.full_like(conditions, np.nan), names)
    with pytest.raises(BadInput, match="category: 'kilt'"):
        invert(inverter, model, rgba, conditions, ("kilt", "disc"))
    with pytest.raises(BadInput, match="images: 3 in batches of 32"):
        Plan(images=3)
    with pytest.raises(BadInput, match="garments of 64 px for a generator of 32 px"):
        next(iter(train_inverter(model, garments(64), PLAN)))


def test_difference_is_a_distance() -> None:
    one, other = torch.rand(2, 4, 32, 32) * 2 - 1, torch.rand(2, 4, 32, 32) * 2 - 1
    assert difference(one, one).max() == 0
    assert torch.equal(difference(one, other), difference(other, one))
    assert (difference(one, other) > 0).all()
