"""What tends to be taken together with a history: the co-occurrence counts of a catalogue, and how much they weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona.store.events import POPULARITY
from persona.taste.cooccurrence import Cooccurrence, Counts, Fusion, Values
from persona.taste.history import HistoryEntry
from persona.taste.table import Codes, Floats


@dataclass(frozen=True)
class Companions:
    """counts: over the rows of one catalogue. Events count by their type's weight in POPULARITY; dislikes do not."""

    counts: Cooccurrence
    fusion: Fusion

    def bonus(self, history: Sequence[HistoryEntry]) -> Floats:
        """What a history adds to the encoder's scores: float32 (n,), none below 0."""
        starts, rows, weights = _flat(history)
        scores = self.counts.scores(starts, rows, weights)
        sparse, dense = self.fusion.bonus(scores, self._length(weights, rows)), np.zeros(len(self.counts), np.float32)
        dense[sparse.indices] = sparse.data
        return dense

    def parts(self, history: Sequence[HistoryEntry], items: Codes) -> Floats:
        """How the bonus of items (m,) divides among the h events: float32 (h, m), whose sum over h is the bonus.

        In proportion to what each adds to the co-occurrence score, which is a sum over the events.
        """
        _, rows, weights = _flat(history)
        added = self.counts.contributions(rows, items, weights)
        total = added.sum(0)
        bonus = self.fusion.weight(self._length(weights, rows)) * np.log1p(total / self.fusion.scale)
        return (added * (bonus / np.where(total > 0, total, 1))).astype(np.float32)

    @staticmethod
    def _length(weights: Values, rows: Counts) -> Counts:
        return np.array([np.count_nonzero((weights > 0) & (rows >= 0))])


def _flat(history: Sequence[HistoryEntry]) -> tuple[Counts, Counts, Values]:
    """One sequence: starts (2,), rows (h,) and weights (h,). A generated picture is no row."""
    rows = np.array([-1 if entry.item is None else entry.item for entry in history], np.int64)
    weights = np.array([POPULARITY[entry.type] for entry in history], np.float64)
    return np.array([0, len(rows)]), rows, weights
