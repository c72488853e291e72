"""Connections to SQLite or PostgreSQL, and the two kinds of session that everything else here uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from persona.errors import BadInput

T = TypeVar("T")

SECONDS_TO_WAIT = 30  # for another writer of the same SQLite file
CHUNK = 5000  # ids in one statement, rows in one step of a bulk import: SQLite takes 32766 parameters, PostgreSQL 65535
_WRITERS = 7_367_665_641  # the advisory lock of PostgreSQL that writers share: any number no other program uses
_IMMEDIATE = "persona_immediate"
# hide_parameters: what is asked for is personal, and errors of the database end in logs
_POOL: dict[str, Any] = {"hide_parameters": True, "pool_size": 8, "max_overflow": 24}


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


def make_engine(url: str, *, foreign_keys: bool = True) -> Engine:
    """Make an engine. SQLite: WAL, waits for other writers, every commit reaches the disk before it is acknowledged."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "postgresql":
        within = {"connect_timeout": parsed.query.get("connect_timeout", 10)}
        return create_engine(parsed, connect_args=within, pool_pre_ping=True, **_POOL)
    # isolation_level None: the driver begins nothing by itself, _begin does
    connect_args = {"timeout": SECONDS_TO_WAIT, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(parsed, connect_args=connect_args, **_POOL)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a transaction that reads first and writes later could not wait for another writer: it takes its turn at once
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions on SQLite begin as writers."""
    return engine.execution_options(**{_IMMEDIATE: True})


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
        with Session(self._reader, autoflush=False) as session:
            yield session

    @contextmanager
    def _writing(self, *, alone: bool = False) -> Iterator[Session]:
        """One transaction: all of it or, after an error, nothing.

        alone: for many rows in any order, so no other writer runs beside it. On PostgreSQL, where row locks taken in
        different orders would be a deadlock, other writers share an advisory lock that this one takes whole.
        """
        lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
        with Session(self._writer, autoflush=False) as session, session.begin():
            if self._postgres:
                session.execute(select(lock(_WRITERS)))
            yield session
