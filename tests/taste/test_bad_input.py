"""What a service meets: things unknown, far too much, nothing but dislikes, and people who contradict themselves."""

from __future__ import annotations

import time
from datetime import timedelta

import numpy as np
import pytest

from persona.errors import NotFound
from persona.store.records import Event
from persona.taste.history import LONGEST, HistoryEntry, history_of
from persona.taste.model import TasteModel
from persona.taste.rank import rank
from persona.taste.table import FACET_CODES, ItemTable

from .conftest import DAY, did, prefers

RED = FACET_CODES["colour"]["red"]


def event(number: int, item: str, kind: str = "like") -> Event:
    return Event(key=str(number), user_id="someone", item_id=item, type=kind, at=DAY + timedelta(minutes=number))  # type: ignore[arg-type]


def test_unknown_items_in_a_history_are_left_out_or_named(known: ItemTable) -> None:
    events = [event(0, "item-3"), event(1, "gone"), event(2, "item-5")]
    assert [entry.item for entry in history_of(events, known)] == [3, 5]
    with pytest.raises(NotFound, match="no item 'gone' here; leave its event out"):
        history_of(events, known, strict=True)
    assert history_of([event(0, "gone")], known) == []


def test_of_a_very_long_history_the_last_events_are_read_at_once(model: TasteModel, known: ItemTable) -> None:
    history = [HistoryEntry("like", DAY + timedelta(minutes=n), n % len(known)) for n in range(100_000)]
    begun = time.perf_counter()
    vector = model.encode(None, history, known)
    assert time.perf_counter() - begun < 0.5
    assert np.array_equal(vector, model.encode(None, history[-LONGEST:], known))


def test_nothing_but_dislikes_leads_away_from_them(model: TasteModel, known: ItemTable) -> None:
    red = np.flatnonzero(known.colour == RED)
    vectors = model.item_vectors(known)
    for kind in ("dislike", "hide"):
        scores = vectors @ model.encode(None, did(*red, type=kind), known)
        assert np.isfinite(scores).all()
        assert scores[red].mean() < np.delete(scores, red).mean() - 0.5 * scores.std()
    rows, _ = rank(model.encode(None, did(*red, type="dislike"), known), vectors, 10)
    assert len(rows) == 10
    assert np.isin(rows, red).mean() < 0.2


def test_who_says_red_and_dislikes_red_is_between(model: TasteModel, known: ItemTable) -> None:
    red = np.flatnonzero(known.colour == RED)
    vectors = model.item_vectors(known)

    def redness(stated: float, kind: str) -> float:
        profile = prefers(("colour", "red", stated)) if stated else None
        scores = vectors @ model.encode(profile, did(*red[:5], type=kind) if kind else [], known)
        assert np.isfinite(scores).all()
        return float((scores[red].mean() - scores.mean()) / scores.std())

    assert redness(0.0, "dislike") < redness(1.0, "dislike") < redness(1.0, "")
    assert redness(-1.0, "") < redness(-1.0, "like") < redness(0.0, "like")
