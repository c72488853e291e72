"""The numbers of the overview, counted once in a while: over a million users that takes seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from persona.serve.analyst_desk import Desk
from persona.store import Store
from persona.store.popularity import SEGMENT

FRESH = 300.0  # seconds
ANSWERS = ("granted", "refused", "unanswered")
_BY_ACTIVITY = "SELECT activity, count(*) AS users, sum(events) AS events FROM dim_user GROUP BY activity"
_ITEMS = "SELECT count(*) AS items FROM dim_item WHERE active AND domain = 'garment'"


@dataclass(frozen=True)
class Counted:
    """What the overview says. at: when it was counted; facts: name and number, as text; consents: numbers of users by
    ANSWERS, by purpose, as text."""

    at: datetime
    facts: tuple[tuple[str, str], ...]
    consents: dict[str, dict[str, str]]


class Numbers:
    """Counts, and remembers what it counted. Threads may share it."""

    def __init__(self, desk: Desk, store: Callable[[], Store]) -> None:
        self._desk, self._store, self._lock = desk, store, threading.Lock()
        self._read_at, self._counted = 0.0, Counted(datetime.now(UTC), (), {})

    def read(self) -> Counted:
        """The numbers, no older than FRESH. Raises what the desk raises."""
        with self._lock:
            if not self._counted.facts or time.monotonic() - self._read_at > FRESH:
                self._counted = self._count()
                self._read_at = time.monotonic()
            return self._counted

    def _count(self) -> Counted:
        groups = self._desk.values(_BY_ACTIVITY)
        ((items,),) = self._desk.values(_ITEMS)
        users, events = (sum(int(group[place]) for group in groups) for place in (1, 2))
        active = sum(int(count) for activity, count, _ in groups if activity != "none")
        facts = (
            ("People who are seen", _people(users)),
            ("of them have done something", _people(active)),
            ("Events with garments", f"{events:,}" if active >= SEGMENT else "not shown"),
            ("Garments in the catalogue", f"{items:,}"),
        )
        answers = self._store().consent_counts()
        consents = {purpose: {name: _people(said[name]) for name in ANSWERS} for purpose, said in answers.items()}
        return Counted(datetime.now(UTC), facts, consents)


def _people(count: int) -> str:
    """A number of people; of a few one could tell who they are."""
    return f"{count:,}" if count >= SEGMENT or count == 0 else f"fewer than {SEGMENT}"
