"""One picture of an outfit laid out flat: garments on plain paper, each with a soft shadow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 512, 640  # pixels
PAPER = (245, 242, 237)  # sRGB of the background: warm white, so that white garments still stand out
_SHADOW = (0.24, 7, (4, 8))  # opacity, blur in pixels, offset (right, down) of the light from the upper left
_VISIBLE = 24  # alpha above which a pixel counts as garment when it is cropped

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the picture
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Where each slot lies, by what else is worn; drawn in this order, so that the later lies on top.
_SEPARATES: dict[str, Box] = {
    "bottom": (0.52, 0.30, 0.97, 0.97),
    "top": (0.03, 0.03, 0.60, 0.55),
    "shoes": (0.06, 0.66, 0.46, 0.95),
}
_SEPARATES_AND_OUTER: dict[str, Box] = {
    "outer": (0.46, 0.03, 0.98, 0.51),
    "bottom": (0.53, 0.47, 0.96, 0.97),
    "top": (0.03, 0.10, 0.52, 0.58),
    "shoes": (0.07, 0.68, 0.45, 0.95),
}
_DRESS: dict[str, Box] = {"dress": (0.05, 0.04, 0.70, 0.96), "shoes": (0.56, 0.66, 0.96, 0.95)}
_DRESS_AND_OUTER: dict[str, Box] = {
    "outer": (0.48, 0.04, 0.98, 0.54),
    "dress": (0.03, 0.08, 0.56, 0.95),
    "shoes": (0.57, 0.66, 0.96, 0.95),
}


def flat_lay(pieces: Mapping[str, Bytes]) -> Bytes:
    """Lay garments out: premultiplied uint8 (h, w, 4) by slot -> opaque uint8 (HEIGHT, WIDTH, 4)."""
    picture = _paper().copy()
    for slot, box in layout(frozenset(pieces)).items():
        _lay(picture, pieces[slot], box)
    levels = cv2.convertScaleAbs(picture)  # rounds, and keeps to 0..255
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2RGBA), np.uint8)


@cache
def _paper() -> Floats:
    return np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)


def layout(slots: frozenset[str]) -> dict[str, Box]:
    """The box of each of these slots, in drawing order."""
    if "dress" in slots:
        boxes = _DRESS_AND_OUTER if "outer" in slots else _DRESS
    else:
        boxes = _SEPARATES_AND_OUTER if "outer" in slots else _SEPARATES
    if missing := slots - boxes.keys():
        raise ValueError(f"slots: {', '.join(sorted(slots))} cannot be worn together (no place for {missing})")
    return {slot: box for slot, box in boxes.items() if slot in slots}


def _lay(picture: Floats, garment: Bytes, box: Box) -> None:
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
    cut = _fit(_crop(garment), right - left, bottom - top)
    height, width = cut.shape[:2]
    x, y = left + (right - left - width) // 2, top + (bottom - top - height) // 2
    _shade(picture, cut[..., 3], x, y)
    window = picture[y : y + height, x : x + width]
    window *= 1 - _all_channels(cut[..., 3], 3) / np.float32(255)
    window += cut[..., :3]


def _shade(picture: Floats, alpha: Bytes, x: int, y: int) -> None:
    """Darken a picture by the shadow of a coverage (h, w) that lies at x, y: no further than it reaches."""
    opacity, blur, (right, down) = _SHADOW
    reach, (height, width) = 4 * blur, alpha.shape
    x, y = x + right, y + down
    left, top = max(0, x - reach), max(0, y - reach)
    window = picture[top : y + height + reach, left : x + width + reach]
    shadow = np.zeros(window.shape[:2], np.uint8)
    shadow[y - top : y - top + height, x - left : x - left + width] = alpha[: HEIGHT - y, : WIDTH - x]
    small = cv2.GaussianBlur(cv2.resize(shadow, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), (0, 0), blur / 2)
    shadow = np.asarray(cv2.resize(small, shadow.shape[::-1]), np.uint8)  # so smooth that half the size is enough
    window *= 1 - np.float32(opacity / 255) * _all_channels(shadow, 3)


def _all_channels(plane: Bytes, count: int) -> Bytes:
    """The plane (h, w) as each of so many channels (h, w, count): numpy works through equal shapes far sooner."""
    return np.asarray(cv2.merge([plane] * count), np.uint8)


def _crop(rgba: Bytes) -> Bytes:
    seen = rgba[..., 3] > _VISIBLE
    if not seen.any():
        return rgba
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fit(rgba: Bytes, width: int, height: int) -> Bytes:
    """Scale to fit, keeping proportions. Lanczos on premultiplied values: no fringe of background colour."""
    scale = min(width / rgba.shape[1], height / rgba.shape[0])
    size = max(1, round(rgba.shape[1] * scale)), max(1, round(rgba.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
    scaled = cv2.resize(rgba, size, interpolation=how)
    # ringing must not outshine its own coverage
    return np.minimum(scaled, _all_channels(np.asarray(scaled[..., 3], np.uint8), 4), dtype=np.uint8)
