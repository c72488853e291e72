"""Pictures as the style network sees them: the region without its surroundings, at a working size; and the way back.

Outside the region the picture is filled with the region's own colours, drawn outwards ("push-pull", Gortler et al.
1996): then neither the network nor a judge sees an outline that says nothing of style. What comes back is the change,
which is enlarged where the picture is larger than the working size: its own detail stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from persona.catalog.colour import SOLID
from persona.catalog.pictures import Bytes, premultiply, unpremultiply
from persona.errors import BadInput

Floats = NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.float64)

WORKING_SIDE = 512  # pixels: the longer side of what the network is shown at most
FEWEST_PIXELS = 16  # of either side
MOST_ASPECT = 8.0  # of the sides
_LEAST_REGION = 64  # pixels that must be in the region, of any picture
_STRIDE = 16
_STRIP = 1 << 18  # pixels that are worked on at a time at full size: large photos need no gigabytes


@dataclass(frozen=True)
class View:
    """A region of a picture, ready for networks.

    rgb: sRGB (1, 3, h, w) from 0 to 1, filled outside the region; h and w are multiples of 16. mask: the region
    (1, 1, h, w) from 0 to 1. box: left, top, right, bottom of what is shown, in the picture's pixels. size: height and
    width of that part of rgb and mask that shows the box; what is beyond is filled.
    """

    rgb: Tensor
    mask: Tensor
    box: tuple[int, int, int, int]
    size: tuple[int, int]


def check(rgba: Bytes, region: Floats | None, field: str) -> Floats:
    """The region of a picture where it can be worked on, float32 (h, w): the given one, or the picture's alpha.

    rgba: premultiplied uint8 (h, w, 4). region: from 0 to 1, counts where the picture is not transparent. Raises
    BadInput with the codes not_rgba, too_small, too_long, transparent and no_region, naming the field.
    """
    if rgba.dtype != np.uint8 or rgba.ndim != 3 or rgba.shape[2] != 4:
        raise BadInput(field, f"{rgba.dtype} {rgba.shape}, wanted uint8 (height, width, 4), premultiplied", "not_rgba")
    height, width = rgba.shape[:2]
    if min(height, width) < FEWEST_PIXELS:
        small = f"is {width}x{height} pixels: send one of at least {FEWEST_PIXELS} a side"
        raise BadInput(field, small, "too_small")
    if max(height, width) > MOST_ASPECT * min(height, width):
        raise BadInput(field, f"is {width}x{height} pixels, too long: cut it to {MOST_ASPECT:g}:1 or less", "too_long")
    alpha = rgba[..., 3].astype(np.float32) / 255
    if (alpha >= SOLID).sum() < _LEAST_REGION:
        raise BadInput(field, "is transparent: nothing of it can be seen; send another picture", "transparent")
    if region is None:
        return alpha
    if region.shape != (height, width) or not np.isfinite(region).all():
        raise BadInput("region", f"shape {region.shape}, wanted finite numbers of {(height, width)}", "no_region")
    region = np.minimum(np.clip(region, 0, 1).astype(np.float32), alpha)
    if (region >= SOLID).sum() < _LEAST_REGION:
        raise BadInput("region", "leaves nothing of the picture to work on; make it larger", "no_region")
    return region


def view_of(rgba: Bytes, region: Floats, side: int = WORKING_SIDE) -> View:
    """What networks are shown of a premultiplied picture (h, w, 4) and its region (h, w), as `check` returns it."""
    rows, columns = np.flatnonzero(region.max(1) > 0), np.flatnonzero(region.max(0) > 0)
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    straight = unpremultiply(rgba[top:bottom, left:right])[..., :3]
    mask = region[top:bottom, left:right]
    scale = min(1.0, side / max(mask.shape))
    if scale < 1:
        size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
        covered = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        weighted = cv2.resize(_weighted(straight, mask), size, interpolation=cv2.INTER_AREA)
        rgb, mask = weighted / np.maximum(covered, 1e-3)[..., None], np.asarray(covered, np.float32)
    else:
        rgb = straight.astype(np.float32) / 255
    height, width = mask.shape
    down, across = -height % _STRIDE, -width % _STRIDE
    picture = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]
    known = torch.from_numpy(np.ascontiguousarray(mask))[None, None]
    picture = F.pad(picture, (0, across, 0, down), mode="replicate")
    known = F.pad(known, (0, across, 0, down))  # the padding is filled, and counts nowhere
    return View(extended(picture, known), known, (left, top, right, bottom), (height, width))


def strips(picture: Bytes | Floats) -> Iterator[slice]:
    """Slices of the rows of a picture (h, w, ...), of a bounded number of pixels each."""
    rows = max(1, _STRIP // max(1, picture.shape[1]))
    for top in range(0, len(picture), rows):
        yield slice(top, top + rows)


def _weighted(rgb: Bytes, mask: Floats) -> Floats:
    """Colours from 0 to 1 times the mask: float32 (h, w, 3)."""
    weighted = np.empty(rgb.shape, np.float32)
    for rows in strips(rgb):
        weighted[rows] = rgb[rows].astype(np.float32) / 255 * mask[rows][..., None]
    return weighted


def extended(rgb: Tensor, mask: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) with all that the mask (n, 1, h, w) leaves out filled from what it has, smoothly."""
    known = (mask >= SOLID).to(rgb.dtype)
    levels = [(rgb * known, known)]
    while max(levels[-1][1].shape[2:]) > 1:
        colour, weight = levels[-1]
        size = [(n + 1) // 2 for n in weight.shape[2:]]
        colour, weight = (F.interpolate(each, size, mode="area") for each in (colour, weight))
        kept = (weight * 4).clamp(max=1) / weight.clamp(min=1e-8)  # a pixel known in part counts in full
        levels.append((colour * kept, weight * kept))
    filled = levels[-1][0] / levels[-1][1].clamp(min=1e-8)
    for colour, weight in reversed(levels[:-1]):
        below = F.interpolate(filled, weight.shape[2:], mode="bilinear", align_corners=False)
        filled = colour + (1 - weight) * below
    return filled


def surrounded(values: NDArray[Number], known: NDArray[np.bool_]) -> NDArray[Number]:
    """Values (h, w, c) filled from where they are known (h, w), as `extended`; in the precision they come in."""
    planes = torch.from_numpy(np.ascontiguousarray(values)).permute(2, 0, 1)[None]
    there = torch.from_numpy(known.astype(values.dtype))[None, None]
    return np.asarray(extended(planes, there)[0].permute(1, 2, 0).numpy())


def sized(picture: Bytes, side: int) -> Bytes:
    """A square picture (s, s, c) at another side: larger by cubic interpolation, smaller by area."""
    if picture.shape[0] == side:
        return picture
    how = cv2.INTER_AREA if picture.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)


