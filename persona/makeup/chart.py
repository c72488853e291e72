"""The face chart: the drawn face that makeup artists work on, in five shapes and ten skin tones, by our own code.

Everything is drawn from the landmarks of `chart_points` and lit by the relief of `chart_relief`: the picture owes
nothing to any photo. Skin is shaded in linear light, so that finishes show on it; its median is the Monk tone's colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import cv2
import numpy as np

from persona.errors import BadInput
from persona.makeup.analysis import Shape
from persona.makeup.chart_paint import SIDE, landmarks, paint
from persona.makeup.face import Bytes, Face

SIDES = (64, 1024)


@dataclass(frozen=True)
class Chart:
    """A drawn face. picture: uint8 (side, side, 3), sRGB, not to be written to; face: its 468 known landmarks."""

    picture: Bytes
    face: Face


def draw_chart(shape: Shape, monk: int, side: int = 512) -> Chart:
    """The bare face of a shape (oval, round, square, heart, oblong) and a Monk tone, 1 to 10, on a light background.

    The same arguments give the same bytes. Raises BadInput for an unknown shape or tone, or a side outside 64 to 1024.
    """
    if shape not in get_args(Shape):
        raise BadInput("shape", f"{str(shape)[:32]!r} is no face shape: choose from {', '.join(get_args(Shape))}")
    if not _whole(monk) or not 1 <= monk <= 10:
        raise BadInput("monk", f"{str(monk)[:32]} is no tone of the Monk scale: choose from 1 to 10")
    if not _whole(side) or not SIDES[0] <= side <= SIDES[1]:
        raise BadInput("side", f"{str(side)[:32]}: charts are {SIDES[0]} to {SIDES[1]} pixels wide")
    return _chart(shape, monk, side)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


@lru_cache(64)
def _chart(shape: Shape, monk: int, side: int) -> Chart:
    full = paint(shape, monk)
    picture = full if side == SIDE else np.asarray(cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA))
    picture.flags.writeable = False
    return Chart(np.asarray(picture, np.uint8), Face(np.asarray(landmarks(shape) * (side / SIDE), np.float32)))
