"""Users with a past: profiles that changed, events and embeddings, each at a time of the test's choosing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import insert

from persona.store import Item, Rights, Store
from persona.store.analysis_schema import UserVersionRow
from persona.store.schema import ConditionRow, ConsentRow, EventRow, PreferenceRow, UserRow

START = datetime(2025, 1, 1, tzinfo=UTC)
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")
ITEMS = {
    "dress": ("dress", "green", "plain", "smart"),
    "shirt": ("shirt", "blue", "striped", None),
    "shorts": ("shorts", "green", "plain", "sporty"),
}
TYPES = {"view": 0.25, "like": 1, "save": 1, "cart": 1.5, "purchase": 2, "dislike": -1, "hide": -1}


def day(number: float) -> datetime:
    """So many days after the start."""
    return START + timedelta(days=number)


@dataclass(frozen=True)
class Version:
    """How a profile was from then on."""

    since: datetime
    age_band: str | None = None
    stated: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """An event on an item."""

    at: datetime
    type: str
    item: str


@dataclass(frozen=True)
class Past:
    """A user. embeddings: when each was made, by the version's name."""

    user_id: str
    versions: Sequence[Version] = (Version(START),)
    acts: Sequence[Act] = ()
    embeddings: dict[str, datetime] = field(default_factory=dict)
    consents: Sequence[str] = ("analytics", "training")


def stock(store: Store) -> None:
    """The items, and one that is no garment."""
    facets = "category", "colour", "pattern", "style"
    store.put_items(Item(id=name, rights=RIGHTS, **dict(zip(facets, told))) for name, told in ITEMS.items())  # type: ignore[arg-type]
    store.put_items([Item(id="print", domain="style", category="work", rights=RIGHTS)])


def remember(store: Store, *pasts: Past) -> None:
    """Store users with their pasts."""
    rows: dict[type, list[dict[str, object]]] = {}
    for past in pasts:
        now = past.versions[-1]
        times = {"created_at": past.versions[0].since, "updated_at": now.since, "valid_from": now.since}
        analysed = "analytics" in past.consents
        user = {"id": past.user_id, "age_band": now.age_band, "source": "app", **times, "analysed": analysed}
        rows.setdefault(UserRow, []).append(user)
        whose = {"user_id": past.user_id}
        for before, after in zip(past.versions, past.versions[1:]):
            ended = {"valid_from": before.since, "valid_to": after.since, "stated": before.stated}
            rows.setdefault(UserVersionRow, []).append({**whose, **ended, "age_band": before.age_band})
        for place, (said, weight) in enumerate(now.stated.items()):
            facet, value = said.split("=")
            told = {"facet": facet, "value": value, "weight": weight, "position": place}
            rows.setdefault(PreferenceRow, []).append({**whose, **told})
        for purpose in past.consents:
            rows.setdefault(ConsentRow, []).append({**whose, "purpose": purpose, "granted": True, "changed_at": START})
        for act in past.acts:
            told = {"key": f"{past.user_id}-{act.at.isoformat()}-{act.type}-{act.item}", "type": act.type, "at": act.at}
            rows.setdefault(EventRow, []).append({**whose, **told, "item_id": act.item})
        for version, at in past.embeddings.items():
            vector = np.array([at.timestamp()], "<f4").tobytes()
            made = {"model": version, "made_at": at, "watermark": 0, "vector": vector, "made_from": {}}
            rows.setdefault(ConditionRow, []).append({**whose, **made})
    with store._engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(insert(table), values)