def composed(rgba: Bytes, region: Floats, view: View, result: Tensor) -> Bytes:
    """The picture with its region changed as the view was: premultiplied uint8 (h, w, 4).

    result: (1, 3, h, w) from 0 to 1 in place of `view.rgb`. Alpha and all pixels outside the region stay, bit for bit.
    """
    left, top, right, bottom = view.box
    height, width = view.size
    change = (result - view.rgb)[0, :, :height, :width].permute(1, 2, 0).numpy()
    if change.shape[:2] != (bottom - top, right - left):
        change = cv2.resize(change, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    composed = rgba.copy()
    box = np.s_[top:bottom, left:right]
    composed[box] = changed(rgba[box], region[box], change)
    return composed


def changed(rgba: Bytes, region: Floats, change: Floats) -> Bytes:
    """The premultiplied picture (h, w, 4) with `change` (h, w, 3), of sRGB from 0 to 1, added to its straight colours,
    as far as the region (h, w) goes. Alpha and all pixels outside the region stay, bit for bit."""
    result = np.empty_like(rgba)
    for rows in strips(rgba):
        result[rows] = _changed(rgba[rows], region[rows], change[rows])
    return result


def _changed(rgba: Bytes, region: Floats, change: Floats) -> Bytes:
    straight, weight = unpremultiply(rgba), region[..., None]
    moved = straight[..., :3].astype(np.float32) + 255 * change * (weight / np.maximum(_alpha(straight), weight))
    straight[..., :3] = np.rint(np.clip(moved, 0, 255)).astype(np.uint8)
    return np.where(weight > 0, premultiply(straight), rgba)


def _alpha(straight: Bytes) -> Floats:
    return np.maximum(straight[..., 3:].astype(np.float32) / 255, 1e-6)


def opaque(rgb: Bytes) -> Bytes:
    """A photo (h, w, 3) as a picture without transparency, (h, w, 4)."""
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
