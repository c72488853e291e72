"""Which items people take after which: directed counts that decay with distance, and their place in a score.

Item-to-item co-occurrence (Sarwar et al. 2001), at full weight forwards only, and less for every event in between. It
knows single pairs, which the encoder forgets; the encoder knows of items that nobody took. `Fusion` adds the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from persona.errors import BadInput
from persona.taste.table import Codes

UNIT = 2.0**-32  # of a count. Counts are whole numbers of it, so that subtracting gives back exactly what was there
CHUNK = 250_000  # events whose pairs are made at once: half a GB at the widest
BUCKETS = (1, 5, 10)  # history lengths at which the next bucket of `Fusion` begins

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Sparse = Any  # scipy.sparse.csr_array, which has no types


@dataclass(frozen=True)
class CooccurrenceConfig:
    """How pairs count; found on Amazon Beauty's validation items.

    window: events that a pair may be apart, and events of a history that are read. A pair d events apart counts
    decay^(d - 1), and `backward` times that the other way round. Of i given j, counted c_ji: the score is
    c_ji / ((p_j + 1)^source_power (p_i + 1)^target_power), p the weight of an item's events. An event k places from the
    end of a history speaks with recency^k.
    """

    window: int = 50
    decay: float = 0.8
    backward: float = 0.3
    source_power: float = 0.3
    target_power: float = 0.2
    recency: float = 0.6

    def __post_init__(self) -> None:
        if self.window < 1:
            raise BadInput("window", f"{self.window}: pairs must be allowed at least 1 event apart")
        for name in ("decay", "backward", "recency"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(name, f"{getattr(self, name)} is not between 0 and 1")


@dataclass(frozen=True)
class Cooccurrence:
    """Counts over n items, never changed: `add` and the like return others.

    counts: sparse int64 (n, n), row j and column i, none of them 0. taken: int64 (n,), the weight of each item's
    events. Both in UNITs.

    Sequences are given flat: those of user u are rows[starts[u]:starts[u + 1]], oldest first; rows int64 (m,), -1 for
    an item that is not known; weights (m,) of the events, None for 1 each. What is unknown or weighs nothing (a
    dislike) is left out first, and does not lengthen the way between the others. An item makes no pair with itself.
    """

    config: CooccurrenceConfig
    counts: Sparse = field(repr=False)
    taken: Counts = field(repr=False)

    @classmethod
    def empty(cls, items: int, config: CooccurrenceConfig | None = None) -> Cooccurrence:
        """Nothing counted yet, over this many items."""
        config = config or CooccurrenceConfig()
        return cls(config, sp.csr_array((items, items), dtype=np.int64), np.zeros(items, np.int64))

    @classmethod
    def of(
        cls,
        items: int,
        starts: NDArray[Any],
        rows: NDArray[Any],
        weights: NDArray[Any] | None = None,
        config: CooccurrenceConfig | None = None,
    ) -> Cooccurrence:
        """The counts of these sequences. Raises BadInput for rows past the last item."""
        return cls.empty(items, config).add(starts, rows, weights)

    def __len__(self) -> int:
        return len(self.taken)

    @property
    def popularity(self) -> Values:
        """The weight of each item's events, float64 (n,)."""
        return np.asarray(self.taken * UNIT, np.float64)

    def add(self, starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any] | None = None) -> Cooccurrence:
        """With these sequences too. Raises BadInput for rows past the last item."""
        return self._changed(1, starts, rows, weights)

    def subtract(self, starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any] | None = None) -> Cooccurrence:
        """Without these sequences, which were added before: exactly as if they never had been.

        Raises BadInput for rows past the last item and for sequences that cannot have been added.
        """
        return self._changed(-1, starts, rows, weights)

    def arranged(self, rows: Sequence[int] | Codes, items: int) -> Cooccurrence:
        """The same counts in other rows of so many items. rows: where each of the n items goes, -1 where away."""
        place = np.asarray(rows, np.int64)
        pairs = self.counts.tocoo()
        source, target, there = place[pairs.row], place[pairs.col], place >= 0
        kept = (source >= 0) & (target >= 0)
        counts = sp.csr_array((pairs.data[kept], (source[kept], target[kept])), (items, items))
        taken = np.zeros(items, np.int64)
        taken[place[there]] = self.taken[there]
        return replace(self, counts=counts, taken=taken)

    def scores(self, starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any] | None = None) -> Sparse:
        """Scores of all items given each of b histories (its last `window` events that count): sparse (b, n)."""
        history = self._voices(_Sequences.of(starts, rows, weights, len(self)))
        return history @ self.strengths

    def contributions(self, rows: NDArray[Any], items: NDArray[Any], weights: NDArray[Any] | None = None) -> Values:
        """What each event of a history, rows (h,) oldest first, adds to the score of items (m,): float64 (h, m).

        Its sum over h is the score; rows of events that do not count are 0.
        """
        wanted, asked = np.asarray(rows, np.int64), np.asarray(items, np.int64)
        sequence = _Sequences.of(np.array([0, len(wanted)]), wanted, weights, len(self))
        voice, parts = self._voice(sequence), np.zeros((len(wanted), len(asked)))
        if len(asked) and len(sequence.rows):
            # columns first: there are few of them, and a product by them is quicker than indexing each pair
            strengths = self.strengths[sequence.rows][:, asked].toarray()
            parts[sequence.places] = strengths * voice[:, None]
        return parts

    @cached_property
    def strengths(self) -> Sparse:
        """What a whole event of item j says for item i: the counts after both popularities, sparse float64 (n, n)."""
        source = (self.popularity + 1) ** -self.config.source_power * UNIT
        target = (self.popularity + 1) ** -self.config.target_power
        per_row = np.repeat(source, np.diff(self.counts.indptr))
        data = self.counts.data * per_row * target[self.counts.indices]
        return sp.csr_array((data, self.counts.indices, self.counts.indptr), self.counts.shape)

    def _voice(self, sequences: _Sequences) -> Values:
        """How loud each event speaks for what comes next: its weight, and less for every event after it."""
        back = np.repeat(sequences.starts[1:], np.diff(sequences.starts)) - 1 - np.arange(len(sequences.rows))
        heard = sequences.weights * self.config.recency ** back.astype(np.float64)
        return np.where(back < self.config.window, heard, 0.0)

    def _voices(self, sequences: _Sequences) -> Sparse:
        shape = len(sequences.starts) - 1, len(self)
        matrix = sp.csr_array((self._voice(sequences), sequences.rows, sequences.starts), shape)
        matrix.sum_duplicates()
        return matrix

    def _changed(
        self, sign: int, starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any] | None
    ) -> Cooccurrence:
        sequences = _Sequences.of(starts, rows, weights, len(self))
        counts, taken = self.counts, self.taken.copy()
        for part in sequences.parts():
            counts = counts + sign * self._pairs(part)
        np.add.at(taken, sequences.rows, sign * _units(sequences.weights))
        if sign < 0 and min(taken.min(initial=0), counts.data.min(initial=0)) < 0:
            raise BadInput("rows", "these sequences were never counted, so they cannot be subtracted; count anew")
        counts.eliminate_zeros()
        return replace(self, counts=counts, taken=taken)

    def _pairs(self, sequences: _Sequences) -> Sparse:
        """The counts of sequences: sparse int64 (n, n)."""
        config, rows, weights = self.config, sequences.rows, sequences.weights
        owner = np.repeat(np.arange(len(sequences.starts) - 1), np.diff(sequences.starts))
        sources, targets, values = [rows[:0]], [rows[:0]], [np.zeros(0)]
        for distance in range(1, min(config.window, int(np.diff(sequences.starts).max(initial=1)) - 1) + 1):
            near, far = rows[:-distance], rows[distance:]
            pair = (owner[:-distance] == owner[distance:]) & (near != far)
            value = (weights[:-distance] * weights[distance:])[pair] * config.decay ** (distance - 1)
            sources += [near[pair], far[pair]]
            targets += [far[pair], near[pair]]
            values += [value, value * config.backward]
        units = _units(np.concatenate(values))
        return sp.csr_array((units, (np.concatenate(sources), np.concatenate(targets))), self.counts.shape)


