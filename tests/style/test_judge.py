"""The judge: what is style to it, and what is not. Its network's weights are random here: texture needs no more."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models import squeezenet1_1

from persona.catalog.perceptual import Perceptual
from persona.catalog.pictures import Bytes
from persona.errors import BadInput
from persona.style.judge import StyleJudge, by_level, content_distance, feature_distance, style_distance
from tests.style.drawn import garment, printed


@pytest.fixture(scope="module")
def judge() -> StyleJudge:
    torch.manual_seed(0)
    return StyleJudge(Perceptual(squeezenet1_1(weights=None).features, caffe=False))


def mirrored(rgba: Bytes) -> Bytes:
    return np.ascontiguousarray(rgba[:, ::-1])


def test_a_picture_is_no_way_from_itself(judge: StyleJudge) -> None:
    one, again = judge.look(garment(1)), judge.look(garment(1))
    assert style_distance(one.style, again.style) == content_distance(one, again) == feature_distance(one, again) == 0


def test_distances_are_the_same_both_ways_and_add_up_over_levels(judge: StyleJudge) -> None:
    one, other = judge.look(garment(1)), judge.look(garment(4))
    for distance in (content_distance, feature_distance):
        assert distance(one, other) > 0
    assert feature_distance(one, other) == pytest.approx(feature_distance(other, one), rel=1e-5)
    assert style_distance(one.style, other.style) == pytest.approx(style_distance(other.style, one.style)) > 0
    levels = by_level(one.style, other.style)
    assert sum(levels) == pytest.approx(style_distance(one.style, other.style))
    assert len(levels) == 4


def test_style_is_in_the_texture_and_not_in_where_it_is(judge: StyleJudge) -> None:
    """Another cut of a print, or a garment made of it, is nearer to it than another print."""
    one, other = printed(3, 128), printed(8, 128)
    rolled = np.roll(one, (37, 59), (0, 1))  # seamless
    made, plain = judge.look(one), judge.look(other)
    assert style_distance(judge.style(rolled), made.style) < 0.1 * style_distance(made.style, plain.style)
    assert style_distance(judge.style(garment(3, 128)), made.style) < 0.5 * style_distance(made.style, plain.style)
    assert feature_distance(judge.look(rolled), made) > 0.3 * feature_distance(made, plain)  # which is about places


def test_nothing_outside_the_region_is_seen(judge: StyleJudge) -> None:
    one = printed(5, 96)
    region = np.zeros((96, 96), np.float32)
    region[16:80, 16:80] = 1
    other = one.copy()
    other[:16] = (255, 0, 0, 255)
    other[:, 81:] = (0, 255, 0, 255)
    assert style_distance(judge.style(one, region), judge.style(other, region)) == 0
    assert style_distance(judge.style(one), judge.style(other)) > 0


def test_what_cannot_be_seen_is_refused(judge: StyleJudge) -> None:
    with pytest.raises(BadInput, match=r"^picture: is transparent"):
        judge.look(np.zeros((40, 40, 4), np.uint8))


def test_the_maps_are_those_that_the_levels_are_means_of(judge: StyleJudge) -> None:
    picture = printed(2, 128)
    _, levels = judge.perceptual(picture[None])
    rgb = torch.from_numpy(picture[..., :3].copy()).permute(2, 0, 1)[None].float() / 255
    maps = judge.perceptual.maps(rgb)
    assert [each.shape[1] for each in maps] == [64, 128, 256, 512]
    assert [128 // each.shape[2] for each in maps] == [2, 4, 8, 18]  # without padding: the last is a place short
    pooled = torch.cat([F.adaptive_avg_pool2d(each, 2).flatten(1) for each in maps[1:]], 1)
    np.testing.assert_allclose(pooled.numpy(), levels, rtol=1e-4, atol=1e-5)


@pytest.mark.data
def test_content_survives_a_change_of_colours_better_than_a_change_of_garment(datasets: Path) -> None:
    """With the weights that judge in earnest: mirrored is another place for everything, in the same style."""
    judge = StyleJudge(Perceptual.load(datasets / "perceptual" / "squeezenet_v1.1_features.npz"))
    paintings = sorted((datasets / "art").glob("*.webp"))
    assert paintings
    for file in paintings:
        picture = cv2.resize(cv2.imread(str(file)), (192, 192), interpolation=cv2.INTER_AREA)
        rgba = np.dstack([picture, np.full((192, 192), 255, np.uint8)])
        dimmed = np.dstack([picture // 2 + 60, rgba[..., 3]]).astype(np.uint8)
        own, dim, turned = judge.look(rgba), judge.look(dimmed), judge.look(mirrored(rgba))
        assert content_distance(own, dim) < content_distance(own, turned)
        assert style_distance(own.style, turned.style) < style_distance(own.style, dim.style)
