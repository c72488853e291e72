"""What users did with garments, added up by facet, value and month: arrays in, rows of tables out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.store.events import POPULARITY
from persona.store.records import FACETS

WEIGHTS = {**POPULARITY, "dislike": -1.0, "hide": -1.0}
"""What an event says of its garment's facets. All are multiples of 1/4: sums are exact, in whatever order."""

NAMES = tuple(f"{facet}={value}" for facet, values in FACETS.items() for value in values)
CODES = {name: code for code, name in enumerate(NAMES)}
TASTE_COLUMNS = "user_id", "events", "first_at", "last_at", *(f"top_{facet}" for facet in FACETS), "vector"
MONTH_COLUMNS = "user_id", "month", "events", "weights"

Ints = NDArray[np.int64]
_EVENTS = len(NAMES)  # the code under which events themselves are counted, behind all others
_QUOTED = np.array([*(f'"{name}"' for name in NAMES), ""], object)
_CODE_BITS, _MONTH_BITS = 6, 12  # of a key: user, month since 1970, code


class Sums:
    """Weights of some users by month and code, added page by page; what is held grows with the months alone."""

    def __init__(self, users: Sequence[str]) -> None:
        self._users = users
        self._keys: Ints = np.zeros(0, np.int64)
        self._sums: NDArray[Any] = np.zeros(0)
        self._first = np.full(len(users), np.iinfo(np.int64).max)
        self._last = np.full(len(users), np.iinfo(np.int64).min)

    def add(self, user: Ints, codes: Ints, weight: NDArray[np.float64], at: Ints) -> None:
        """Add events on garments. user: places (n,); codes: (n, 4), -1 unknown; weight: (n,); at: microseconds (n,)."""
        month = at.view("datetime64[us]").astype("datetime64[M]").view(np.int64)
        row = (user << _MONTH_BITS | month) << _CODE_BITS
        known = codes >= 0
        told = (row[:, None] | codes)[known]
        keys = np.concatenate([self._keys, told, row | _EVENTS])
        sums = np.concatenate([self._sums, np.broadcast_to(weight[:, None], codes.shape)[known], np.ones(len(row))])
        self._keys, places = np.unique(keys, return_inverse=True)
        self._sums = np.bincount(places.reshape(-1), sums, len(self._keys))
        np.minimum.at(self._first, user, at)
        np.maximum.at(self._last, user, at)

    def tastes(self) -> Iterator[tuple[Any, ...]]:
        """Rows of TASTE_COLUMNS, for those who did something; times in microseconds since 1970."""
        width = _EVENTS + 1
        user, code = self._keys >> (_CODE_BITS + _MONTH_BITS), self._keys & ((1 << _CODE_BITS) - 1)
        total = np.bincount(user * width + code, self._sums, len(self._users) * width).reshape(-1, width)
        events, vectors = total[:, _EVENTS].astype(np.int64), total[:, :_EVENTS].astype("<f4")
        acted = np.flatnonzero(events)
        tops = [_top(vectors[acted], facet) for facet in FACETS]
        columns = self._first[acted].tolist(), self._last[acted].tolist(), *tops
        for place, *values in zip(acted.tolist(), *columns, strict=True):
            yield self._users[place], int(events[place]), *values, vectors[place].tobytes()

    def months(self, since: Ints) -> Iterator[tuple[Any, ...]]:
        """Rows of MONTH_COLUMNS from a month on. since: months since 1970 (u,)."""
        row = self._keys >> _CODE_BITS
        kept = (row & ((1 << _MONTH_BITS) - 1)) >= since[row >> _MONTH_BITS]
        keys, sums = self._keys[kept], self._sums[kept].tolist()
        codes = keys & ((1 << _CODE_BITS) - 1)
        ends = np.flatnonzero(codes == _EVENTS)
        told = [f"{name}: {value}" for name, value in zip(_QUOTED[codes].tolist(), sums, strict=True)]
        row = keys[ends] >> _CODE_BITS
        months = month_text(row & ((1 << _MONTH_BITS) - 1))
        begin = 0
        for place, month, end in zip((row >> _MONTH_BITS).tolist(), months, ends.tolist(), strict=True):
            yield self._users[place], month, int(sums[end]), f"{{{', '.join(told[begin:end])}}}"
            begin = end + 1


def month_text(months: Ints) -> list[str]:
    """Months since 1970 as dates."""
    written: list[str] = np.datetime_as_string(months.view("datetime64[M]").astype("datetime64[D]")).tolist()
    return written


def _top(vectors: NDArray[np.float32], facet: str) -> list[str | None]:
    """The value of a facet with the most weight, the first of equal ones; None where none is above 0."""
    names = FACETS[facet]
    start = CODES[f"{facet}={names[0]}"]
    part = vectors[:, start : start + len(names)]
    best = part.argmax(1)
    liked = part[np.arange(len(part)), best] > 0
    return [names[place] if above else None for place, above in zip(best.tolist(), liked.tolist(), strict=True)]
