"""A canvas for soft shapes and fine strokes, in sRGB floats; each operation touches only what it changes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Line = NDArray[np.float64]
_SHIFT = 4  # fractional bits of the coordinates that OpenCV draws at


class Canvas:
    """picture: float32 (side, side, 3), sRGB from 0 to 1. Points are (n, 2) in pixels."""

    def __init__(self, picture: Floats) -> None:
        self.picture = picture

    def fill(self, outline: Line, colour: ArrayLike, opacity: float = 1.0, blur: float = 0.8) -> None:
        """Fill a closed outline; blur: standard deviation of its soft edge in pixels."""
        self.lay(*mask_of([outline], self.picture.shape[0], blur), colour, opacity)

    def strokes(
        self, lines: Sequence[Line], colour: ArrayLike, width: float, opacity: float = 1.0, blur: float = 0.0
    ) -> None:
        """Draw open lines; thinner than a pixel they are fainter."""
        mask, at = mask_of(lines, self.picture.shape[0], blur, width)
        self.lay(mask, at, colour, opacity * min(1.0, width))

    def lay(self, mask: Floats, at: tuple[slice, slice], colour: ArrayLike, opacity: float) -> None:
        """Cover the part `at` by a colour, (3,) or one a pixel, as far as mask, (h, w), says."""
        share = (mask * opacity)[..., None]
        part = self.picture[at]
        part += share * (np.asarray(colour, np.float32) - part)

    def shade(self, mask: Floats, at: tuple[slice, slice], factor: ArrayLike) -> None:
        """Multiply the part `at` by a factor, (3,) or a number, as far as mask says."""
        self.picture[at] *= 1 + mask[..., None] * (np.asarray(factor, np.float32) - 1)


def mask_of(lines: Sequence[Line], side: int, blur: float, width: float = 0.0) -> tuple[Floats, tuple[slice, slice]]:
    """What lies in closed lines (or, with a width, on open ones), 0 to 1, and the part of the canvas that it is of."""
    margin = int(np.ceil(3 * blur + width)) + 2
    every = np.concatenate(lines)
    low = np.clip(np.floor(every.min(0)).astype(int) - margin, 0, side - 1)
    high = np.clip(np.ceil(every.max(0)).astype(int) + margin, 1, side)
    wide, tall = np.maximum(high - low, 1).tolist()
    drawn = np.zeros((tall, wide), np.uint8)
    exact = [np.round((line - low) * 2**_SHIFT).astype(np.int32) for line in lines]
    if width:
        cv2.polylines(drawn, exact, False, (255,), max(1, round(width)), cv2.LINE_AA, _SHIFT)
    else:
        cv2.fillPoly(drawn, exact, (255,), cv2.LINE_AA, _SHIFT)
    mask: Floats = drawn.astype(np.float32) / 255
    if blur:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), np.float32)
    return mask, (slice(low[1], low[1] + tall), slice(low[0], low[0] + wide))


def smooth(points: ArrayLike, count: int, *, closed: bool = False) -> Line:
    """A curve through points (n, 2), by cubic splines over the length of the chords: (count, 2)."""
    from scipy.interpolate import CubicSpline

    given = np.asarray(points, np.float64)
    if closed:
        given = np.concatenate([given, given[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(given, axis=0), axis=1) ** 0.5)])
    curve = CubicSpline(length, given, bc_type="periodic" if closed else "natural")
    return np.asarray(curve(np.linspace(0, length[-1], count, endpoint=not closed)))
