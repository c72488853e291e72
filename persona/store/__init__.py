"""The profile store: users, preferences, consents, items, events, vectors and generations. Nothing else speaks SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona.lazy import lazily
from persona.store.records import (
    Agreement,
    Event,
    Generation,
    Item,
    ModelVersion,
    NamedStyle,
    Preference,
    Profile,
    Reason,
    Rights,
    Traits,
)

if TYPE_CHECKING:
    from persona.store.events import EventsAdded
    from persona.store.generations import StoredCondition
    from persona.store.migrate import upgrade
    from persona.store.reading import ImportReport
    from persona.store.store import Store
    from persona.store.users import UsersWritten

__all__ = [
    "Agreement",
    "Event",
    "EventsAdded",
    "Generation",
    "ImportReport",
    "Item",
    "ModelVersion",
    "NamedStyle",
    "Preference",
    "Profile",
    "Reason",
    "Rights",
    "Store",
    "StoredCondition",
    "Traits",
    "UsersWritten",
    "upgrade",
]
__getattr__ = lazily(  # SQLAlchemy is not for who wants the records alone
    __name__,
    {
        "EventsAdded": "events",
        "ImportReport": "reading",
        "Store": "store",
        "StoredCondition": "generations",
        "UsersWritten": "users",
        "upgrade": "migrate",
    },
)
