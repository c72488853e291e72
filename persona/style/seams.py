"""Edges of a tile joined so that none is seen: cut where both sides agree, then levelled.

The cut is the path of least difference through the overlap (Efros and Freeman 2001), downwards first, then across and
closed, for what is right of a tile is the tile again. Gradients are taken along with the pixels, those across the cut
are the mean of both sides', and the picture with these gradients solves Poisson's equation (Perez, Gangnet and Blake
2003): on a torus two Fourier transforms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def joined(frame: Floats, side: int) -> NDArray[np.float64]:
    """A tile (side, side, c) of a frame (side + overlap, side + overlap, c), whose right and lower strips are what
    comes after the tile where it was cut from."""
    rows, columns = _sources(frame, side)
    right, below = np.roll(np.arange(side), -1), np.roll(np.arange(side), -1)
    next_rows, next_columns = rows[:, right], columns[:, right]
    across = frame[rows, columns + 1] - frame[rows, columns]
    across = across + frame[next_rows, next_columns] - frame[next_rows, next_columns - 1]
    next_rows, next_columns = rows[below], columns[below]
    down = frame[rows + 1, columns] - frame[rows, columns]
    down = down + frame[next_rows, next_columns] - frame[next_rows - 1, next_columns]
    return _integrated(across / 2, down / 2, frame[rows, columns].mean((0, 1)))


def _sources(frame: Floats, side: int) -> tuple[Indices, Indices]:
    """Row and column of the frame that each pixel of the tile is taken from, (side, side) each."""
    overlap = len(frame) - side
    places = np.arange(side)
    unlike = ((frame[:, side:] - frame[:, :overlap]) ** 2).sum(-1)
    far = places < least_path(unlike)[:, None]  # of each row of the frame: left of the cut, what follows on the right
    columns = places + side * far
    strip = np.take_along_axis(frame, columns[..., None], 1)
    unlike = ((strip[side:] - strip[:overlap]) ** 2).sum(-1)
    rows = places[:, None] + side * (places[:, None] < least_path(unlike.T, closed=True))
    return rows, np.take_along_axis(columns, rows, 0)


def least_path(unlike: NDArray[np.floating], closed: bool = False) -> Indices:
    """Where to cut each row of an overlap (n, m): between place p - 1 and p, 0 < p < m, moving at most one a row, so
    that the differences (n, m) on both sides of it are least in sum. closed: the last row lies beside the first.

    By dynamic programming; a closed path is tried from every beginning.
    """
    cost = (unlike[:, :-1] + unlike[:, 1:]).astype(np.float64)
    count, places = cost.shape
    total = np.where(np.eye(places, dtype=bool), cost[0], np.inf) if closed else cost[:1].copy()
    came = np.zeros((count, *total.shape), np.int64)
    for row in range(1, count):
        beside = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
        steps = np.stack([beside[:, 1:-1], beside[:, :-2], beside[:, 2:]])  # straight on where all are as good
        came[row] = np.array([0, -1, 1])[steps.argmin(0)] + np.arange(places)
        total = steps.min(0) + cost[row]
    if closed:
        total = np.where(np.abs(np.subtract.outer(np.arange(places), np.arange(places))) <= 1, total, np.inf)
    start, place = np.unravel_index(int(total.argmin()), total.shape)
    path = np.empty(count, np.int64)
    for row in range(count - 1, -1, -1):
        path[row] = place
        place = came[row, start, place]
    return path + 1


def _integrated(across: Floats, down: Floats, mean: Floats) -> NDArray[np.float64]:
    """The periodic picture (n, n, c) of that mean whose differences to the right and down come nearest to these."""
    side = len(across)
    divergence = across - np.roll(across, 1, 1) + down - np.roll(down, 1, 0)
    wave = 2 * np.cos(2 * np.pi * np.fft.fftfreq(side)) - 2
    laplace = wave[:, None] + wave[None, :]
    laplace[0, 0] = 1
    spectrum = np.fft.fft2(divergence, axes=(0, 1)) / laplace[..., None]
    spectrum[0, 0] = mean * side**2
    return np.asarray(np.fft.ifft2(spectrum, axes=(0, 1)).real, np.float64)
