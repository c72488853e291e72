"""Face shape: soft scores that know the drawn shapes, and stay when the head turns or smiles."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from persona.makeup import shape as module
from persona.makeup import skin
from persona.makeup.analysis import Shape, analyse
from persona.makeup.chart import draw_chart
from persona.makeup.face import Face, LandmarkDetector
from persona.makeup.portraits import Picture
from persona.makeup.shape import PROTOTYPES, read_shape
from persona.store.records import Traits

from . import faces_of
from .learn_faces import learn

SHAPES: tuple[Shape, ...] = get_args(Shape)


def rotated(face: Face, yaw: float, roll: float, scale: float) -> Face:
    a, b = np.radians(yaw), np.radians(roll)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return Face((face.points @ turn.T @ tilt.T * scale + 300).astype(np.float32))


def apart(one: dict[Shape, float], other: dict[Shape, float]) -> float:
    """Total variation."""
    return sum(abs(one[shape] - other[shape]) for shape in SHAPES) / 2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_drawn_shape_is_read_as_it_was_drawn(shape: Shape) -> None:
    read = read_shape(draw_chart(shape, 5, 512).face)
    assert read.shape == shape
    assert set(read.scores) == set(PROTOTYPES) == set(SHAPES)
    assert sum(read.scores.values()) == pytest.approx(1)
    assert not read.stated


@pytest.mark.parametrize("yaw", [-20, 20])
def test_turn_tilt_and_size_change_little(yaw: float) -> None:
    for shape in SHAPES:
        face = draw_chart(shape, 5, 512).face
        assert apart(read_shape(face).scores, read_shape(rotated(face, yaw, 30, 0.3)).scores) < 0.1


def test_the_users_word_comes_first() -> None:
    drawn = draw_chart("round", 5, 512)
    read = read_shape(drawn.face, Traits(face_shape="heart"))
    assert (read.shape, read.stated) == ("heart", True)
    assert read.scores == read_shape(drawn.face).scores
    assert analyse(drawn.picture, drawn.face, Traits(face_shape="heart")).shape == read
    assert not read_shape(drawn.face, Traits(skin_tone=3)).stated


@pytest.mark.data
def test_portraits_turned_by_20_degrees(shared_portraits: list[Picture], detector: LandmarkDetector) -> None:
    differences = []
    for portrait in shared_portraits:
        (face,) = detector.detect(portrait.photo)
        (turned,) = detector.detect(faces_of.turned(portrait.photo, face, 20))
        differences.append(apart(read_shape(face).scores, read_shape(turned).scores))
    assert np.median(differences) < 0.3


@pytest.mark.data
@pytest.mark.slow
def test_the_numbers_are_those_that_the_portraits_teach(faces_zip: Path, detector: LandmarkDetector) -> None:
    learnt = learn(faces_zip)
    np.testing.assert_allclose((learnt.mean - module.MEAN) / module.DEVIATION, 0, atol=0.1)
    np.testing.assert_allclose(learnt.deviation, module.DEVIATION, rtol=0.1)
    assert learnt.temperature == pytest.approx(module.TEMPERATURE, rel=0.1)
    np.testing.assert_allclose(learnt.sclera, skin._SCLERA, atol=0.02)
    assert learnt.sclera_sd == pytest.approx(skin._SCLERA_SD, abs=0.02)
    assert learnt.light == pytest.approx((skin._LIGHT_AT, skin._LIGHT_SLOPE, skin._LIGHT_SD), abs=0.08)
    assert learnt.hue == pytest.approx((skin._HUE_AT, skin._HUE_SLOPE, skin._HUE_SD), abs=1)
