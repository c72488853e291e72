"""Keyset pages: whatever is added or erased while somebody reads, every row that stays is met exactly once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona.errors import BadInput
from persona.store import Event, Generation, Item, Profile, Rights, Store
from persona.store.pages import Page

AT = datetime(2025, 5, 1, tzinfo=UTC)
RIGHTS = Rights(licence="CC0-1.0", source="a test")
QUICK = settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))


def user(name: str) -> Profile:
    return Profile(id=name)


def item(name: str) -> Item:
    return Item(id=name, category="dress", rights=RIGHTS)


def event(key: str, hour: int) -> Event:
    return Event(key=key, user_id="ana", item_id="dress", type="view", at=AT + timedelta(hours=hour), rec_id="r-1")


def generation(name: str, hour: int) -> Generation:
    return Generation(
        id=name, picture="a" * 64, user_id="ana", model="m@1", condition_digest="b" * 64, seed=1, category="dress",
        created_at=AT + timedelta(hours=hour),
    )  # fmt: skip


def read(page: Callable[[int, str | None], Page[Any]], limit: int, between: Callable[[], object]) -> list[Any]:
    """All pages of a list; something happens between any two."""
    rows, cursor = [], None
    while True:
        found = page(limit, cursor)
        rows += found.rows
        assert len(found.rows) <= limit
        if found.next is None:
            return rows
        assert len(found.rows) == limit
        cursor = found.next
        between()


names = st.lists(st.text("ab.-Z9", min_size=1, max_size=4).map(lambda tail: f"x{tail}"), unique=True, max_size=12)


@QUICK
@given(there=names, added=names, limit=st.integers(1, 5))
def test_users_are_met_once_while_others_come(store: Store, there: list[str], added: list[str], limit: int) -> None:
    for name in store.user_ids():
        store.delete_user(name)
    store.bulk_users(map(user, there))
    late = iter([name for name in added if name not in there])
    found = [
        u.id for u in read(store.user_page, limit, lambda: store.bulk_users([user(n) for n in [next(late, None)] if n]))
    ]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert set(there) <= set(found) <= {*there, *added}


@QUICK
@given(there=names, added=names, limit=st.integers(1, 5))
def test_items_are_met_once_while_others_come(store: Store, there: list[str], added: list[str], limit: int) -> None:
    before = {one.id for one in store.items(active=None)}
    store.put_items([item(name) for name in there])
    late = iter(added)
    found = read(store.item_page, limit, lambda: store.put_items([item(n) for n in [next(late, None)] if n]))
    ids = [one.id for one in found]
    assert ids == sorted(set(ids))
    assert before | set(there) <= set(ids) <= before | {*there, *added}


@QUICK
@given(
    hours=st.lists(st.integers(0, 3), max_size=14),
    late=st.lists(st.integers(-2, 5), max_size=6),
    limit=st.integers(1, 4),
)
def test_a_history_is_met_once_while_it_grows(store: Store, hours: list[int], late: list[int], limit: int) -> None:
    """Events of one time and events that arrive late included."""
    if store.user_ids(limit=1):
        store.delete_user("ana")
    store.put_user(user("ana"))
    store.put_items([item("dress")])
    there = [event(f"e{number}", hour) for number, hour in enumerate(hours)]
    store.add_events(there)
    coming = iter([event(f"late{number}", hour) for number, hour in enumerate(late)])
    found = read(
        lambda most, cursor: store.event_page("ana", most, cursor),
        limit,
        lambda: store.add_events([e for e in [next(coming, None)] if e]),
    )
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    assert len({one.key for one in found}) == len(found)
    assert {one.key: one for one in found if one.key.startswith("e")} == {one.key: one for one in there}


def test_generations_come_newest_first_and_only_ones_own(store: Store) -> None:
    store.put_user(user("ana"))
    store.put_user(user("ben"))
    made = [generation(f"g{number}", hour) for number, hour in enumerate([2, 0, 2, 1, 2])]
    store.add_generations(made, np.zeros((5, 4), np.float32))
    found = read(lambda most, cursor: store.generation_page("ana", most, cursor), 2, lambda: None)
    assert [one.id for one in found] == ["g4", "g2", "g0", "g3", "g1"]
    assert found == [one for name in ("g4", "g2", "g0", "g3", "g1") for one in made if one.id == name]
    assert store.generation_page("ben", 2) == Page([], None)


def test_what_is_erased_meanwhile_leaves_no_gap(store: Store) -> None:
    store.bulk_users(user(f"u{n}") for n in range(6))
    first = store.user_page(2)
    store.delete_user("u1")  # on which the cursor stands
    store.delete_user("u2")
    assert [one.id for one in store.user_page(9, first.next).rows] == ["u3", "u4", "u5"]


def as_cursor(told: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


FORGED = [
    "", "x", "%%%", "é", "a" * 512, as_cursor(None), as_cursor([]), as_cursor({"a": 1}), as_cursor(["users"]),
    as_cursor(["users", 1]), as_cursor(["users", "a\0"]), as_cursor(["users", "\ud800"]), as_cursor(["items", "a"]),
    as_cursor(["events", "2025-05-01T00:00:00+00:00", "1"]), as_cursor(["events", "2025-05-01T00:00:00", 1]),
    as_cursor(["events", "0001-01-01T00:00:00+14:00", 1]), as_cursor(["events", "2025-05-01T00:00:00+00:00", 2**63]),
    as_cursor(["events", "2025-05-01T00:00:00+00:00", True]), as_cursor(["events", 5, 5]),
    as_cursor(["events", "2025-05-01T00:00:00+00:00", -1]), as_cursor(["generations", "x", "g"]),
    base64.urlsafe_b64encode(b"[" * 300).decode(),
]  # fmt: skip


@pytest.mark.parametrize("cursor", FORGED)
def test_a_forged_cursor_is_refused_by_name(sqlite_store: Store, cursor: str) -> None:
    """One of another list too."""
    pages = [sqlite_store.user_page, lambda most, cursor: sqlite_store.event_page("ana", most, cursor)]
    pages += [lambda most, cursor: sqlite_store.generation_page("ana", most, cursor)]
    for page in pages:
        with pytest.raises(BadInput, match="cursor: is none of a list of"):
            page(5, cursor)
