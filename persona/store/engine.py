"""Engines for SQLite and PostgreSQL, and the two kinds of session that everything else here uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Self, TypeVar

from sqlalchemy import URL, ColumnElement, Engine, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from persona.caller import CALLER
from persona.errors import BadInput
from persona.store import sqlite
from persona.store.failures import telling
from persona.store.sqlite import for_writing

T = TypeVar("T")

CHUNK = 5000  # ids in one statement, rows in one step of a bulk import: SQLite takes 32766 parameters, PostgreSQL 65535
_WRITERS = 7_367_665_641  # the advisory lock of PostgreSQL that writers share: any number no other program uses


def parse_url(url: str) -> URL:
    """Read a database URL; `postgres://` and `postgresql://` mean psycopg. Raises BadInput for any other database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadInput("database_url", "is no URL; write sqlite:///FILE or postgresql+psycopg://USER@HOST/DB") from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise BadInput("database_url", f"{parsed.drivername}: choose sqlite:///FILE or postgresql+psycopg://...")
    if not parsed.database or parsed.database == ":memory:":
        raise BadInput("database_url", "a database in memory would not outlive a connection; name a file")
    return parsed


def make_engine(url: str, *, foreign_keys: bool = True, read_only: bool = False) -> Engine:
    """Make an engine: its connections are bounded by what the caller's time allows, see `postgres` and `sqlite`.

    read_only: of an SQLite file; on PostgreSQL transactions say so themselves.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite.make_engine(parsed, foreign_keys=foreign_keys, read_only=read_only)
    from persona.store import postgres  # loads its driver, which others need not have

    return postgres.make_engine(parsed)


@contextmanager
def naming_the_database(engine: Engine) -> Iterator[None]:
    """Turn the errors of a first contact into BadInput that names the URL (without its password)."""
    try:
        yield
    except DBAPIError as error:
        place = engine.url.render_as_string(hide_password=True)
        why = str(error.orig).strip().splitlines()[0]
        raise BadInput("database_url", f"cannot use {place}: {why}; start that database or correct the URL") from error


def batches(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cut many values into lists that fit one statement."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


class Database:
    """An engine and short sessions on it; safe to share between threads, since no session leaves its call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._postgres = engine.dialect.name == "postgresql"
        snapshot = {"isolation_level": "REPEATABLE READ"} if self._postgres else {}
        self._reader = engine.execution_options(**snapshot)  # several statements see one state; SQLite does by itself
        self._writer = for_writing(engine)

    @property
    def url(self) -> str:
        """The database's URL, password included."""
        return self._engine.url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Close all connections. The store opens new ones when it is used again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        """One consistent view of the database."""
        with telling(self._engine), Session(self._reader, autoflush=False) as session:
            yield session

    @contextmanager
    def _writing(self, *, alone: bool = False) -> Iterator[Session]:
        """One transaction: all of it or, after an error, nothing.

        alone: for many rows in any order, so no other writer runs beside it. On PostgreSQL, where row locks taken in
        different orders would be a deadlock, other writers share an advisory lock that this one takes whole.
        """
        with telling(self._engine), Session(self._writer, autoflush=False) as session, session.begin():
            if self._postgres:
                session.execute(select(*_turn(alone)))
            yield session


def _turn(alone: bool) -> list[ColumnElement[Any]]:
    """What PostgreSQL does before a transaction that writes: it waits for other writers, as long as the caller can."""
    lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
    left = CALLER.get().left
    if left is None:
        return [lock(_WRITERS)]
    return [func.set_config("lock_timeout", f"{max(1, int(left * 1000))}ms", True), lock(_WRITERS)]
