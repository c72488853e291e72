"""The judge, on shapes whose colours and categories are known; a SqueezeNet of random weights sees those well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import squeezenet1_1

from persona.errors import BadInput
from persona.gan import GarmentModel, Prior
from persona.gan.evaluate import Judge, RealSet, colour_error, evaluate, retrieval
from persona.gan.networks import Generator
from persona.gan.perceptual import Perceptual

from .small import NAMES, shapes


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    torch.manual_seed(0)
    return Perceptual(squeezenet1_1(weights=None).features, caffe=False)


def real_set(count: int, seed: int) -> RealSet:
    rgba, conditions, codes = shapes(count, seed=seed)
    return RealSet(rgba, conditions, [NAMES[code] for code in codes])


def test_the_judge_reads_category_and_condition(perceptual: Perceptual) -> None:
    judge, held = Judge(perceptual, real_set(300, 0)), real_set(120, 1)
    seen = judge.look(held.rgba)
    assert (seen.categories == np.array(held.categories)).mean() > 0.9
    assert np.corrcoef(seen.conditions[:, 0], held.conditions[:, 0])[0, 1] > 0.8


def test_retrieval_of_the_conditions_themselves_and_of_noise() -> None:
    rng = np.random.default_rng(0)
    conditions = rng.normal(size=(200, 64))
    assert retrieval(conditions, conditions) == 1
    assert retrieval(rng.normal(size=(200, 64)), conditions) < 0.05  # chance is .01


def test_colour_error_of_the_same_pictures_is_none() -> None:
    held = real_set(40, 1)
    figures = colour_error(held.rgba, held.rgba, np.random.default_rng(0).permutation(40))
    assert figures["colour_de00_median"] == 0
    assert figures["colour_de00_shuffled"] > 10


def test_an_untrained_generator_is_found_out(perceptual: Perceptual) -> None:
    train, held = real_set(260, 0), real_set(120, 1)
    prior = Prior.fit(train.conditions, np.array([NAMES.index(name) for name in train.categories]), len(NAMES))
    torch.manual_seed(0)
    figures = evaluate(GarmentModel(Generator(32, 3, width=0.1), prior, NAMES, "none"), train, held, perceptual)
    assert figures["frechet_ratio"] > 3
    assert figures["retrieval_top1"] < 0.1 < figures["retrieval_ceiling"]
    assert figures["category_accuracy"] < 0.7 < figures["category_ceiling"]
    assert figures["recall"] < 0.2
    with pytest.raises(BadInput, match="held-out"):
        evaluate(GarmentModel(Generator(32, 3, width=0.1), prior, NAMES, "none"), train, real_set(9, 1), perceptual)


@pytest.mark.data
def test_squeezenet_puts_garments_with_their_kind(datasets: Path) -> None:
    """The stored weights fit the layers: two plain pictures are more alike than a plain and a striped one."""
    perceptual = Perceptual.load(datasets / "perceptual" / "squeezenet_v1.1_features.npz")
    plain, striped = np.full((2, 64, 64, 4), 255, np.uint8), np.full((2, 64, 64, 4), 255, np.uint8)
    plain[1, ..., :3] = 200
    striped[0, ::8, :, :3], striped[0, 1::8, :, :3] = 20, 20
    striped[1, 4::8, :, :3], striped[1, 5::8, :, :3] = 60, 60
    final, levels = perceptual(np.concatenate([plain, striped]))
    assert final.shape == (4, 512)
    assert levels.shape == (4, 3584)
    unit = final / np.linalg.norm(final, axis=1, keepdims=True)
    same, other = min(unit[0] @ unit[1], unit[2] @ unit[3]), max((unit[:2] @ unit[2:].T).ravel())
    assert same > other
