"""Curved brush strokes, large ones first (Hertzmann 1998, Painterly rendering with curved brush strokes of multiple
sizes)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.style.flow import Floats, flow_of

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]

_LONGEST, _SHORTEST = 8, 2  # steps of a stroke, each of the brush's radius
_CURVE = 0.7  # of the new direction, the rest of the old: strokes bend, and do not break
_SUBPIXEL = 4  # bits


def painted(rgb: Bytes, radii: Sequence[int], off: float, draw: np.random.Generator, jitter: float = 6.0) -> Bytes:
    """A picture (h, w, 3) painted with brushes of these radii in pixels, largest first.

    off: the mean difference in sRGB levels from the picture under which a place is left as it is. jitter: deviation of
    a stroke's colour, in levels.
    """
    canvas = np.full_like(rgb, np.rint(rgb.mean((0, 1))))
    for layer, radius in enumerate(radii):
        wanted = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 0.6 * radius), np.uint8)
        difference = np.abs(wanted.astype(np.float32) - canvas).mean(-1)
        starts = _starts(difference, radius, off if layer else -1.0, draw)
        colours = wanted[starts[:, 1], starts[:, 0]].astype(np.float64)
        paths, lengths = _paths(starts, wanted, difference, radius)
        noise = draw.normal(0, jitter, (len(starts), 1)) + draw.normal(0, jitter / 2, (len(starts), 3))
        paint = np.clip(colours + noise, 0, 255)
        points = np.rint((paths + 0.5) * 2**_SUBPIXEL).astype(np.int32)
        for n in draw.permutation(len(starts)):
            line = points[n, : lengths[n]][None]
            cv2.polylines(canvas, line, False, paint[n].tolist(), 2 * radius, cv2.LINE_8, _SUBPIXEL)
    return canvas


def _starts(difference: Floats, radius: int, off: float, draw: np.random.Generator) -> NDArray[np.int64]:
    """(n, 2), x and y: of each square of the grid that differs, the pixel that differs most; ties by lot."""
    height, width = difference.shape
    down, across = -(-height // radius), -(-width // radius)
    padded = np.full((down * radius, across * radius), -1, np.float32)
    padded[:height, :width] = difference + draw.random(difference.shape, np.float32) * 0.1
    squares = padded.reshape(down, radius, across, radius).swapaxes(1, 2).reshape(down, across, -1)
    local = squares.argmax(-1)
    y = np.arange(down)[:, None] * radius + local // radius
    x = np.arange(across)[None, :] * radius + local % radius
    counted = squares >= 0
    chosen = (squares * counted).sum(-1) / counted.sum(-1) > off
    return np.stack([x[chosen], y[chosen]], -1)


def _paths(
    starts: NDArray[np.int64], wanted: Bytes, difference: Floats, radius: int
) -> tuple[Doubles, NDArray[np.int64]]:
    """Places (n, steps, 2) of all strokes, which follow the lines of the picture, and how many of them each has: a
    stroke ends where its colour is further from the picture than the canvas is."""
    flow = flow_of(wanted.astype(np.float32), radius)
    first = wanted[starts[:, 1], starts[:, 0]].astype(np.float32)
    place, heading = starts.astype(np.float64), flow[starts[:, 1], starts[:, 0]].astype(np.float64)
    paths, lengths, going = [place], np.ones(len(starts), np.int64), np.ones(len(starts), bool)
    limits = np.array(difference.shape[::-1]) - 1
    for step in range(1, _LONGEST + 1):
        place = np.clip(place + radius * heading, 0, limits)
        x, y = np.rint(place).astype(np.int64).T
        missed = np.abs(wanted[y, x].astype(np.float32) - first).mean(-1)
        going &= (missed <= difference[y, x]) | (step < _SHORTEST)
        lengths += going
        paths.append(place)
        turned = flow[y, x].astype(np.float64)
        turned = np.where((turned * heading).sum(-1, keepdims=True) < 0, -turned, turned)
        heading = _CURVE * turned + (1 - _CURVE) * heading
        heading /= np.maximum(np.linalg.norm(heading, axis=-1, keepdims=True), 1e-6)
    return np.stack(paths, 1), lengths
