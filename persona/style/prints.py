"""Prints of our own: seamless patterns drawn from a seed, as a designer's swatches and as styles to train on."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import lab_to_srgb
from persona.catalog.pictures import Bytes
from persona.errors import BadInput

Plane = NDArray[np.float64]
Labels = NDArray[np.int64]
_FINER = 3  # drawn so many times larger, then averaged: edges are smooth


def draw_print(kind: str, side: int = 128, seed: int = 0) -> Bytes:
    """A seamless tile, sRGB uint8 (side, side, 3), of a kind of PRINTS; the same seed draws the same tile.

    Raises BadInput for another kind and for a side under 16.
    """
    if kind not in PRINTS:
        raise BadInput("print", f"{kind!r}: choose one of {', '.join(PRINTS)}")
    if side < 16:
        raise BadInput("side", f"{side} pixels, wanted at least 16")
    draw = np.random.default_rng([seed, *kind.encode()])
    labels = PRINTS[kind](*_grid(side * _FINER), draw)
    palette = _palette(draw, int(labels.max()) + 1)
    tile = cv2.resize(palette[labels].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    cloth = draw.uniform(0.5, 3) * _noise(side, draw, 0.35)
    return np.clip(np.rint(tile + cloth[..., None]), 0, 255).astype(np.uint8)


def _grid(side: int) -> tuple[Plane, Plane]:
    """Places from 0 to 1: rows and columns."""
    places = (np.arange(side) + 0.5) / side
    rows, columns = np.meshgrid(places, places, indexing="ij")
    return rows, columns


def _palette(draw: np.random.Generator, colours: int) -> Plane:
    """sRGB (colours, 3) that can be told apart: of random lightness, hue and chroma."""
    while True:
        lightness, chroma = draw.uniform(15, 95, colours), draw.uniform(0, 60, colours) * (draw.random(colours) < 0.8)
        hue = draw.uniform(0, 2 * np.pi) + draw.normal(0, draw.choice([0.3, 1.5]), colours)
        lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], 1)
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 1e3 * np.eye(colours)
        if apart.min() > 15:
            return lab_to_srgb(lab)


def _noise(side: int, draw: np.random.Generator, width: float) -> Plane:
    """Smooth noise without a seam, of deviation 1. width: of its detail, in hundredths of the side."""
    reach = max(width / 100 * side, 0.3)
    white = np.fft.fft2(draw.normal(size=(side, side)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    smooth = np.fft.ifft2(white * np.exp(-2 * (np.pi * reach * frequency) ** 2)).real
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float64)


def _times(draw: np.random.Generator, least: int = 2, most: int = 9) -> int:
    return int(draw.integers(least, most))


def _stripes(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    across, down = draw.choice([(0, 1), (1, 0), (1, 1), (1, -1)])
    phase = (_times(draw, 2, 12) * (across * columns + down * rows)) % 1
    return np.digitize(phase, np.sort(draw.uniform(0.15, 0.85, draw.integers(1, 4))))


def _checks(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n, share = _times(draw), draw.uniform(0.3, 0.6)
    return ((n * rows) % 1 < share).astype(np.int64) + ((n * columns) % 1 < share)


def _tartan(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n, edges, names = _times(draw, 1, 4), np.sort(draw.uniform(0, 1, 5)), draw.integers(0, 4, 6)
    warp, weft = (names[np.digitize((n * place) % 1, edges)] for place in (rows, columns))
    twill = np.floor(48 * (rows + columns)) % 2 == 0
    return np.where(twill, warp, weft)


def _dots(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n, radius = _times(draw), draw.uniform(0.12, 0.35)
    y, x = (n * rows) % 1, (n * columns) % 1
    between = np.hypot((y + 0.5) % 1 - 0.5, (x + 0.5) % 1 - 0.5) < radius
    return (np.hypot(y - 0.5, x - 0.5) < radius).astype(np.int64) + 2 * between * draw.integers(0, 2)


def _chevron(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n = _times(draw)
    tooth = np.abs((n * columns) % 1 - 0.5) * draw.uniform(0.6, 2)
    return np.digitize((n * rows + tooth) % 1, np.sort(draw.uniform(0.2, 0.8, draw.integers(1, 3))))


def _houndstooth(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n = 4 * _times(draw, 2, 6)
    y, x = np.floor(n * 2 * rows).astype(int), np.floor(n * 2 * columns).astype(int)
    return np.where((x + y) % 8 < 4, (x % 8 < 4), (y % 8 < 4)).astype(np.int64)


def _flowers(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    labels = np.zeros(rows.shape, np.int64)
    for k in range(int(draw.integers(5, 16))):
        y, x, radius = draw.uniform(), draw.uniform(), draw.uniform(0.05, 0.14)
        dy, dx = (rows - y + 0.5) % 1 - 0.5, (columns - x + 0.5) % 1 - 0.5
        reach, angle = np.hypot(dy, dx) / radius, np.arctan2(dy, dx)
        petals = 0.65 + 0.35 * np.cos(draw.integers(4, 8) * angle + draw.uniform(0, 6))
        labels = np.where(reach < petals, 1 + k % 2, labels)
        labels = np.where(reach < 0.25, 3, labels)
    return labels


def _camouflage(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    labels, width = np.zeros(rows.shape, np.int64), draw.uniform(2, 6)
    for k in range(1, int(draw.integers(2, 5))):
        labels = np.where(_noise(len(rows), draw, width) > 0.5, k, labels)
    return labels


def _leopard(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    width = draw.uniform(1.2, 3)
    spots = np.abs(_noise(len(rows), draw, width))
    return np.digitize(spots, [0.35, 0.8]) % 3


def _waves(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n, swing = _times(draw, 2, 7), draw.uniform(0.05, 0.4)
    bent = n * rows + swing * np.sin(2 * np.pi * _times(draw, 1, 4) * columns)
    return np.digitize(bent % 1, np.sort(draw.uniform(0.2, 0.8, draw.integers(1, 4))))


def _marble(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    phase = _times(draw, 1, 3) * (rows + columns) + draw.uniform(0.3, 1) * _noise(len(rows), draw, draw.uniform(3, 9))
    return np.floor((phase % 1) * draw.integers(3, 7)).astype(np.int64)


def _triangles(rows: Plane, columns: Plane, draw: np.random.Generator) -> Labels:
    n = 4 * _times(draw, 1, 3)  # so that the colours, which go round in fours, meet at the seam
    y, x = (n * rows) % 1, (n * columns) % 1
    cells = (np.floor(n * rows) * 7 + np.floor(n * columns) * 3).astype(np.int64)
    return (cells + (x > y) + 2 * (x + y > 1)) % 4


PRINTS: dict[str, Callable[[Plane, Plane, np.random.Generator], Labels]] = {
    "stripes": _stripes, "checks": _checks, "tartan": _tartan, "dots": _dots, "chevron": _chevron,
    "houndstooth": _houndstooth, "flowers": _flowers, "camouflage": _camouflage, "leopard": _leopard, "waves": _waves,
    "marble": _marble, "triangles": _triangles,
}  # fmt: skip
