"""Many users read at once: what reading them one by one gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from persona.recommend.person import stored_people, stored_person
from persona.store import Event, Item, Profile, Rights, Store
from persona.store.records import Domain

RIGHTS = Rights(licence="CC0-1.0", source="made up")


@pytest.fixture
def users(store: Store) -> list[str]:
    """Four users of whom one did nothing, and one is not there."""
    store.put_items(
        [
            Item(id="shirt", category="shirt", rights=RIGHTS),
            Item(id="look", domain="look", category="work", rights=RIGHTS, look={}),
        ]
    )
    names = ["a", "b", "c", "d"]
    for name in names[:3]:
        store.put_user(Profile.model_validate({"id": name, "consents": {"personalisation": name != "b"}}))
    began = datetime(2025, 5, 1, tzinfo=UTC)
    for number in range(12):
        user, item = names[number % 2], ("shirt", "look", "look")[number % 3]
        at = began + timedelta(hours=number // 4)  # several at the same time
        store.add_events([Event(key=str(number), user_id=user, item_id=item, type="like", at=at)])
    return names


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize("domain", [None, *get_args(Domain)])
def test_last_events_are_each_ones_history(store: Store, users: list[str], limit: int, domain: Domain | None) -> None:
    one_by_one = {name: store.history(name, limit, domain=domain) for name in users}
    assert store.last_events(users, limit, domain=domain) == {
        name: events for name, events in one_by_one.items() if events
    }
    assert store.event_watermarks(users) == {name: store.event_watermark(name) for name in users[:2]}


def test_people_are_as_each_is_read(store: Store, users: list[str]) -> None:
    assert stored_people(store, users) == {name: stored_person(store, name) for name in users[:3]}
    assert stored_people(store, []) == {}
