"""What is left of the content, measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from persona.catalog.pictures import Bytes
from persona.style.bench import garment_like
from persona.style.content import (
    changed_elsewhere,
    colour_change,
    edge_cosine,
    inside,
    light_change,
    structural,
)
from persona.style.picture import Floats, opaque
from tests.style.drawn import garment, printed


def whole(rgba: Bytes) -> Floats:
    return (rgba[..., 3] / 255).astype(np.float32)


def shaded(rgba: Bytes, gain: float, offset: float) -> Bytes:
    """Colours of an opaque picture times gain, plus offset."""
    moved = np.clip(np.rint(rgba[..., :3] * gain + offset), 0, 255)
    return np.dstack([moved, rgba[..., 3:]]).astype(np.uint8)


@pytest.fixture
def cloth() -> Bytes:
    draw = np.random.default_rng(0)
    smooth = np.kron(draw.uniform(70, 180, (8, 8, 3)), np.ones((8, 8, 1)))
    return opaque(np.rint(smooth + draw.normal(0, 3, (64, 64, 3))).clip(0, 255).astype(np.uint8))


def test_lightness_and_contrast_leave_edges_and_structure(cloth: Bytes) -> None:
    region = whole(cloth)
    assert edge_cosine(cloth, cloth, region) == pytest.approx(1)
    assert structural(cloth, cloth, region) == pytest.approx(1)
    other = shaded(cloth, 0.6, 30)
    assert edge_cosine(cloth, other, region) > 0.99
    assert structural(cloth, other, region) > 0.9
    negative = shaded(cloth, -1, 255)
    assert edge_cosine(cloth, negative, region) == pytest.approx(1)  # the same edges
    assert structural(cloth, negative, region) < -0.2  # dark for light, where there is any contrast


def test_another_picture_has_other_edges_and_no_structure_in_common() -> None:
    one, other = garment(3), garment(8)
    region = whole(one)
    assert edge_cosine(one, other, region) < 0.8
    assert abs(structural(one, other, region)) < 0.35


def test_the_outline_does_not_count(cloth: Bytes) -> None:
    garment_ = garment_like(64)
    bright = garment_.copy()
    bright[..., :3] = np.where(inside(whole(garment_), 3)[..., None], garment_[..., :3], garment_[..., 3:])
    assert structural(garment_, bright, whole(garment_)) < 1  # its windows reach so far
    assert inside(whole(cloth), 2).sum() == 60 * 60
    assert not inside(np.zeros((9, 9), np.float32), 0).any()
    assert math.isnan(structural(cloth, cloth, np.zeros((64, 64), np.float32)))


def test_nothing_has_no_edges() -> None:
    plain = opaque(np.full((32, 32, 3), 90, np.uint8))
    assert math.isnan(edge_cosine(plain, printed(2, 32), np.ones((32, 32), np.float32)))


def test_colours_and_light_are_measured_apart(cloth: Bytes) -> None:
    region = whole(cloth)
    grey = opaque(np.repeat(cloth[..., 1:2], 3, -1))
    darker = opaque(np.repeat(cloth[..., 1:2] // 2, 3, -1))
    assert colour_change(grey, darker, region) < 0.1
    assert light_change(grey, darker, region) > 15
    assert colour_change(cloth, grey, region) > 5
    assert light_change(cloth, cloth, region) == 0


def test_pixels_that_must_not_change_are_counted() -> None:
    one = garment(2)
    region = np.zeros((64, 64), np.float32)
    region[:, :32] = 1
    other = one.copy()
    other[20, 10, :3] ^= 1  # in the region
    assert changed_elsewhere(one, other, region) == 0
    other[20, 40, :3] ^= 1  # outside it
    other[30, 12, 3] ^= 1  # alpha, in the region
    assert changed_elsewhere(one, other, region) == 2
