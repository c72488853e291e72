"""Events: what users did. Each is counted once however often it is sent, and none is lost once acknowledged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, Row, Select, exists, false, func, not_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from persona.errors import BadInput, Conflict
from persona.store.bulk import existing, insert_new
from persona.store.engine import Database, batches
from persona.store.records import Domain, Event
from persona.store.schema import ConsentRow, EventRow, GenerationRow, ItemRow, UserRow

# What an event of each type adds to its item's popularity.
POPULARITY = {"view": 0.25, "like": 1.0, "save": 1.0, "cart": 1.5, "purchase": 2.0, "dislike": 0.0, "hide": 0.0}

FAVOURABLE = tuple(name for name, weight in POPULARITY.items() if weight > 0)
COLUMNS = ("key", "user_id", "item_id", "generation_id", "type", "at", "rec_id")
STORED = tuple(getattr(EventRow, name) for name in COLUMNS)
SUBJECTS: dict[str, tuple[InstrumentedAttribute[str], str]] = {
    "user_id": (UserRow.id, "store the profile first"),
    "item_id": (ItemRow.id, "import the item first, or leave this event out if it was erased"),
    "generation_id": (GenerationRow.id, "leave this event out: it was never made, or erased with its user"),
}


def _on(*domains: Domain) -> ColumnElement[bool]:
    """Told by the key of each event's item, so that neither a million garments nor a million saved looks are gone
    through for one user."""
    return exists().where(ItemRow.id == EventRow.item_id, ItemRow.domain.in_(domains))


# what garments are ranked by: looks have a taste of their own, liked styles count in that of garments
_IN_TASTE = {"garment": not_(_on("look")), "look": _on("look"), "style": _on("style")}
_WORN = not_(_on("look", "style"))  # garments, generated ones too
GARMENT = EventRow.item_id.is_not(None) & _WORN
_FAVOURABLE = GARMENT, EventRow.type.in_(FAVOURABLE)
OTHER_CONTENT = "an event of other content is stored under this key; give every event a key of its own"

Refuse = Callable[[int, str, str], None]
"""Told (index, field, why) for an event that cannot be stored: it raises, or returns to leave that event out."""


@dataclass(frozen=True)
class EventsAdded:
    """How many events were new, and how many were known already. new: keys of the new ones, from `add_events` alone."""

    added: int
    duplicates: int
    new: frozenset[str] = dataclasses.field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True)
class Mark:
    """How far a user's favourable events on items have been read: how many, and the row number of the last."""

    events: int
    last: int


