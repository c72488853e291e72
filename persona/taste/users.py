"""Many users as flat arrays: what training reads and the simulator writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona.store.records import Preference, Profile
from persona.taste.history import TYPE_CODES, WEIGHT_OF_CODE, HistoryEntry
from persona.taste.table import STATEMENTS, Floats, ItemTable, statement_code

Ints = NDArray[np.int64]
Times = NDArray[np.float64]


@dataclass(frozen=True)
class Users:
    """u users over one table: user i did events[i] to events[i + 1] and stated stated[i] to stated[i + 1].

    events: int64 (u + 1,); row, kind: int64 (m,), table rows and event type codes, oldest first in each user;
    at: float64 (m,), seconds since 1970. stated: int64 (u + 1,); statement: int64 (q,), positions in STATEMENTS;
    weight: float32 (q,). ordered: bool (u,), False where the order of events carries no meaning (wardrobes).
    """

    ids: list[str]
    events: Ints
    row: Ints
    kind: Ints
    at: Times
    stated: Ints
    statement: Ints
    weight: Floats
    ordered: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, users: Iterable[tuple[Profile, Sequence[HistoryEntry]]]) -> Users:
        """From profiles and histories. Events on pictures outside the table (generated ones) are left out."""
        ids, ordered, counts, stated_counts = [], [], [0], [0]
        entries: list[HistoryEntry] = []
        stated: list[Preference] = []
        for profile, history in users:
            kept = [entry for entry in history if entry.item is not None]
            said = [preference for preference in profile.preferences if preference.weight != 0]
            entries.extend(kept)
            stated.extend(said)
            ids.append(profile.id)
            ordered.append(profile.source != "wardrobe")
            counts.append(len(entries))
            stated_counts.append(len(stated))
        return cls(
            ids,
            np.array(counts),
            np.array([entry.item for entry in entries], np.int64),
            np.array([TYPE_CODES[entry.type] for entry in entries], np.int64),
            np.array([entry.at.timestamp() for entry in entries], np.float64),
            np.array(stated_counts),
            np.array([statement_code(p.facet, p.value) for p in stated], np.int64),
            np.array([p.weight for p in stated], np.float32),
            np.array(ordered, bool),
        )

    @classmethod
    def join(cls, parts: Sequence[Users]) -> Users:
        """All users of several sets over the same table."""
        return cls(
            [name for part in parts for name in part.ids],
            _joined([part.events for part in parts]),
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.kind for part in parts]),
            np.concatenate([part.at for part in parts]),
            _joined([part.stated for part in parts]),
            np.concatenate([part.statement for part in parts]),
            np.concatenate([part.weight for part in parts]),
            np.concatenate([part.ordered for part in parts]),
        )

    def select(self, chosen: NDArray[np.bool_]) -> Users:
        """The users of a mask (u,), in their order."""
        done, said = (np.repeat(chosen, np.diff(starts)) for starts in (self.events, self.stated))
        return Users(
            [name for name, kept in zip(self.ids, chosen.tolist(), strict=True) if kept],
            _starts(np.diff(self.events)[chosen]),
            self.row[done],
            self.kind[done],
            self.at[done],
            _starts(np.diff(self.stated)[chosen]),
            self.statement[said],
            self.weight[said],
            self.ordered[chosen],
        )

    def history(self, user: int) -> slice:
        """Where a user's events stand."""
        return slice(int(self.events[user]), int(self.events[user + 1]))

    def preferences(self, user: int) -> tuple[Preference, ...]:
        """What a user stated, as records."""
        said = slice(int(self.stated[user]), int(self.stated[user + 1]))
        pairs = zip(self.statement[said].tolist(), self.weight[said].tolist(), strict=True)
        return tuple(
            Preference(facet=STATEMENTS[code][0], value=STATEMENTS[code][1], weight=round(weight, 3))
            for code, weight in pairs
        )

    def popularity(self, table: ItemTable) -> Floats:
        """Weighted events per item, float32 (n,)."""
        counts = np.bincount(self.row, WEIGHT_OF_CODE[self.kind], minlength=len(table))
        return counts.astype(np.float32)


def _joined(parts: Sequence[Ints]) -> Ints:
    return _starts(np.concatenate([np.diff(starts) for starts in parts]))


def _starts(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
