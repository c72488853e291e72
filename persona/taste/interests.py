"""A user's interests: the vector that ranks is a compromise between them, so the generator is given each by itself.

After PinnerSage (Pal et al. 2020): the items of the history are put into groups by Ward's method (1963), so that their
number follows from the history; where PinnerSage takes a group's medoid, the user is read again here with the other
groups' events left out, so that stated preferences and dislikes count in every interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from persona.store.records import Profile
from persona.taste.history import LONGEST, TYPE_CODES, WEIGHT_OF_CODE, HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.table import Codes, Floats, ItemTable

MOST = 4  # interests of a user
FEWEST = 2  # events that make an interest
# Distance by Ward's method, of item vectors of length 1, from which two groups are two interests: the least that leaves
# ten likes of one shelf (category and colour) together. Ten of two shelves fall in two at any from 1 to 2.
APART = 1.5


@dataclass(frozen=True)
class Interests:
    """vectors: float32 (m, d), user vectors, one or more. shares: float32 (m,), of what the user did, falling."""

    vectors: Floats
    shares: Floats

    @classmethod
    def whole(cls, vector: Floats) -> Interests:
        """One interest: the user vector (d,) itself."""
        return cls(vector[None], np.ones(1, np.float32))

    def turns(self, count: int) -> list[int]:
        """Whose turn it is, count times: every interest once, strongest first, then as the shares say (D'Hondt)."""
        taken = np.zeros(len(self.shares))
        turns = []
        for turn in range(count):
            turns.append(turn if turn < len(taken) else int((self.shares / (taken + 1)).argmax()))
            taken[turns[-1]] += 1
        return turns


def interests_of(
    model: TasteModel, profile: Profile | None, history: Sequence[HistoryEntry], table: ItemTable, vectors: Floats
) -> Interests:
    """A user's interests, strongest first; one, the user vector itself, where the history does not fall into parts.

    vectors (n, d): the table's item vectors. Raises as `TasteModel.encode`.
    """
    history = list(history[-LONGEST:])
    weights = np.array([WEIGHT_OF_CODE[TYPE_CODES[entry.type]] for entry in history])
    rows = np.array([-1 if entry.item is None else entry.item for entry in history], np.int64)
    liked = (weights > 0) & (rows >= 0)
    groups = np.zeros(len(history), np.int64)
    if liked.sum() >= 2 * FEWEST:
        groups[liked] = _grouped(vectors[rows[liked]])
    sizes = {group: float(weights[groups == group].sum()) for group in np.unique(groups[groups > 0]).tolist()}
    strongest = sorted(sizes, key=lambda group: -sizes[group])[:MOST]
    if len(strongest) < 2:
        return Interests.whole(model.encode(profile, history, table, vectors))
    parts = [[e for e, own in zip(history, groups, strict=True) if own in (0, group)] for group in strongest]
    shares = np.array([sizes[group] for group in strongest], np.float32)
    return Interests(model.encode_many([(profile, part) for part in parts], table, vectors), shares / shares.sum())


def _grouped(vectors: Floats) -> Codes:
    """The group of each item vector (n, d), from 1 on; 0 for those whose group is too small to be an interest."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    groups = np.asarray(fcluster(linkage(units, "ward"), APART, "distance"), np.int64)
    counts = np.bincount(groups)
    return np.where(counts[groups] >= FEWEST, groups, 0)
