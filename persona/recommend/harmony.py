"""Do these colours go together? Hue relations between the garments of an outfit, in CIELCh.

Itten (The Art of Color, 1961) names the relations: neutrals, one accent, monochrome, analogous, complementary.
Matsuda (Color Design, 1995) gives them as sectors of the hue wheel that may be turned; their widths and the distance
of a colour set from a template, weighted by how colourful each colour is, are those of Cohen-Or et al. (Color
Harmonization, SIGGRAPH 2006). The wheel here is CIELAB's hue angle, in which equal steps look about equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GREY_BELOW, COLOURFUL_ABOVE = 6.0, 20.0  # chroma: below shows no hue, above all of it; between, in part
MUTED = (
    0.6  # weight of b*: undyed, tanned and indigo cloth (beige, brown, denim, navy) wears like grey while it is muted
)
DARK_BELOW = 20.0  # lightness: a colour this dark shows less and less of its hue, and wears like black
_SLACK = 8.0  # degrees outside a template at which harmony has fallen to 1/e

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """A template: sectors as (offset from the first, half width), in degrees, and how much it is worth (0 to 1)."""

    name: str
    sectors: tuple[tuple[float, float], ...]
    worth: float


RULES = (
    Rule("monochrome", ((0, 9.0),), 0.9),  # Matsuda's type i
    Rule("complementary", ((0, 9.0), (180, 9.0)), 0.85),  # type I
    Rule("analogous", ((0, 46.8),), 0.8),  # type V
    Rule("split complementary", ((0, 46.8), (180, 9.0)), 0.65),  # type Y
)
NEUTRALS, ACCENT, FREE = "neutrals", "neutral with one accent", "free contrast"
_TONAL = 3.0  # degrees: where muted colours share the accent's hue, people call the whole one colour
_NEUTRALS_WORTH, _ACCENT_WORTH, _FREE_BELOW = 0.85, 1.0, 0.4


def colourfulness(lab: NDArray[np.floating], muted: float = MUTED) -> Floats:
    """How much of a hue each colour wears, 0 (neutral) to 1. lab: (..., 3). muted: weight of b*, 1 for what is seen."""
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1], muted * lab[..., 2])
    seen = chroma * np.clip(lightness / DARK_BELOW, 0, 1)
    return np.asarray(np.clip((seen - GREY_BELOW) / (COLOURFUL_ABOVE - GREY_BELOW), 0, 1), np.float64)


def harmony(labs: NDArray[np.floating]) -> tuple[Floats, list[str]]:
    """Judge colour sets: (sets, pieces, 3) CIELAB -> score (sets,) from 0 to 1, and the name of the rule of each."""
    worn, seen = colourfulness(labs), colourfulness(labs, muted=1)
    hue = np.degrees(np.arctan2(labs[..., 2], labs[..., 1]))
    scores = np.stack([rule.worth * np.exp(-_distance(hue, worn, rule) / _SLACK) for rule in RULES])
    score = scores.max(0)
    names = np.where(score < _FREE_BELOW, FREE, np.array([rule.name for rule in RULES])[scores.argmax(0)])
    for count, name, worth in ((0, NEUTRALS, _NEUTRALS_WORTH), (1, ACCENT, _ACCENT_WORTH)):
        holds = (worn > 0.5).sum(-1) == count
        names, score = np.where(holds, name, names), np.where(holds, worth, score)
    tonal = (names == ACCENT) & ((seen > 0.5).sum(-1) > 1) & (_distance(hue, seen, RULES[0]) < _TONAL)
    return score, np.where(tonal, RULES[0].name, names).tolist()


def _distance(hue: Floats, weight: Floats, rule: Rule) -> Floats:
    """Mean degrees, weighted by colourfulness, from the sectors at the best turn of the wheel: (sets,).

    The sum of arc lengths is piecewise linear in the turn, so its least value is where a hue meets a sector's edge.
    """
    centres = np.concatenate(
        [hue - offset + sign * half for offset, half in rule.sectors for sign in (-1, 1)], axis=-1
    )  # (sets, turns)
    arc = np.full((*centres.shape, hue.shape[-1]), 360.0)
    for offset, half in rule.sectors:
        apart = np.abs((hue[:, None, :] - centres[:, :, None] - offset + 180) % 360 - 180)
        arc = np.minimum(arc, np.maximum(apart - half, 0))
    total = (arc * weight[:, None, :]).sum(-1).min(-1)
    return np.asarray(total / np.maximum(weight.sum(-1), 1e-9), np.float64)
