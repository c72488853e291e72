"""The shelves of a catalogue: its items side by side on a line, each as wide as it is exposed, found by a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persona.taste.table import Codes

_CELLS_PER_ITEM = 16  # of the guide: most points then lie in a cell that one item fills


class Shelves:
    """Items in proportion to exp(exposure), those of one category and colour beside each other.

    codes: (s, 2), category and colour of each shelf. low, high: float64 (s,), where it begins and ends; all: the end of
    the last.
    """

    def __init__(self, codes: Codes, exposure: NDArray[np.float64]) -> None:
        """codes: facet codes (n, 4). exposure: float64 (n,)."""
        self.codes, shelf = np.unique(codes[:, :2], axis=0, return_inverse=True)
        self._order = np.argsort(shelf.reshape(-1), kind="stable").astype(np.int32)
        self._ends = np.cumsum(np.exp(exposure[self._order]))
        self.high = self._ends[np.cumsum(np.bincount(shelf.reshape(-1))) - 1]
        self.low = np.concatenate([[0.0], self.high[:-1]])
        self.all = float(self._ends[-1])
        cells = _CELLS_PER_ITEM * len(codes)
        self._per_point = cells / self.all
        # the first item of each cell: never one behind it, however the products are rounded
        starts = (np.arange(cells + 2) - 1e-3) / self._per_point
        self._guide = np.minimum(np.searchsorted(self._ends, starts, side="right"), len(codes) - 1).astype(np.int32)

    def at(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """The rows of the items at these points, int32 of their shape.

        By a guide table (Chen and Asau, 1974): a look and hardly ever a step, in place of a binary search.
        """
        place = self._guide[(points * self._per_point).astype(np.int32)]
        flat, last = place.reshape(-1), len(self._order) - 1
        behind = np.flatnonzero((self._ends[flat] <= points.reshape(-1)) & (flat < last))
        while len(behind):
            flat[behind] += 1
            behind = behind[(self._ends[flat[behind]] <= points.reshape(-1)[behind]) & (flat[behind] < last)]
        return self._order[place]