class Events(Database):
    """The events' part of the store."""

    def add_events(self, events: Sequence[Event]) -> EventsAdded:
        """Store events in one transaction; those stored before (same key and content) are counted, not repeated.

        When this returns, they are on the disk. Raises BadInput naming index and field for an unknown user, item or
        generation, Conflict for a key that is stored with other content; then nothing is stored.
        """
        with self._writing() as session:
            return _write(session, events, _raise)

    def bulk_events(self, events: Iterable[Event], refuse: Refuse | None = None) -> EventsAdded:
        """Store many events like `add_events`, in one transaction over the database's bulk path.

        refuse: called with (index, field, why) for each event that cannot be stored, which is then left out.
        """
        added = duplicates = start = 0
        with self._writing(alone=True) as session:
            for part in batches(events):
                done = _write(session, part, refuse or _raise, first=start, bulk=True)
                added, duplicates, start = added + done.added, duplicates + done.duplicates, start + len(part)
        return EventsAdded(added, duplicates)

    def history(self, user_id: str, limit: int = 50, *, domain: Domain | None = None) -> list[Event]:
        """Return a user's last events, oldest first; none for an unknown user.

        domain: only events on items of it; what is generated counts as garments, and so do styles, whose likes enter
        that taste. None: all events.
        """
        query = select(*STORED).where(EventRow.user_id == user_id).order_by(EventRow.at.desc(), EventRow.id.desc())
        if domain is not None:
            query = query.where(_IN_TASTE[domain])
        with self._reading() as session:
            return [_event(row) for row in session.execute(query.limit(limit))][::-1]

    def histories(self, user_ids: Iterable[str] | None = None, limit: int = 50) -> Iterator[tuple[str, list[Event]]]:
        """Yield (user id, last events, oldest first), some hundred users at a time, also for users without events.

        Only what was done with garments, generated ones too.

        user_ids: whose, in that order; None: everybody's, in the order of their ids.
        """
        for part in batches(self._everybody() if user_ids is None else user_ids, 500):
            with self._reading() as session:
                found = _histories(session, part, limit, _WORN)
            for user_id in part:
                yield user_id, found.get(user_id, [])

    def last_events(
        self, user_ids: Iterable[str], limit: int = 50, *, domain: Domain | None = None
    ) -> dict[str, list[Event]]:
        """Return the last events of many users as `history` does of one, by user; those without are left out."""
        wanted = _IN_TASTE[domain] if domain is not None else true()
        found: dict[str, list[Event]] = {}
        with self._reading() as session:
            for part in batches(user_ids, 500):
                found |= _histories(session, part, limit, wanted)
        return found

    def event_watermark(self, user_id: str) -> int:
        """Return the row number of a user's last event, 0 if there is none; it rises with every event that is added."""
        with self._reading() as session:
            return session.scalar(select(func.max(EventRow.id)).where(EventRow.user_id == user_id)) or 0

    def event_watermarks(self, user_ids: Iterable[str]) -> dict[str, int]:
        """Return the watermarks of many users, as `event_watermark` of one; users without events are left out."""
        query = select(EventRow.user_id, func.max(EventRow.id)).group_by(EventRow.user_id)
        found: dict[str, int] = {}
        with self._reading() as session:
            for part in batches(user_ids):
                rows = session.execute(query.where(EventRow.user_id.in_(part)))
                found.update((row[0], row[1]) for row in rows)
        return found

    def favourable_marks(self, purpose: str) -> dict[str, Mark]:
        """Return how far the favourable events (of FAVOURABLE types) on garments go, for every user who has some.

        Users who refused this purpose are left out. One pass over the events: a single watermark for all would pass
        over events of one user that are committed after, but numbered before, those of another.
        """
        counted = (*_FAVOURABLE, EventRow.user_id.not_in(refused(purpose)))
        query = select(EventRow.user_id, func.count(), func.max(EventRow.id)).where(*counted)
        query = query.group_by(EventRow.user_id).order_by(EventRow.user_id)
        with self._reading() as session:
            return {user_id: Mark(events, last) for user_id, events, last in session.execute(query)}

    def favourable_events(self, user_ids: Iterable[str]) -> Iterator[tuple[str, list[tuple[int, str, str]]]]:
        """Yield (user id, [(row number, item id, type)]): all favourable events on garments, oldest first.

        In order of the ids within some thousand users at a time; users without such events are left out.
        """
        query = select(EventRow.user_id, EventRow.id, EventRow.item_id, EventRow.type).where(*_FAVOURABLE)
        query = query.order_by(EventRow.user_id, EventRow.at, EventRow.id)
        for part in batches(user_ids):
            with self._reading() as session:
                rows = session.execute(query.where(EventRow.user_id.in_(part))).all()
            for user_id, events in groupby(rows, key=lambda row: row[0]):
                yield user_id, [(number, item_id or "", kind) for _, number, item_id, kind in events]

    def event_key(self, number: int) -> str | None:
        """Return the key of the event with this row number, None where there is no such event."""
        with self._reading() as session:
            return session.scalar(select(EventRow.key).where(EventRow.id == number))

    def count_events(self) -> int:
        """Return how many events are stored."""
        with self._reading() as session:
            return session.scalar(select(func.count()).select_from(EventRow)) or 0

    def _everybody(self) -> Iterator[str]:
        after: str | None = None
        while page := self._page(after):
            yield from page
            after = page[-1]

    def _page(self, after: str | None) -> list[str]:
        query = select(UserRow.id).order_by(UserRow.id).limit(500)
        with self._reading() as session:
            return list(session.scalars(query if after is None else query.where(UserRow.id > after)))


