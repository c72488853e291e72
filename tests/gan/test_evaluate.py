"""The judge, on shapes whose colours and categories are known; a SqueezeNet of random weights sees those well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.models import squeezenet1_1

from persona.catalog.perceptual import Perceptual
from persona.errors import BadInput
from persona.gan import GarmentModel, Prior
from persona.gan.evaluate import (
    Confusion,
    Evaluation,
    category_figures,
    classification_accuracy,
    colour_figures,
    confusions,
    evaluate,
    retrieval,
)
from persona.gan.judge import Judge, RealSet
from persona.gan.networks import Generator

from .small import NAMES, shapes


class Painter(Generator):
    """A generator that needs no training: it draws the shape and the colour it is asked for, darker as z says."""

    def __init__(self) -> None:
        super().__init__(32, len(NAMES), width=0.1)
        y, x = np.mgrid[:32, :32] / 31 * 2 - 1
        masks = np.stack([np.maximum(abs(x), abs(y)) < 0.7, x * x + y * y < 0.6, (abs(x) < 0.3) & (abs(y) < 0.8)])
        self.masks = torch.from_numpy(masks).float()

    def style(self, z: Tensor, condition: Tensor, category: Tensor) -> Tensor:
        return torch.cat([z, condition, torch.nn.functional.one_hot(category, 64)], 1)

    def draw(self, styles: Sequence[Tensor]) -> Tensor:
        z, condition, category = styles[0].split(64, 1)
        colour = ((condition[:, :3] * 65 + 142) / 255 - 0.02 * z[:, :1].abs()).clamp(0, 1)
        rgba = torch.cat([colour, torch.ones(len(z), 1)], 1)[:, :, None, None]
        return rgba * self.masks[category.argmax(1)][:, None] * 2 - 1


def real_set(count: int, seed: int) -> RealSet:
    rgba, conditions, codes = shapes(count, seed=seed)
    return RealSet(rgba, conditions, [NAMES[code] for code in codes])


def model_of(generator: Generator, train: RealSet) -> GarmentModel:
    prior = Prior.fit(train.conditions, np.array([NAMES.index(name) for name in train.categories]), len(NAMES))
    return GarmentModel(generator, prior, NAMES, "none")


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    torch.manual_seed(0)
    return Perceptual(squeezenet1_1(weights=None).features, caffe=False, side=64)


@pytest.fixture(scope="module")
def judge(perceptual: Perceptual) -> Judge:
    return Judge(perceptual, real_set(260, 0))


@pytest.fixture(scope="module")
def held() -> RealSet:
    return real_set(120, 1)


@pytest.fixture(scope="module")
def obedient(judge: Judge, held: RealSet) -> Evaluation:
    return evaluate(model_of(Painter(), judge.train), judge, held)


@pytest.fixture(scope="module")
def untrained(judge: Judge, held: RealSet) -> Evaluation:
    torch.manual_seed(0)
    return evaluate(model_of(Generator(32, 3, width=0.1), judge.train), judge, held)


def test_the_judge_reads_category_and_condition(judge: Judge, held: RealSet) -> None:
    seen = judge.look(held.rgba)
    assert (seen.categories == np.array(held.categories)).mean() > 0.9
    assert np.corrcoef(seen.conditions[:, 0], held.conditions[:, 0])[0, 1] > 0.8


def test_retrieval_of_the_conditions_themselves_and_of_noise() -> None:
    rng = np.random.default_rng(0)
    conditions = rng.normal(size=(200, 64))
    assert retrieval(conditions, conditions) == 1
    assert retrieval(rng.normal(size=(200, 64)), conditions) < 0.05  # chance is .01


def test_colour_error_of_the_same_pictures_is_none(held: RealSet) -> None:
    some = held.rows(np.arange(40))
    figures = colour_figures(some.rgba, some, real_set(100, 5), np.random.default_rng(0).permutation(40))
    assert figures["colour_de00_median"] == 0
    assert 0 < figures["colour_de00_nearest_real"] < figures["colour_de00_shuffled"]
    assert figures["colour_de00_shuffled"] > 10


def test_accuracy_comes_with_an_interval_that_keeps_pairs_together() -> None:
    rng = np.random.default_rng(0)
    real = rng.random(400) < 0.7
    fake = real & (rng.random(400) < 0.8)  # right only where the real one is
    figures = category_figures(fake, real, rng)
    low, high = figures["category_interval"]  # type: ignore[misc]
    deviation = math.sqrt(fake.mean() * (1 - fake.mean()) / 400)
    assert low == pytest.approx(fake.mean() - 1.96 * deviation, abs=0.01)
    assert high == pytest.approx(fake.mean() + 1.96 * deviation, abs=0.01)
    assert category_figures(real, real, rng)["category_ratio_interval"] == [1, 1]
    assert category_figures(fake, real & False, rng)["category_ceiling"] == 0  # nothing told right: no division by 0


def test_confusions_are_those_that_cost_most() -> None:
    truth = np.array(["hat"] * 4 + ["top"] * 3)
    fake = np.array(["hat", "shoes", "shoes", "top", "body", "top", "top"])
    real = np.array(["hat", "hat", "hat", "shoes", "body", "top", "top"])
    assert confusions(fake, real, truth) == [Confusion("hat", "shoes", 2, 1), Confusion("hat", "top", 1, 0)]


def test_an_obedient_generator_reaches_the_ceilings(obedient: Evaluation) -> None:
    figures = obedient.figures
    assert figures["category_accuracy"] > 0.95 * figures["category_ceiling"]
    assert figures["retrieval_top1"] > 0.75 * figures["retrieval_ceiling"]
    assert figures["classification_accuracy_score"] > 0.9
    assert figures["colour_de00_median"] < 3
    assert figures["coverage"] > 0.7
    assert obedient.made.shape == (120, 32, 32, 4)
    assert figures["by_category"].keys() == set(NAMES)
    assert sum(row["count"] for row in figures["by_category"].values()) == 120
    assert sum(row["trained_on"] for row in figures["by_category"].values()) == 260


def test_controls_fall_to_where_they_should(obedient: Evaluation) -> None:
    figures = obedient.figures
    for name in ("retrieval", "category", "classification_accuracy_score"):
        value = figures[{"retrieval": "retrieval_top1", "category": "category_accuracy"}.get(name, name)]
        assert figures[f"{name}_shuffled"] < 0.6 * value
    assert figures["colour_de00_shuffled"] > 10
    assert figures["spread_ratio"] < 0.5 < figures["spread_shuffled"]  # it heeds its condition more than z
    assert figures["copy_ratio_of_copies"] < 0.2 < figures["copy_ratio"]  # mirrored shapes are the shapes


def test_an_untrained_generator_is_found_out(untrained: Evaluation) -> None:
    figures = untrained.figures
    assert figures["frechet_ratio"] > 3
    assert figures["retrieval_top1"] < 0.1 < figures["retrieval_ceiling"]
    assert figures["category_accuracy"] < 0.7 < figures["category_ceiling"]
    assert figures["classification_accuracy_score"] < 0.7 < figures["classification_accuracy_score_ceiling"]
    assert figures["recall"] < 0.2
    assert untrained.confusions[0].generated > untrained.confusions[0].real


def test_a_classifier_learns_no_more_than_the_generator_shows(judge: Judge, held: RealSet) -> None:
    """Asked for discs, this one draws bars: whoever learns from its pictures takes real bars for discs."""

    class Confused(Painter):
        def style(self, z: Tensor, condition: Tensor, category: Tensor) -> Tensor:
            return super().style(z, condition, torch.where(category == 1, 2, category))

    levels, truth = judge.look(held.rgba).levels, np.array(held.categories)
    score = classification_accuracy(model_of(Confused(), judge.train), judge, levels, truth)
    squares = (truth == "square").mean()
    assert squares < score["classification_accuracy_score"] < squares + 0.8 * (truth != "square").mean()
    assert score["classification_accuracy_score_ceiling"] > 0.9


def test_a_generator_that_draws_nothing_is_judged_too(judge: Judge, held: RealSet) -> None:
    class Empty(Painter):
        def draw(self, styles: Sequence[Tensor]) -> Tensor:
            return torch.full((len(styles[0]), 4, 32, 32), -1.0)

    figures = evaluate(model_of(Empty(), judge.train), judge, held).figures
    assert figures["spread_ratio"] == 0
    assert figures["recall"] == 0
    assert all(math.isfinite(value) for value in figures.values() if isinstance(value, float))


def test_garments_of_one_colour_can_be_judged(perceptual: Perceptual) -> None:
    def grey(real: RealSet) -> RealSet:
        rgba = np.where(real.rgba[..., 3:] > 0, np.array([90, 90, 90, 255], np.uint8), np.uint8(0))
        rgba[:, 0, :, 3] = np.arange(len(rgba))[:, None] % 200  # no two the same
        return RealSet(rgba, np.random.default_rng(0).normal(size=(len(rgba), 64)).astype(np.float32), real.categories)

    judge, held = Judge(perceptual, grey(real_set(260, 0))), grey(real_set(120, 1))
    figures = evaluate(model_of(Painter(), judge.train), judge, held).figures
    assert figures["colour_de00_nearest_real"] == pytest.approx(0, abs=1e-6)
    assert all(math.isfinite(value) for value in figures.values() if isinstance(value, float))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: {"rgba": a["rgba"][..., :3]},
            r"pictures: uint8 \(9, 32, 32, 3\), wanted uint8 \(n, side",
        ),
        (lambda a: {"rgba": a["rgba"].astype(np.float32)}, r"pictures: float32"),
        (lambda a: {"conditions": a["conditions"][:, :63]}, r"conditions: conditions \(9, 63\) and 9 categories"),
        (lambda a: {"categories": a["categories"][:8]}, r"8 categories for 9 pictures"),
        (
            lambda a: {"conditions": np.where(np.arange(9)[:, None] == 4, np.nan, a["conditions"])},
            r"row 4 is not finite",
        ),
    ],
)
def test_pictures_and_conditions_of_another_form_are_named(change, message) -> None:  # type: ignore[no-untyped-def]
    given = vars(real_set(9, 1))
    with pytest.raises(BadInput, match=message):
        RealSet(**(given | change(given)))


def test_one_category_or_one_picture_teaches_nothing(perceptual: Perceptual) -> None:
    train = real_set(20, 0)
    with pytest.raises(BadInput, match=r"categories: all 20 garments are of one \(bar\)"):
        Judge(perceptual, RealSet(train.rgba, train.conditions, ["bar"] * 20))
    with pytest.raises(BadInput, match="pictures: all 20 are the same"):
        Judge(perceptual, RealSet(train.rgba[[3] * 20], train.conditions, train.categories))


def test_too_few_pictures_or_the_wrong_size_are_not_judged_by(judge: Judge, held: RealSet) -> None:
    model = model_of(Painter(), judge.train)
    with pytest.raises(BadInput, match="catalogue: 3 held-out garments, wanted 120"):
        evaluate(model, judge, real_set(3, 1))
    small = RealSet(held.rgba[:, ::2, ::2], held.conditions, held.categories)
    with pytest.raises(BadInput, match="pictures: 16 px, wanted the model's 32"):
        evaluate(model, judge, small)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
def test_features_are_the_same_on_a_graphics_card(perceptual: Perceptual, held: RealSet) -> None:
    expected = perceptual(held.rgba[:8])
    found = perceptual.to("cuda")(held.rgba[:8])
    perceptual.to("cpu")
    for one, other in zip(expected, found):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3)


def test_features_do_not_depend_on_the_batch(perceptual: Perceptual, held: RealSet) -> None:
    together, apart = perceptual(held.rgba[:9], batch=9), perceptual(held.rgba[:9], batch=2)
    for one, other in zip(together, apart):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


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
