"""A tile laid on a garment: repeated along its shape, shifted by its folds and lit by them."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from persona.catalog.colour import from_linear, to_linear
from persona.catalog.pictures import Bytes, unpremultiply
from persona.errors import BadInput
from persona.store.records import Record
from persona.style.picture import Floats, changed, check, strips
from persona.style.shape import Shape, shape_of

LEAST_TILE, MOST_TILE = 2, 4096  # pixels a side
_SHIFT = 0.06  # of the garment's width: how far a fold shifts the print by its light, which goes by its slope, for
# one step of the logarithm
_BORDER = 4  # pixels of the tile repeated around it: what interpolation reaches for
_SOFT = 0.5  # pixels: of a print that is made smaller, so that it does not flicker where it is turned


class Drape(Record):
    """How a tile is laid. scale: tiles across the garment's widest part. rotation: degrees by which the print is
    turned, clockwise. strength: 0 leaves the garment as it is, 1 is the print alone, in the garment's light."""

    scale: Annotated[float, Field(ge=0.1, le=64)] = 3.0
    rotation: Annotated[float, Field(ge=-360, le=360)] = 0.0
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0


def lay(rgba: Bytes, tile: Bytes, drape: Drape | None = None, region: Floats | None = None) -> Bytes:
    """The garment in the tile's print: premultiplied uint8 (h, w, 4).

    rgba: the garment, premultiplied uint8 (h, w, 4). tile: uint8 (h, w, 3), seamless. region: where, from 0 to 1; None:
    all of it. Alpha and all pixels outside the region stay, bit for bit. Raises BadInput as `picture.check` does, with
    the field "picture", and with "tile" for what is none.
    """
    drape = drape or Drape()
    if tile.dtype != np.uint8 or tile.ndim != 3 or tile.shape[2] != 3:
        raise BadInput("tile", f"{tile.dtype} {tile.shape}, wanted uint8 (height, width, 3)", "no_tile")
    if not LEAST_TILE <= min(tile.shape[:2]) <= max(tile.shape[:2]) <= MOST_TILE:
        wanted = f"send one of {LEAST_TILE} to {MOST_TILE} a side"
        raise BadInput("tile", f"is {tile.shape[1]}x{tile.shape[0]} pixels: {wanted}", "no_tile")
    region = check(rgba, region, "picture")
    shape, laid = shape_of(rgba, region), rgba.copy()
    shown = _at_size(tile, shape.width / drape.scale)
    for rows in strips(rgba):
        part = Shape(shape.place[rows], shape.light[rows], shape.folds[rows], shape.width)
        printed = _lit(_repeated(tile, shown, drape, part), part.light)
        straight = unpremultiply(rgba[rows])[..., :3].astype(np.float32) / 255
        laid[rows] = changed(rgba[rows], region[rows], drape.strength * (printed - straight))
    return laid


def _repeated(tile: Bytes, shown: Floats, drape: Drape, shape: Shape) -> Floats:
    """The print in even light, sRGB (h, w, 3) from 0 to 1. A tile's middle lies on the middle of the garment.
    shown: the tile at the size in which it is seen."""
    turn = np.radians(drape.rotation)
    along = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
    aspect = tile.shape[0] / tile.shape[1]
    place = (shape.place + _SHIFT * np.clip(shape.folds, -1, 1)[..., None]) @ along.T * np.float32(drape.scale)
    inside = (place / np.array([1, aspect], np.float32) + np.float32(0.5)) % 1  # of the tile, from 0 to 1
    wrapped = np.pad(shown, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), mode="wrap")
    if shown.shape[1] < tile.shape[1]:
        wrapped = np.asarray(cv2.GaussianBlur(wrapped, (0, 0), _SOFT), np.float32)
    x, y = np.moveaxis(inside * np.array(shown.shape[1::-1], np.float32) + np.float32(_BORDER - 0.5), -1, 0)
    return np.clip(np.asarray(cv2.remap(wrapped, x, y, cv2.INTER_CUBIC), np.float32), 0, 1)


def _at_size(tile: Bytes, across: float) -> Floats:
    """The tile from 0 to 1, made smaller where it is to be shown with fewer pixels across than it has."""
    scale = min(1.0, across / tile.shape[1])
    size = (max(1, round(tile.shape[1] * scale)), max(1, round(tile.shape[0] * scale)))
    return np.asarray(cv2.resize(tile, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def _lit(rgb: Floats, light: Floats) -> Floats:
    """sRGB (h, w, 3) in a light of these logarithms."""
    return np.asarray(from_linear(np.clip(to_linear(rgb) * np.exp(light)[..., None], 0, 1)), np.float32)
