"""Users' tastes as matrices: what their events weigh by facet, as shares that can be compared and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.dictionary import view_named
from persona.analyze.frames import joined, typed
from persona.errors import OutOfDate
from persona.store.records import FACETS

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

Floats = NDArray[np.float32]
VALUES = pd.MultiIndex.from_tuples([(f, v) for f in FACETS for v in FACETS[f]], names=["facet", "value"])
_ENDS = np.cumsum([len(values) for values in FACETS.values()])
PARTS: dict[str, slice] = {
    facet: slice(int(end) - len(values), int(end)) for (facet, values), end in zip(FACETS.items(), _ENDS, strict=True)
}
PRIOR = 2.0  # weight of everybody's taste that is mixed into a user's: two purchases' worth speak louder than one view
_NOTHING = bytes(4 * len(VALUES))


@dataclass(frozen=True)
class Tastes:
    """n users whom analysts see, in the order of their ids, and their tastes.

    users: frame of n rows, user_id and further columns of dim_user; weights: float32 (n, 37) in the order of VALUES,
    zeros where nothing is known.
    """

    users: pd.DataFrame
    weights: Floats

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Who likes something by what they did, (n,): the others have no taste to go by."""
        return np.asarray((self.weights > 0).any(1))


def read_tastes(store: AnalystStore, columns: Sequence[str] = ()) -> Tastes:
    """Everybody's taste as of the last `persona analyze refresh`, with further columns of dim_user."""
    types = view_named("dim_user").columns
    names, frames, weights = ["user_id", *columns], [], [np.empty((0, len(VALUES)), np.float32)]
    with store.warehouse.query(f"SELECT taste, {', '.join(names)} FROM dim_user") as result:
        for page in result.pages:
            weights.append(taste_rows([row[0] for row in page]))
            frames.append(typed([row[1:] for row in page], names, types))
    users = joined(frames, names, types)
    order = np.argsort(users["user_id"].to_numpy(object), kind="stable")  # either database's order of rows is its own
    return Tastes(users.iloc[order].reset_index(drop=True), np.concatenate(weights)[order])


def taste_rows(vectors: Sequence[bytes | None]) -> Floats:
    """The column `taste` as float32 (n, 37), zeros for null. Raises OutOfDate for vectors of other facets."""
    joined_bytes = b"".join(vector or _NOTHING for vector in vectors)
    if len(joined_bytes) != len(vectors) * len(_NOTHING):
        raise OutOfDate("dim_user: tastes are of other facets than this version's: `persona analyze refresh --rebuild`")
    return np.frombuffer(joined_bytes, "<f4").reshape(-1, len(VALUES))


def shares(weights: Floats) -> Floats:
    """Of weights (n, 37) how much of what a user likes in a facet is each value: float32 (n, 37).

    Each facet sums to 1, or is nan where nothing in it weighs above 0. A value that is disliked more than liked is 0.
    """
    liked = np.maximum(weights, 0)
    for part in PARTS.values():
        total = liked[:, part].sum(1, keepdims=True)
        with np.errstate(invalid="ignore"):
            liked[:, part] /= total
    return liked


def mean_shares(shares: Floats) -> NDArray[np.float64]:
    """The mean over users of shares (n, 37), of each facet over those who tell: float64 (37,), zeros if nobody does."""
    told = ~np.isnan(shares)
    total = np.where(told, shares, 0).sum(0, dtype=np.float64)
    return np.asarray(total / np.maximum(told.sum(0), 1))


def features(weights: Floats, everybody: NDArray[np.float64]) -> Floats:
    """Tastes as points, float32 (n, 37), whose distances are Hellinger's: roots of shares, each facet as heavy.

    The shares of a user who did little are drawn toward everybody's (37,), by PRIOR: one view is no taste yet.
    """
    points = np.maximum(weights, 0)
    for part in PARTS.values():
        points[:, part] += (PRIOR * everybody[part]).astype(np.float32)
        points[:, part] /= np.maximum(points[:, part].sum(1, keepdims=True), 1e-12)
    return np.sqrt(points, out=points)