@dataclass(frozen=True)
class Fusion:
    """How much co-occurrence adds to the encoder's score: w log(1 + c / scale), w by the history's length.

    weights: for histories of 0, 1-4, 5-9 and 10 and more events that count. As it comes all are 0, which adds nothing:
    the scales of two scores say nothing of how to weigh them, so a model that fuses has its own, chosen on validation.
    """

    weights: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if len(self.weights) != len(BUCKETS) + 1 or min(self.weights) < 0:
            raise BadInput("weights", f"{self.weights}: give {len(BUCKETS) + 1} numbers of 0 or more")
        if not self.scale > 0:
            raise BadInput("scale", f"{self.scale} is not above 0")

    @property
    def neutral(self) -> bool:
        """Whether this adds nothing, whatever the counts."""
        return not any(self.weights)

    def weight(self, lengths: NDArray[Any]) -> Values:
        """The weight for histories of these lengths (b,)."""
        return np.array(self.weights)[np.searchsorted(BUCKETS, lengths, side="right")]

    def bonus(self, scores: Sparse, lengths: NDArray[Any]) -> Sparse:
        """What to add to the encoder's scores, sparse float64 (b, n), for co-occurrence scores (b, n)."""
        per_row = np.repeat(self.weight(lengths), np.diff(scores.indptr))
        data = per_row * np.log1p(scores.data / self.scale)
        return sp.csr_array((data, scores.indices, scores.indptr), scores.shape)


