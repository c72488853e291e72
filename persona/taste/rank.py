"""Exact ranking of a catalogue for one user."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from persona.errors import BadInput
from persona.taste.table import Codes, Floats

Mask = NDArray[np.bool_]


def score(vector: Floats, vectors: Floats, prior: Floats | None = None) -> Floats:
    """Scores float32 (n,) of items (n, d) for a user (d,). prior (n,): `TasteModel.prior`, which decides for zeros."""
    scores = vectors @ vector
    return scores if prior is None else scores + prior


def rank(
    vector: Floats,
    vectors: Floats,
    k: int,
    *,
    mask: Mask | None = None,
    exclude: Iterable[int] = (),
    prior: Floats | None = None,
) -> tuple[Codes, Floats]:
    """The k best items by score, best first, equal scores in the order of the table: rows and their scores.

    vector (d,): a user, zeros where nothing is known, whose order is then the prior's. mask: bool (n,), True where an
    item may be shown. exclude: rows that may not. Returns fewer than k only where fewer are allowed. Raises BadInput
    if k is negative or the shapes do not fit.
    """
    if k < 0:
        raise BadInput("count", f"{k} is negative; ask for 0 items or more")
    if vector.shape != vectors.shape[1:]:
        raise BadInput("vector", f"shape {vector.shape}, wanted {vectors.shape[1:]}; encode the user again")
    scores = score(vector, vectors, prior)
    return best(scores, k, allowed_rows(len(scores), mask, exclude))


def allowed_rows(count: int, mask: Mask | None, exclude: Iterable[int]) -> Codes | None:
    """Rows that may be shown, None for all."""
    excluded = np.fromiter(exclude, np.int64)
    if mask is None and not len(excluded):
        return None
    if mask is not None and mask.shape != (count,):
        raise BadInput("mask", f"shape {mask.shape}, wanted ({count},)")
    allowed = np.ones(count, bool) if mask is None else mask.copy()
    allowed[excluded] = False
    return np.flatnonzero(allowed)


def best(scores: Floats, k: int, rows: Codes | None = None) -> tuple[Codes, Floats]:
    """The k highest scores among the rows (None: all), highest first, equal ones in order of row."""
    pool = scores if rows is None else scores[rows]
    k = min(k, len(pool))
    if k == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    least = np.partition(pool, len(pool) - k)[len(pool) - k]
    above = np.flatnonzero(pool > least)
    tied = np.flatnonzero(pool == least)[: k - len(above)]
    chosen = np.concatenate([above, tied])
    chosen = chosen[np.argsort(-pool[chosen], kind="stable")]
    return chosen if rows is None else rows[chosen], pool[chosen]
