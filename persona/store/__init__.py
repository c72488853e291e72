"""The profile store: users, preferences, consents, items, events, vectors and generations. Nothing else speaks SQL."""

from persona.store.events import EventsAdded
from persona.store.generations import StoredCondition
from persona.store.migrate import upgrade
from persona.store.reading import ImportReport
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
