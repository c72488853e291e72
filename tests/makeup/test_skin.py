"""Skin tone: the colour under neutral light, the Monk tone with its range, and the user's own word."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from persona.catalog.colour import lab_to_srgb, srgb_to_lab
from persona.makeup.analysis import SkinTone, analyse
from persona.makeup.chart import draw_chart
from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.monk import MONK, MONK_LAB
from persona.makeup.portraits import Picture, pictures_of
from persona.makeup.skin import Balance, balanced, closeup, read_skin, skin_patches, white_balance
from persona.store.records import Traits

from . import faces_of

WARM, COOL = (1.1, 1.0, 0.9), (0.9, 1.0, 1.1)


def chart(monk: int) -> tuple[Bytes, Face]:
    drawn = draw_chart("oval", monk, 512)
    return drawn.picture, drawn.face


def within(tone: SkinTone, monk: int) -> bool:
    return tone.monk_range is not None and tone.monk_range[0] <= monk <= tone.monk_range[1]


def test_the_published_tones() -> None:
    assert len(MONK) == 10
    assert (np.diff([tone[0] for tone in MONK_LAB[2:]]) < 0).all()
    np.testing.assert_allclose(lab_to_srgb(MONK_LAB)[9], [0x29, 0x24, 0x20], atol=0.01)


@pytest.mark.parametrize("monk", range(1, 11))
def test_a_drawn_tone_is_read_within_its_range(monk: int) -> None:
    tone = read_skin(*chart(monk))
    assert within(tone, monk)
    assert tone.monk is not None
    assert abs(tone.monk - monk) <= 2


def test_darker_skin_is_never_read_as_lighter() -> None:
    tones = [read_skin(*chart(monk)) for monk in range(3, 11)]
    assert all(one.monk <= other.monk for one, other in pairwise(tones))
    assert all(one.ita > other.ita for one, other in pairwise(tones))


@pytest.mark.parametrize("gains", [WARM, COOL])
def test_white_balance_takes_most_of_a_cast(gains: tuple[float, float, float]) -> None:
    picture, face = chart(5)
    cast = faces_of.lit(picture, gains)
    unbalanced = Balance(np.ones(3), 0.0, True)

    def colour(photo: Bytes, balance: Balance) -> np.ndarray:
        patches = skin_patches(*closeup(photo, face))
        return np.median(srgb_to_lab(balanced(np.concatenate(patches), balance)), 0)

    before = colour(cast, unbalanced) - colour(picture, unbalanced)
    after = colour(cast, white_balance(cast, face)) - colour(picture, white_balance(picture, face))
    assert np.hypot(*after[1:]) < 0.5 * np.hypot(*before[1:])


def test_balancing_neutral_light_changes_nothing() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(float)
    np.testing.assert_allclose(balanced(rgb, Balance(np.ones(3), 0.0, True)), rgb, atol=1e-6)


def test_strongly_coloured_light_allows_no_undertone_and_says_so() -> None:
    picture, face = chart(5)
    tone = read_skin(faces_of.lit(picture, (1.6, 1.0, 0.4)), face)
    assert not tone.certain
    assert tone.undertone is None
    assert "light" in tone.why


def test_the_users_word_comes_first() -> None:
    picture, face = chart(3)
    tone = read_skin(picture, face, Traits(skin_tone=8, undertone="cool"))
    assert (tone.monk, tone.monk_range, tone.undertone) == (8, (8, 8), "cool")
    assert tone.stated == ("monk", "undertone")
    assert tone.lab == read_skin(picture, face).lab
    one = read_skin(picture, face, Traits(undertone="warm"))
    assert one.stated == ("undertone",)
    assert one.monk == read_skin(picture, face).monk


def test_without_a_photo_there_is_only_their_word() -> None:
    known = analyse(None, None, Traits(skin_tone=6, face_shape="heart"))
    assert known.skin.monk == 6
    assert known.skin.lab is None
    assert known.shape.shape == "heart"
    assert known.shape.stated
    nothing = analyse(None, None)
    assert nothing.skin.monk is None
    assert not nothing.skin.certain
    assert nothing.shape.shape is None
    assert sum(nothing.shape.scores.values()) == pytest.approx(1)


def test_a_face_that_is_all_hair_has_no_tone() -> None:
    picture, face = chart(5)
    noise = np.random.default_rng(0).integers(0, 256, picture.shape, dtype=np.uint8)
    tone = read_skin(noise, face)
    assert tone.monk is None or not tone.certain


@pytest.mark.data
@pytest.mark.parametrize("gains", [WARM, COOL])
def test_of_the_portraits_a_cast_moves_few_by_more_than_one_tone(
    gains: tuple[float, float, float], shared_portraits: list[Picture], detector: LandmarkDetector
) -> None:
    moved, angles = [], []
    for portrait in shared_portraits:
        (face,) = detector.detect(portrait.photo)
        one, other = read_skin(portrait.photo, face), read_skin(faces_of.lit(portrait.photo, gains), face)
        moved.append(abs((one.monk or 0) - (other.monk or 0)))
        angles.append(abs(one.ita - other.ita))
    assert np.mean(np.array(moved) <= 1) >= 0.9
    assert np.median(angles) < 5  # 9 to 11 without white balance


@pytest.mark.data
def test_self_reported_groups_lie_where_they_should(faces_zip: Path, detector: LandmarkDetector) -> None:
    tones: dict[str, list[int]] = {"white": [], "black": []}
    for number, portrait in enumerate(pictures_of(faces_zip)):
        if portrait.ethnicity == "black" or (portrait.ethnicity == "white" and number % 6 == 0):
            tone = read_skin(portrait.photo, detector.detect(portrait.photo)[0])
            assert tone.monk is not None
            tones[portrait.ethnicity].append(tone.monk)
    assert 3 <= np.median(tones["white"]) <= 5
    assert np.median(tones["black"]) >= 7
