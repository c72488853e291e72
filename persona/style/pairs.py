"""What a style model is judged on: garments, each with the style it is to be given; and the controls that are cut of
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch.nn.functional as F

from persona.catalog.pictures import Bytes
from persona.errors import BadInput
from persona.style.picture import Floats, check, composed, opaque, sized, view_of
from persona.style.prints import PRINTS, draw_print

Kind = Literal["garment", "print", "painting"]

SIDE = 256  # pixels
FEWEST = 16  # garments: fewer say nothing
_HELD_OUT = 3_000_017  # seeds of prints from here on are nobody's to train on
_TURN: tuple[Kind, ...] = ("garment", "print", "garment", "painting")  # kinds of style, in turn


@dataclass(frozen=True)
class Pair:
    """A garment and a style picture, premultiplied uint8 (SIDE, SIDE, 4); kind: of the style."""

    content: Bytes
    style: Bytes
    kind: Kind


def pairs_of(garments: Bytes, paintings: Sequence[Bytes], count: int, seed: int = 0) -> list[Pair]:
    """So many pairs: no garment is in two of them while they last. A half of the styles are garments, a quarter prints,
    a quarter squares of paintings; where there are no paintings, prints.

    garments: premultiplied uint8 (n, s, s, 4), enlarged where they are smaller. paintings: uint8 (h, w, 3). Raises
    BadInput for fewer than FEWEST garments.
    """
    if len(garments) < FEWEST:
        raise BadInput("garments", f"{len(garments)} to judge by, wanted at least {FEWEST}: import more")
    draw = np.random.default_rng(seed)
    order, names, pairs = draw.permutation(len(garments)), list(PRINTS), []
    for number in range(count):
        kind = _TURN[number % len(_TURN)]
        kind = "print" if kind == "painting" and not paintings else kind
        first, second = (int(order[(2 * number + k) % len(order)]) for k in range(2))
        if kind == "garment":
            style = enlarged(garments[second])
        elif kind == "print":
            name = names[int(draw.integers(len(names)))]
            style = opaque(draw_print(name, SIDE, _HELD_OUT + number))
        else:
            style = opaque(_square(paintings[int(draw.integers(len(paintings)))], draw))
        pairs.append(Pair(enlarged(garments[first]), style, kind))
    return pairs


def enlarged(rgba: Bytes) -> Bytes:
    """A premultiplied square picture at SIDE pixels: larger by cubic interpolation, smaller by area."""
    if rgba.shape[0] == SIDE:
        return rgba
    resized = sized(rgba, SIDE)
    resized[..., :3] = np.minimum(resized[..., :3], resized[..., 3:])  # cubic overshoots
    return resized


def halves(rgba: Bytes) -> tuple[Floats, Floats]:
    """The left and the right half of a picture's region, of equal areas: how far apart one style is from itself."""
    region = check(rgba, None, "picture")
    middle = int(np.searchsorted(np.cumsum(region.sum(0)), region.sum() / 2))
    columns = np.arange(region.shape[1])
    return region * (columns <= middle), region * (columns > middle)


def recut(rgba: Bytes, other: Bytes) -> Bytes:
    """Another picture's pixels in this one's outline, stretched to it: what has nothing to do with its content."""
    region = check(rgba, None, "picture")
    view, its = view_of(rgba, region), view_of(other, check(other, None, "picture"))
    height, width = view.size
    shown, result = its.rgb[:, :, : its.size[0], : its.size[1]], view.rgb.clone()
    stretched = F.interpolate(shown, view.size, mode="bilinear", antialias=True, align_corners=False)
    result[:, :, :height, :width] = stretched.clamp(0, 1)
    return composed(rgba, region, view, result)


def _square(painting: Bytes, draw: np.random.Generator) -> Bytes:
    side = min(painting.shape[:2])
    top, left = (int(draw.integers(length - side + 1)) for length in painting.shape[:2])
    square = painting[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
