"""Real wardrobes as histories: garments that share an owner were chosen by one person."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from persona.store.records import Event, Item, Profile

SMALLEST = 3  # garments: fewer say little of a taste
FROM = datetime(2020, 1, 1, tzinfo=UTC)


def wardrobes(items: Iterable[Item], smallest: int = SMALLEST) -> Iterator[tuple[Profile, list[Event]]]:
    """One user (source "wardrobe") per owner of at least `smallest` garments, each garment a purchase.

    Nobody recorded when they were bought: the times are a day apart in an order that only depends on the ids, and carry
    no meaning. Training draws the order anew each time.
    """
    owned: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.owner is not None:
            owned[item.owner].append(item)
    for owner, garments in sorted(owned.items()):
        if len(garments) >= smallest:
            name = _name(owner)
            shuffled = sorted(garments, key=lambda item: hashlib.sha256(item.id.encode()).digest())
            yield (
                Profile(id=name, consents={"training": True}, source="wardrobe"),
                [
                    Event(
                        key=f"{name}-{item.id}"[:128], user_id=name, item_id=item.id, type="purchase",
                        at=FROM + timedelta(days=day),
                    )
                    for day, item in enumerate(shuffled)
                ],
            )  # fmt: skip


def _name(owner: str) -> str:
    """A valid identifier, different for different owners."""
    plain = re.sub(r"[^A-Za-z0-9._:@-]", "_", owner)[:100]
    same = plain == owner
    return f"wardrobe-{plain}" if same else f"wardrobe-{plain}-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"
