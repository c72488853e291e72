"""A user's stamp: one light look at the database that tells whether anything stored about them has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from persona.caller import CALLER
from persona.errors import Unavailable
from persona.store.engine import Database
from persona.store.failures import telling

_LOOK = (
    "SELECT users.updated_at, count(events.id), coalesce(max(events.id), 0)"
    " FROM users LEFT JOIN events ON events.user_id = users.id WHERE users.id = {} GROUP BY users.id"
)


class Stamp(NamedTuple):
    """changed: when the profile was last written, as the database says it. events, watermark: how many, and the row
    number of the last.

    Numbers only rise and are never used twice, so the same count and the same last number are the same events.
    """

    changed: Any
    events: int
    watermark: int


class Stamps(Database):
    """The part of the store that says whether something has changed."""

    def user_stamp(self, user_id: str) -> Stamp | None:
        """Return a user's stamp, None for an unknown user: what is committed by anybody before the call counts.

        Plain SQL over a plain connection, since it comes before every answer: a session costs ten times as much.
        """
        statement = _LOOK.format("%s" if self._postgres else "?")
        try:
            found = self._row(statement, user_id)
        except Unavailable:  # the connection may be one that the database has closed since: a new one tells
            if CALLER.get().left == 0:
                raise
            self._engine.dispose()
            found = self._row(statement, user_id)
        return None if found is None else Stamp(*found)

    def _row(self, statement: str, user_id: str) -> tuple[Any, ...] | None:
        with self._plain() as connection:
            cursor = connection.cursor()
            try:
                found: tuple[Any, ...] | None = cursor.execute(statement, (user_id,)).fetchone()
            finally:
                cursor.close()
            return found

    @contextmanager
    def _plain(self) -> Iterator[Any]:
        """A connection of the driver's own, on which every statement is a transaction by itself."""
        with telling(self._engine):
            pooled = self._engine.raw_connection()
            connection: Any = pooled.driver_connection
            try:
                if self._postgres:
                    connection.autocommit = True  # of SQLite the driver begins nothing by itself
                yield connection
                if self._postgres:
                    connection.autocommit = False
            except BaseException:
                pooled.invalidate()
                raise
            finally:
                pooled.close()
