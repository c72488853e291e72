"""Many new users at once, with everything that they stated and did: in plain columns, over the database's bulk path.

Made for simulated companies of millions. The same constraints hold as elsewhere; what a record checks for each row,
and a foreign key for each reference, is checked here for a column at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from persona.errors import BadInput, Conflict
from persona.store.bulk import append_plain, committed_later, existing, time_text, without_row_checks
from persona.store.engine import Database, batches
from persona.store.events import SUBJECTS
from persona.store.records import (
    CLOCK_SKEW,
    EventType,
    Facet,
    Identifier,
    Preference,
    Purpose,
    Source,
    Traits,
)
from persona.store.schema import ConsentRow, EventRow, ItemRow, PreferenceRow, UserRow
from persona.store.users import may_be_analysed

Rows = Sequence[tuple[Any, ...]]
TraitName = Literal["age_band", "skin_tone", "undertone", "body_shape"]
_LOADED = [row.__table__ for row in (UserRow, ConsentRow, PreferenceRow, EventRow)]


@dataclass(frozen=True)
class NewUsers:
    """Users, what they stated and what they did with items, column by column.

    ids: of the users, each once. consents: what all of them agreed to. traits: some of `Traits`, of each user.
    stated: user, facet, value, weight, position. done: key, user, item, type; the events of one user in their order,
    keys that no other event has. at: float64, seconds since 1970, of each event. since: of each user, when they came.
    """

    ids: Sequence[str]
    source: Source
    consents: Collection[Purpose]
    traits: Mapping[TraitName, Sequence[Any]]
    stated: Sequence[tuple[str, Facet, str, float, int]]
    done: Sequence[tuple[str, str, str, EventType]]
    at: NDArray[np.float64] = field(repr=False)
    since: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class Loaded:
    """How many users and events were stored, and how many users were there already and have been left as they are."""

    users: int
    events: int
    known: int


class Loading(Database):
    """The part of the store that takes simulated companies."""

    def load_users(self, new: NewUsers) -> Loaded:
        """Store new users with all that is theirs, in one transaction. Those who are there already stay as they are,
        with their events: whoever is there was stored whole, so a load that was ended goes on where it stood.

        Raises BadInput naming a column with a value that is none of it; then nothing is stored.
        """
        _check(new)
        with self._refusing(), self._writing(alone=True) as session:
            known = existing(session, UserRow.id, new.ids)
            items = {row[2] for row in new.done}
            if unknown := items - existing(session, ItemRow.id, items):
                raise BadInput("item_id", f"{min(unknown)!r} is not known; {SUBJECTS['item_id'][1]}")
            without_row_checks(session)
            committed_later(session)  # a part that a power failure takes is loaded again
            stored = {}
            for table, names, rows in _tables(new, known, postgres=self._postgres):
                append_plain(session, table, names, rows)
                stored[table.name] = len(rows)
        return Loaded(stored["users"], stored["events"], len(known))

    def known_users(self, user_ids: Sequence[str]) -> set[str]:
        """Return which of these users are stored."""
        with self._reading() as session:
            parts = (select(UserRow.id).where(UserRow.id.in_(part)) for part in batches(user_ids))
            return {user_id for part in parts for user_id in session.scalars(part)}

    def settle(self) -> None:
        """After a large load, have PostgreSQL take note of what is there: it would in minutes, and until then finds
        rows the slow way. SQLite needs nothing."""
        if self._postgres:
            with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.execute(text(f"VACUUM (ANALYZE) {', '.join(table.name for table in _LOADED)}"))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Say what the database refuses in our own words; COPY raises the driver's errors as they are."""
        try:
            yield
        except (IntegrityError, self._engine.dialect.loaded_dbapi.IntegrityError) as error:
            cause = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise Conflict(f"load: the database refuses a row, and nothing was stored: {cause}") from error


def _check(new: NewUsers) -> None:
    """What the records of `persona.store.records` would check row by row."""
    columns: dict[str, tuple[Any, list[Any]]] = {
        "ids": (Identifier, list(new.ids)),
        "source": (Source, [new.source]),
        "consents": (Purpose, list(new.consents)),
        **{name: (Traits.model_fields[name].rebuild_annotation(), list(set(of))) for name, of in new.traits.items()},
        "preferences": (
            Preference,
            [{"facet": f, "value": v, "weight": 0} for f, v in {row[1:3] for row in new.stated}],
        ),
        "events.key": (Identifier, [row[0] for row in new.done]),
        "events.type": (EventType, list({row[3] for row in new.done})),
    }
    for name, (kind, values) in columns.items():
        try:
            TypeAdapter(list[kind]).validate_python(list(values))  # type: ignore[valid-type]
        except ValidationError as error:
            raise BadInput(name, error.errors()[0]["msg"]) from None
    users = set(new.ids)
    if strangers := {row[0] for row in new.stated} - users | {row[1] for row in new.done} - users:
        raise BadInput("user_id", f"{min(strangers)!r} is none of the users that are loaded")
    latest = (datetime.now(UTC) + CLOCK_SKEW).timestamp()
    for name, times, of in (("events.at", new.at, new.done), ("since", new.since, new.ids)):
        if len(times) != len(of) or not ((times >= 0) & (times <= latest)).all():
            raise BadInput(name, "wanted one time for each, between 1970 and now")


def _tables(new: NewUsers, known: set[str], *, postgres: bool) -> Iterator[tuple[Any, Sequence[str], Rows]]:
    """The rows of each table, without those of users who are known."""
    now = time_text(np.array([datetime.now(UTC).timestamp() * 1e6], np.int64), postgres=postgres)[0]
    bands, allowed = new.traits.get("age_band", [None] * len(new.ids)), "analytics" in new.consents
    came = time_text((new.since * 1e6).round().astype(np.int64), postgres=postgres)
    users = [
        (user_id, *traits, new.source, since, now, since, may_be_analysed(allowed, band))
        for user_id, since, band, *traits in zip(new.ids, came, bands, *new.traits.values(), strict=True)
        if user_id not in known
    ]
    times = "created_at", "updated_at", "valid_from"
    yield UserRow.__table__, ("id", *new.traits, "source", *times, "analysed"), users
    consents = [(user[0], purpose, True, now) for user in users for purpose in new.consents]
    yield ConsentRow.__table__, ("user_id", "purpose", "granted", "changed_at"), consents
    stated = [row for row in new.stated if row[0] not in known] if known else new.stated
    yield PreferenceRow.__table__, ("user_id", "facet", "value", "weight", "position"), stated
    at = (new.at * 1e6).round().astype(np.int64)
    done = zip(new.done, time_text(at, postgres=postgres), strict=True)
    events = [(*row, at) for row, at in done if row[1] not in known]
    yield EventRow.__table__, ("key", "user_id", "item_id", "type", "at"), events
