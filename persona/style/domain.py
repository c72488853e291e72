"""Smooth fields over a region of any shape: the field whose differences come nearest to given ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
_ANCHOR = 1e-6  # pulls every field to nought, so that parts that do not touch have one answer, of mean nought


@dataclass(frozen=True)
class Domain:
    """Pixels of a mask (h, w) of booleans; two that touch by a side are an edge."""

    mask: NDArray[np.bool_]

    def fields(self, across: Floats, down: Floats) -> Floats:
        """Fields (h, w, k) whose differences come nearest, in squares, to those asked for; nought outside the mask.

        across, down: (h, w, k), the difference of a pixel's right and lower neighbour from it; those that lead out of
        the mask count nowhere (Neumann's border). Each part of the mask that stands alone has mean nought.
        """
        number = np.cumsum(self.mask).reshape(self.mask.shape) - 1
        right = self.mask[:, :-1] & self.mask[:, 1:]
        below = self.mask[:-1] & self.mask[1:]
        first = np.concatenate([number[:, :-1][right], number[:-1][below]])
        second = np.concatenate([number[:, 1:][right], number[1:][below]])
        asked = np.concatenate([across[:, :-1][right], down[:-1][below]])
        edges, pixels = len(first), int(self.mask.sum())
        signs = np.repeat([-1.0, 1.0], edges)
        places = np.tile(np.arange(edges), 2), np.concatenate([first, second])
        differences = sparse.csr_matrix((signs, places), shape=(edges, pixels))
        normal = (differences.T @ differences + _ANCHOR * sparse.identity(pixels)).tocsc()
        solved = np.zeros((*self.mask.shape, asked.shape[1]))
        solved[self.mask] = splu(normal, permc_spec="MMD_AT_PLUS_A").solve(np.asarray(differences.T @ asked))
        return solved
