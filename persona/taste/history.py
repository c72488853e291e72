"""What a user did, in the form that the taste model reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from persona.errors import NotFound
from persona.store.events import POPULARITY
from persona.store.records import EVENT_TYPES, Event, Item
from persona.taste.table import UNKNOWN, Floats, ItemTable

LONGEST = 50  # events that the model reads, the last ones
TYPE_CODES: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES)}
NEGATIVE_TYPES = ("dislike", "hide")
NEGATIVE_CODES = tuple(TYPE_CODES[name] for name in NEGATIVE_TYPES)
WEIGHT_OF_CODE: Floats = np.array([POPULARITY[name] for name in EVENT_TYPES], np.float32)
GAP_BUCKETS = 16  # doublings of an hour: the last one is 3.7 years and more


@dataclass(frozen=True)
class HistoryEntry:
    """One event. Its subject is a row of the table (item), or something outside it (feature and category).

    feature: float32 (64,), the content vector of a generated picture or of a style; category: its code, -1 unknown.
    style: the item of that style.
    """

    type: str
    at: datetime
    item: int | None = None
    feature: Floats | None = None
    category: int = UNKNOWN
    style: Item | None = None

    def __post_init__(self) -> None:
        if self.item is None and self.feature is None:
            raise ValueError("a history entry names a row of the table, or gives a feature")


def history_of(
    events: Iterable[Event],
    table: ItemTable,
    generations: Mapping[str, tuple[Floats, int]] | None = None,
    styles: Mapping[str, tuple[Floats, Item]] | None = None,
    *,
    strict: bool = False,
) -> list[HistoryEntry]:
    """Events, oldest first, as entries over this table. generations: by id, (feature (64,), category code).
    styles: by id, (feature (64,), item): they are in no table, since none is recommended among garments.

    What is not in the table (an item withdrawn since) nor among those is left out; strict raises NotFound
    naming it instead, which suits a history that came with the request.
    """
    entries = []
    for event in events:
        if event.item_id is not None and event.item_id in table.index:
            entries.append(HistoryEntry(event.type, event.at, table.index[event.item_id]))
        elif event.item_id is not None and event.item_id in (styles or {}):
            feature, item = (styles or {})[event.item_id]
            entries.append(HistoryEntry(event.type, event.at, None, feature, style=item))
        elif event.generation_id is not None and event.generation_id in (generations or {}):
            feature, category = (generations or {})[event.generation_id]
            entries.append(HistoryEntry(event.type, event.at, None, feature, category))
        elif strict:
            kind, name = ("item", event.item_id) if event.item_id else ("generation", event.generation_id)
            raise NotFound(f"history: no {kind} {name!r} here; leave its event out, or import it first")
    return sorted(entries, key=lambda entry: entry.at)


def gap_buckets(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Times (..., t) in seconds, oldest first, to the bucket of the gap before each: 0 (under an hour) to 15."""
    hours = np.diff(seconds, axis=-1, prepend=seconds[..., :1]).clip(min=0) / 3600
    return np.minimum(np.log2(1 + hours), GAP_BUCKETS - 1).astype(np.int64)
