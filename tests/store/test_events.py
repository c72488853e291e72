"""Events: each counted once, whole batches or nothing, read back in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from persona.errors import BadInput, Conflict
from persona.store import Event, EventsAdded, Generation, Profile, Store
from persona.store.events import Mark
from persona.store.records import Traits

AnEvent = Callable[..., Event]
MORNING = datetime(2025, 5, 4, tzinfo=UTC)
Add = Callable[[Store, list[Event]], EventsAdded]


@pytest.fixture(params=["add", "bulk"])
def add(request: pytest.FixtureRequest) -> Add:
    """Both ways in promise the same."""
    return Store.add_events if request.param == "add" else Store.bulk_events


def test_events_come_back_oldest_first(filled: Store, an_event: AnEvent, add: Add) -> None:
    events = [an_event(str(n), minute=n, type=kind) for n, kind in enumerate(["view", "like", "hide", "cart"])]
    assert add(filled, [events[2], events[0], events[3], events[1]]) == EventsAdded(4, 0)
    assert filled.history("u1") == events
    assert filled.history("u1", limit=2) == events[2:]
    assert filled.history("u2") == filled.history("nobody") == []


def test_events_of_one_time_keep_the_order_in_which_they_came(filled: Store, an_event: AnEvent, add: Add) -> None:
    events = [an_event(key) for key in "zebra"]
    add(filled, events)
    assert filled.history("u1") == events


def test_an_event_sent_again_counts_once(filled: Store, an_event: AnEvent, add: Add) -> None:
    one, two = an_event("1"), an_event("2", minute=1)
    assert add(filled, [one, two, one]) == EventsAdded(2, 1)
    mark = filled.event_watermark("u1")
    assert add(filled, [two, one]) == EventsAdded(0, 2)
    assert filled.history("u1") == [one, two]
    assert filled.event_watermark("u1") == mark


def test_one_moment_is_the_same_in_any_zone(filled: Store, an_event: AnEvent, add: Add) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2025, 5, 4, 10, 0, 0, 123456, UTC)
    add(filled, [an_event("1", at=at.astimezone(east))])
    assert add(filled, [an_event("1", at=at)]) == EventsAdded(0, 1)
    (event,) = filled.history("u1")
    assert event.at == at
    assert event.at.tzinfo is UTC


@pytest.mark.parametrize(
    "other",
    [{"type": "hide"}, {"minute": 1}, {"user_id": "u2"}, {"item_id": "i2"}],
    ids=lambda other: next(iter(other)),
)
def test_a_key_used_for_something_else(filled: Store, an_event: AnEvent, add: Add, other: dict[str, object]) -> None:
    add(filled, [an_event("1")])
    with pytest.raises(Conflict, match=r"events\[1\]\.key: '1': .*other content.*key of its own"):
        add(filled, [an_event("2", minute=3), an_event("1", **other)])
    with pytest.raises(Conflict, match=r"events\[2\]\.key: '3'"):
        add(filled, [an_event("2"), an_event("3"), an_event("3", **other)])
    assert filled.history("u1") == [an_event("1")]


@pytest.mark.parametrize("field", ["user_id", "item_id", "generation_id"])
def test_something_unknown(filled: Store, an_event: AnEvent, add: Add, field: str) -> None:
    with pytest.raises(BadInput, match=rf"events\[1\]\.{field}: 'x9' is not known; ") as error:
        add(filled, [an_event("1"), an_event("2", **{field: "x9"})])
    assert error.value.field == f"events[1].{field}"
    assert filled.history("u1") == []
    assert filled.count_events() == 0


def test_a_bulk_goes_on_without_what_it_is_told_to_leave_out(filled: Store, an_event: AnEvent) -> None:
    filled.add_events([an_event("old")])
    events = [
        an_event("1"), an_event("2", user_id="u9"), an_event("old", type="hide"), an_event("3", item_id="i9"),
        an_event("1"), an_event("1", type="hide"), an_event("4", minute=4),
    ]  # fmt: skip
    refused: list[tuple[int, str]] = []
    done = filled.bulk_events(iter(events), lambda index, field, why: refused.append((index, field)))
    assert done == EventsAdded(2, 1)
    assert refused == [(1, "user_id"), (3, "item_id"), (2, "key"), (5, "key")]
    assert [event.key for event in filled.history("u1")] == ["old", "1", "4"]


def test_nothing_to_add(filled: Store, add: Add) -> None:
    assert add(filled, []) == EventsAdded(0, 0)


def test_the_watermark_rises_and_is_never_used_twice(filled: Store, an_event: AnEvent) -> None:
    assert filled.event_watermark("u1") == filled.event_watermark("nobody") == 0
    filled.add_events([an_event("1", minute=9)])
    first = filled.event_watermark("u1")
    filled.add_events([an_event("2", minute=-9)])  # it happened before, but it is news
    assert filled.event_watermark("u1") > first > 0
    assert filled.event_watermark("u2") == 0
    last = filled.event_watermark("u1")
    filled.delete_user("u1")
    filled.add_events([an_event("3", user_id="u2")])
    assert filled.event_watermark("u2") > last


def test_popularity_is_weighted_and_of_items_only(filled: Store, an_event: AnEvent) -> None:
    kinds = [("i1", "view"), ("i1", "purchase"), ("i2", "like"), ("i3", "dislike")]
    filled.add_events([an_event(str(n), item_id=item, type=kind) for n, (item, kind) in enumerate(kinds)])
    assert filled.popularity().overall == {"i1": 2.25, "i2": 1.0, "i3": 0.0}


def test_who_refuses_personalisation_makes_nothing_popular(filled: Store, an_event: AnEvent) -> None:
    for number, consents in enumerate([{}, {"personalisation": True}, {"personalisation": False}]):
        filled.put_user(Profile.model_validate({"id": f"p{number}", "consents": consents}))
        filled.add_events([an_event(f"{number}", user_id=f"p{number}", item_id="i1", type="like")])
    assert filled.popularity().overall == {"i1": 2.0}


def test_segments_are_age_bands_of_enough_willing_adults(filled: Store, an_event: AnEvent) -> None:
    adults = [("25-34", True), ("25-34", True), ("25-34", False), ("65-plus", True)]
    for number, (band, willing) in enumerate([*adults, *[("under-18", True)] * 2, *[(None, True)] * 2]):
        consents = {"personalisation": willing}
        filled.put_user(Profile(id=f"p{number}", traits=Traits.model_validate({"age_band": band}), consents=consents))
        kind = "purchase" if number else "like"
        filled.add_events([an_event(f"{number}", user_id=f"p{number}", item_id="i1", type=kind)])
    filled.add_events([an_event("more", user_id="p1", item_id="i2", type="view")])
    assert filled.popularity(least=2).segments == {"25-34": {"i1": 3.0, "i2": 0.25}}
    assert filled.popularity(least=1).segments == {"25-34": {"i1": 3.0, "i2": 0.25}, "65-plus": {"i1": 2.0}}
    assert filled.popularity().segments == {}


def test_histories_stream_everybody(filled: Store, an_event: AnEvent) -> None:
    events = [an_event(f"{user}{n}", minute=n, user_id=user) for n in range(5) for user in ("u1", "u3")]
    filled.add_events(events)
    found = dict(filled.histories(limit=3))
    assert list(found) == ["u1", "u2", "u3"]
    assert found["u2"] == []
    for user in ("u1", "u3"):
        assert found[user] == filled.history(user, limit=3)
        assert [event.key for event in found[user]] == [f"{user}{n}" for n in (2, 3, 4)]
    assert [user for user, _ in filled.histories(["u3", "nobody", "u1"])] == ["u3", "nobody", "u1"]


@pytest.mark.parametrize(
    "at", ["2999-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2025-05-04T10:00:00"]
)
def test_times_that_cannot_be(an_event: AnEvent, at: str) -> None:
    with pytest.raises(ValidationError, match="at\n"):
        an_event("1", at=at)


def test_a_history_is_read_over_its_index(filled: Store) -> None:
    query = "SELECT * FROM events WHERE user_id = 'u1' ORDER BY at DESC, id DESC LIMIT 50"
    with filled._reading() as session:
        if filled._postgres:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))  # which is as good on a table of nothing
            plan = session.scalars(text(f"EXPLAIN {query}")).all()
        else:
            plan = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert "ix_events_user_id_at_id" in str(plan)
    assert "sort" not in str(plan).lower()
    assert "TEMP B-TREE" not in str(plan)


def test_marks_tell_how_far_favourable_events_go(filled: Store, an_event: AnEvent) -> None:
    said = {"1": "view", "2": "dislike", "3": "purchase", "4": "hide"}
    filled.add_events([an_event(key, type=kind) for key, kind in said.items()])
    third = filled.event_watermark("u1") - 1
    made = {"picture": "a" * 64, "model": "garment@1", "condition_digest": "c" * 64, "seed": 7, "category": "dress"}
    filled.add_generations([Generation.model_validate({"id": "g1", "user_id": "u2", "created_at": MORNING, **made})])
    filled.add_events([an_event("5", generation_id="g1"), an_event("6", user_id="u2", type="hide")])
    assert filled.favourable_marks("personalisation") == {"u1": Mark(2, third)}
    assert filled.event_key(third) == "3"
    assert filled.event_key(third + 99) is None


def test_marks_leave_out_who_refused_that_purpose(filled: Store, an_event: AnEvent) -> None:
    filled.add_events([an_event(user, user_id=user) for user in ("u1", "u2", "u3")])
    for user, consents in {"u1": {"personalisation": False}, "u2": {"personalisation": True}}.items():
        filled.put_user(Profile.model_validate({"id": user, "consents": consents}))
    filled.put_user(Profile.model_validate({"id": "u3", "consents": {"training": False}}))
    assert list(filled.favourable_marks("personalisation")) == ["u2", "u3"]
    assert list(filled.favourable_marks("training")) == ["u1", "u2"]
    filled.put_user(Profile(id="u1"))
    assert list(filled.favourable_marks("personalisation")) == ["u1", "u2", "u3"]


def test_favourable_events_come_oldest_first_with_their_row_numbers(filled: Store, an_event: AnEvent) -> None:
    filled.add_events([an_event("1", minute=5, type="cart"), an_event("2", minute=1, item_id="i2", type="view")])
    filled.add_events([an_event("3", minute=3, type="dislike"), an_event("4", user_id="u2"), an_event("5", minute=5)])
    (first, last), found = (filled.event_watermark(user) for user in ("u2", "u1")), filled.favourable_events
    assert list(found(["u1", "u3", "nobody"])) == [
        ("u1", [(first - 2, "i2", "view"), (first - 3, "i1", "cart"), (last, "i1", "like")])
    ]
    assert dict(found(["u2"])) == {"u2": [(first, "i1", "like")]}
    assert list(found([])) == []
