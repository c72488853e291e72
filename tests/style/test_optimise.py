"""The optimisation mode: nearer to the style than colours alone bring it, and the content is still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import torch
from torchvision.models import squeezenet1_1

from persona.catalog.perceptual import Perceptual
from persona.catalog.pictures import Bytes
from persona.errors import BadInput
from persona.settings import Settings
from persona.style.colour_transfer import colour_transfer
from persona.style.content import changed_elsewhere, colour_change, edge_cosine, light_change
from persona.style.controls import Controls
from persona.style.features import GARMENT, FeatureNet, open_features
from persona.style.judge import StyleJudge, style_distance
from persona.style.optimise import optimise
from tests.style.drawn import garment, printed

SOURCE, STYLE = garment(2), printed(3)
REGION = (SOURCE[..., 3] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def net() -> FeatureNet:
    return open_features(GARMENT, Settings().models)


@pytest.fixture(scope="module")
def made(net: FeatureNet) -> Bytes:
    return optimise(SOURCE, STYLE, net, steps=40)


def test_it_comes_nearer_to_the_style_than_colours_alone(made: Bytes) -> None:
    """In a network that the optimisation knows nothing of."""
    torch.manual_seed(0)
    judge = StyleJudge(Perceptual(squeezenet1_1(weights=None).features, caffe=False))
    goal = judge.style(STYLE)
    recoloured = colour_transfer(SOURCE, STYLE)
    before, colours, after = (style_distance(judge.style(each), goal) for each in (SOURCE, recoloured, made))
    assert after < 0.7 * colours < 0.7 * before


def test_the_content_is_still_there(made: Bytes) -> None:
    assert edge_cosine(SOURCE, made, REGION) > edge_cosine(SOURCE, STYLE, REGION) + 0.05
    assert changed_elsewhere(SOURCE, made, REGION) == 0


def test_only_the_region_changes(net: FeatureNet) -> None:
    half = REGION.copy()
    half[:, 32:] = 0
    made = optimise(SOURCE, STYLE, net, steps=3, region=half)
    assert changed_elsewhere(SOURCE, made, half) == 0
    assert (made[:, :32] != SOURCE[:, :32]).any()


def test_the_same_seed_makes_the_same_picture(net: FeatureNet) -> None:
    one, again, other = (optimise(SOURCE, STYLE, net, steps=3, seed=seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


def test_strength_goes_from_nothing_to_all(net: FeatureNet) -> None:
    made = [optimise(SOURCE, STYLE, net, steps=5, controls=Controls(strength=s)) for s in (0, 0.3, 0.7, 1)]
    assert (made[0] == SOURCE).all()
    change = [np.abs(each.astype(float) - SOURCE).mean() for each in made]
    assert (np.diff(change) > 0).all()


def test_colours_or_light_are_kept_where_that_is_asked_for(net: FeatureNet) -> None:
    free = optimise(SOURCE, STYLE, net, steps=20)
    colour = optimise(SOURCE, STYLE, net, steps=20, controls=Controls(keep_colour=True))
    light = optimise(SOURCE, STYLE, net, steps=20, controls=Controls(keep_luminance=True))
    assert colour_change(SOURCE, colour, REGION) < 0.5 * colour_change(SOURCE, free, REGION)
    assert light_change(SOURCE, light, REGION) < 0.5 * light_change(SOURCE, free, REGION)


def test_the_steps_can_be_watched(net: FeatureNet) -> None:
    seen: list[int] = []

    def watch(steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            seen.append(step)
            yield step

    optimise(SOURCE, STYLE, net, steps=3, progress=watch)
    assert seen == [0, 1, 2]


def test_a_style_of_one_colour_colours(net: FeatureNet) -> None:
    plain = np.full((64, 64, 4), (40, 90, 160, 255), np.uint8)
    made = optimise(SOURCE, plain, net, steps=40)
    there = made[..., 3] == 255
    before, after = (np.abs(each[there][:, :3].mean(0) - (40, 90, 160)).max() for each in (SOURCE, made))
    assert after < 0.3 * before


@pytest.mark.parametrize(
    ("picture", "style", "message"),
    [
        (np.zeros((64, 64, 4), np.uint8), STYLE, "^picture: is transparent"),
        (SOURCE, np.zeros((64, 64, 4), np.uint8), "^style: is transparent"),
        (SOURCE, np.full((1, 1, 4), 255, np.uint8), "^style: is 1x1 pixels"),
        (np.full((16, 300, 4), 255, np.uint8), STYLE, "^picture: is 300x16 pixels, too long"),
    ],
)
def test_bad_pictures_are_refused_by_name(net: FeatureNet, picture: Bytes, style: Bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        optimise(picture, style, net, steps=1)
