"""A store with a few users and items in it, and a short way to write an event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from persona.store import Event, Item, Profile, Rights, Store

MORNING = datetime(2025, 5, 4, 10, tzinfo=UTC)
MakeEvent = Callable[..., Event]


@pytest.fixture
def an_event() -> MakeEvent:
    """Writes an event of user u1 on item i1, some minutes after that morning."""

    def make(key: str, minute: float = 0, **fields: object) -> Event:
        subject = {} if "generation_id" in fields else {"item_id": "i1"}
        values = {"user_id": "u1", "type": "like", "at": MORNING + timedelta(minutes=minute), **subject, **fields}
        return Event.model_validate({"key": key, **values})

    return make


@pytest.fixture
def filled(store: Store) -> Store:
    """Users u1 to u3, items i1 to i4."""
    rights = Rights(licence="CC0-1.0", source="https://example.org")
    store.bulk_users(Profile(id=f"u{n}") for n in (1, 2, 3))
    store.put_items(Item(id=f"i{n}", category="dress", rights=rights) for n in (1, 2, 3, 4))
    return store