def refused(purpose: str) -> Select[Any]:
    """Ids of the users who refused a purpose."""
    return select(ConsentRow.user_id).where(ConsentRow.purpose == purpose, ConsentRow.granted == false())


def _histories(
    session: Session, user_ids: Sequence[str], limit: int, wanted: ColumnElement[bool]
) -> dict[str, list[Event]]:
    """The last `limit` of the wanted events of each user, oldest first."""
    newest = func.row_number().over(partition_by=EventRow.user_id, order_by=(EventRow.at.desc(), EventRow.id.desc()))
    counted = EventRow.user_id.in_(user_ids), wanted
    ranked = select(*STORED, EventRow.id, newest.label("place")).where(*counted).subquery()
    query = select(*(ranked.c[name] for name in COLUMNS)).where(ranked.c.place <= limit)
    found: dict[str, list[Event]] = {}
    for row in session.execute(query.order_by(ranked.c.user_id, ranked.c.at, ranked.c.id)):
        found.setdefault(row.user_id, []).append(_event(row))
    return found


def _event(row: Row[Any]) -> Event:
    """Not validated again: it was when it came in, and training reads millions."""
    return Event.model_construct(**row._asdict())


def _write(
    session: Session, events: Sequence[Event], refuse: Refuse, *, first: int = 0, bulk: bool = False
) -> EventsAdded:
    """Insert the events that are new. first: index of the first one, as `refuse` is told."""
    unknown = _unknown(session, events, change=not bulk)
    by_key: dict[str, int] = {}
    repeated = []
    for index, event in enumerate(events):
        if index in unknown:
            field, why = unknown[index]
            refuse(first + index, field, why)
        elif by_key.setdefault(event.key, index) != index:
            repeated.append((index, events[by_key[event.key]]))
    rows = [{name: getattr(events[index], name) for name in COLUMNS} for index in by_key.values()]
    new = insert_new(session, EventRow.__table__, rows, key="key", bulk=bulk)
    stored = _stored(session, [key for key in by_key if key not in new])
    repeated += [(by_key[key], event) for key, event in stored.items()]
    duplicates = 0
    for index, event in sorted(repeated, key=lambda pair: pair[0]):
        if events[index] == event:
            duplicates += 1
        else:
            refuse(first + index, "key", f"{event.key!r}: {OTHER_CONTENT}")
    return EventsAdded(len(new), duplicates, frozenset(new))


def _unknown(session: Session, events: Sequence[Event], *, change: bool) -> dict[int, tuple[str, str]]:
    """For the index of each event that names something unknown: the field and why. What is known is locked.

    change: take the users' rows as if to change them, so that one user's events are numbered in the order in which
    they are committed. A watermark could otherwise pass over an event that becomes visible later.
    """
    problems: dict[int, tuple[str, str]] = {}
    for field, (column, remedy) in SUBJECTS.items():
        named = {value for event in events if (value := getattr(event, field)) is not None}
        missing = named - existing(session, column, named, change=change and field == "user_id")
        for index, event in enumerate(events if missing else ()):
            if getattr(event, field) in missing:
                problems.setdefault(index, (field, f"{getattr(event, field)!r} is not known; {remedy}"))
    return problems


def _stored(session: Session, keys: Sequence[str]) -> dict[str, Event]:
    return {
        row.key: _event(row)
        for part in batches(keys)
        for row in session.execute(select(*STORED).where(EventRow.key.in_(part)))
    }


def _raise(index: int, field: str, why: str) -> NoReturn:
    if field == "key":
        raise Conflict(f"events[{index}].key: {why}")
    raise BadInput(f"events[{index}].{field}", why)
