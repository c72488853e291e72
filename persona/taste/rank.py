"""Exact ranking of a catalogue for one user, and variety within what was ranked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from persona.errors import BadInput
from persona.taste.table import Codes, Floats

Mask = NDArray[np.bool_]
# Scale of the Gumbel noise on log popularity for those of whom nothing is known: 0 shows the popular alone. Of
# popularity's NDCG@10 on simulated strangers .2 keeps .83, and shows a tenth of the catalogue in place of a
# five-hundredth; .5 keeps .44.
EXPLORATION = 0.2


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


def diversify(rows: Codes, scores: Floats, vectors: Floats, k: int, weight: float) -> tuple[Codes, Floats]:
    """k of the rows by maximal marginal relevance (Carbonell and Goldstein 1998), in the order chosen; their scores.

    rows, scores (m,): candidates, some five times k, best first. vectors (m, d): theirs. Again and again that one is
    taken for which (1 - weight) relevance - weight (cosine to the nearest one taken already) is highest; relevance is
    the score from 0 for the worst candidate to 1 for the best. weight 0: the k best; 1: as different as can be from the
    best one. Raises BadInput for a weight outside 0 to 1, a negative k, and shapes that do not fit.
    """
    if not 0 <= weight <= 1:
        raise BadInput("diversity", f"{weight} is not from 0 (none) to 1")
    if k < 0:
        raise BadInput("count", f"{k} is negative; ask for 0 items or more")
    if not len(rows) == len(scores) == len(vectors):
        raise BadInput("vectors", f"{len(rows)} rows, {len(scores)} scores, {len(vectors)} vectors; give one for each")
    k = min(k, len(rows))
    if k == 0 or weight == 0:
        return rows[:k], scores[:k]
    similar = cosines(vectors)
    relevance = (1 - weight) * (scores - scores.min()) / max(float(np.ptp(scores)), 1e-12)
    chosen = [0]
    nearest = similar[0].copy()
    for _ in range(k - 1):
        worth = relevance - weight * nearest
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
        np.maximum(nearest, similar[chosen[-1]], out=nearest)
    return rows[chosen], scores[chosen]


def cosines(vectors: Floats) -> Floats:
    """Cosine of every pair of vectors (m, d): float32 (m, m); 0 beside a vector of zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(lengths, 1e-12)
    return np.asarray(units @ units.T, np.float32)


def intra_list_diversity(vectors: Floats) -> float:
    """Mean of 1 - cosine over all pairs of a list's vectors (m, d) (Ziegler et al. 2005); 0 for fewer than two."""
    m = len(vectors)
    return float(1 - (cosines(vectors).sum() - m) / (m * (m - 1))) if m > 1 else 0.0
