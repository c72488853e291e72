"""Colour sets whose relation is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from persona.recommend.harmony import ACCENT, FREE, NEUTRALS, harmony


def lch(*colours: tuple[float, float, float]) -> NDArray[np.float64]:
    """(lightness, chroma, hue in degrees) as one set of CIELAB colours."""
    return np.array([[(L, c * np.cos(np.radians(h)), c * np.sin(np.radians(h))) for L, c, h in colours]])


GREY, BLACK, WHITE = (50.0, 1.0, 0.0), (10.0, 2.0, 40.0), (95.0, 3.0, 90.0)
SETS = {
    NEUTRALS: lch(GREY, BLACK, WHITE),
    ACCENT: lch(GREY, BLACK, (50, 60, 30)),
    "monochrome": lch((30, 40, 250), (70, 40, 262), WHITE),
    "analogous": lch((50, 50, 20), (50, 50, 60), (50, 50, 100)),
    "complementary": lch((50, 50, 20), (50, 50, 200), GREY),
    "split complementary": lch((50, 50, 0), (50, 50, 80), (50, 50, 220)),
}


@pytest.mark.parametrize(("rule", "colours"), SETS.items())
def test_each_rule_is_recognised(rule: str, colours: NDArray[np.float64]) -> None:
    scores, names = harmony(colours)
    assert names == [rule]
    assert 0.6 < scores[0] <= 1


def test_colours_spread_over_the_wheel_follow_no_rule() -> None:
    scores, names = harmony(lch((50, 60, 0), (50, 60, 100), (50, 60, 200)))
    assert names == [FREE]
    assert scores[0] < 0.4


def test_what_wears_like_grey_though_it_has_a_hue() -> None:
    beige, denim, navy = (70, 16, 80), (45, 18, 270), (25, 16, 285)
    assert harmony(lch(beige, denim, navy))[1] == [NEUTRALS]
    assert harmony(lch(beige, denim, (45, 60, 20)))[1] == [ACCENT]


def test_a_colour_with_paler_ones_of_its_hue_is_called_monochrome() -> None:
    assert harmony(lch((45, 60, 270), (70, 22, 265), (70, 22, 275)))[1] == ["monochrome"]


def test_a_very_dark_colour_wears_like_black() -> None:
    assert harmony(lch((6, 30, 280), GREY, WHITE))[1] == [NEUTRALS]


@pytest.mark.parametrize("turn", [17, 123, 299])
def test_only_relations_of_hues_count(turn: float) -> None:
    colours = np.random.default_rng(0).uniform((30, 40, 0), (80, 60, 360), (50, 3, 3))
    sets = np.concatenate([lch(*map(tuple, one)) for one in colours])
    turned = np.concatenate([lch(*map(tuple, one + [0, 0, turn])) for one in colours])
    assert harmony(sets)[0] == pytest.approx(harmony(turned)[0], abs=1e-6)


def test_the_order_of_pieces_does_not_matter() -> None:
    colours = np.random.default_rng(1).uniform((20, -50, -50), (90, 50, 50), (50, 4, 3))
    assert harmony(colours)[0] == pytest.approx(harmony(colours[:, ::-1])[0], abs=1e-9)


def test_scores_lie_between_nought_and_one() -> None:
    scores, names = harmony(np.random.default_rng(2).uniform((0, -100, -100), (100, 100, 100), (500, 3, 3)))
    assert 0 <= scores.min() <= scores.max() <= 1
    assert len(names) == 500