NEUTRAL = Fusion()


@dataclass(frozen=True)
class _Sequences:
    """Flat sequences of nothing but what counts. places: of each event among those that were given."""

    starts: Counts
    rows: Counts
    weights: Values
    places: Counts

    @classmethod
    def of(cls, starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any] | None, items: int) -> _Sequences:
        begin, taken = np.asarray(starts, np.int64), np.asarray(rows, np.int64)
        said = np.ones(len(taken)) if weights is None else np.asarray(weights, np.float64)
        if not len(begin) or begin[0] != 0 or begin[-1] != len(taken) or (np.diff(begin) < 0).any():
            raise BadInput("starts", f"must rise from 0 to the number of rows, {len(taken)}")
        if said.shape != taken.shape:
            raise BadInput("weights", f"shape {said.shape}, wanted {taken.shape}")
        if taken.max(initial=-1) >= items:
            raise BadInput("rows", f"hold item {taken.max()}, there are {items}; make room with `arranged` first")
        counts = (taken >= 0) & (said > 0)
        before = np.concatenate([[0], np.cumsum(counts)])
        return cls(before[begin], taken[counts], said[counts], np.flatnonzero(counts))

    def parts(self) -> Iterator[_Sequences]:
        """The same, some users at a time: no more events than CHUNK, or one user."""
        first = 0
        while first < len(self.starts) - 1:
            last = int(np.searchsorted(self.starts, self.starts[first] + CHUNK, side="right")) - 1
            last = max(first + 1, last)
            low, high = self.starts[first], self.starts[last]
            starts = self.starts[first : last + 1] - low
            yield _Sequences(starts, self.rows[low:high], self.weights[low:high], self.places[low:high])
            first = last


def lengths(starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any] | None = None) -> Counts:
    """Events of each history that count, int64 (b,): those that `Fusion` asks for."""
    sequences = _Sequences.of(starts, rows, weights, int(np.asarray(rows).max(initial=-1)) + 1)
    return np.diff(sequences.starts)


def _units(weights: Values) -> Counts:
    return np.rint(weights / UNIT).astype(np.int64)
