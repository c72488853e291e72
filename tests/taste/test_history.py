from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from persona.errors import NotFound
from persona.store.records import Event
from persona.taste.history import HistoryEntry, gap_buckets, history_of
from persona.taste.table import ItemTable

from .conftest import DAY


def event(number: int, **subject: str) -> Event:
    return Event(key=f"k{number}", user_id="u", type="like", at=DAY - timedelta(days=number), **subject)


def test_history_of_orders_and_leaves_out_what_is_not_here(table: ItemTable) -> None:
    events = [
        event(0, item_id="item-7"),
        event(1, item_id="gone"),
        event(2, generation_id="g"),
        event(3, generation_id="h"),
    ]
    feature = np.ones(64, np.float32)
    entries = history_of(events, table, {"g": (feature, 4)})
    assert [entry.item for entry in entries] == [None, 7]
    assert entries[0].feature is feature
    assert entries[0].category == 4
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)


@pytest.mark.parametrize(
    ("subject", "named"), [({"item_id": "gone"}, "item 'gone'"), ({"generation_id": "h"}, "generation 'h'")]
)
def test_strict_names_what_is_not_here(table: ItemTable, subject: dict[str, str], named: str) -> None:
    with pytest.raises(NotFound, match=f"history: no {named} here"):
        history_of([event(0, **subject)], table, strict=True)


def test_an_entry_needs_a_subject() -> None:
    with pytest.raises(ValueError, match="names a row"):
        HistoryEntry("like", DAY)


def test_gap_buckets_are_doublings_of_an_hour() -> None:
    hours = np.array([0.0, 0.5, 1.5, 4.5, 4.5 + 1e9, 3.0])  # the last one is out of order: no time passed
    assert gap_buckets(hours * 3600).tolist() == [0, 0, 1, 2, 15, 0]
