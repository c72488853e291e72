"""The store as analysts read it: the views, one statement at a time, and nothing can be written."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Self, cast

from sqlalchemy import Connection, CursorResult, Engine, text
from sqlalchemy.sql.compiler import SQLCompiler

from persona.caller import within
from persona.errors import BadInput
from persona.store import guard, migrate
from persona.store.engine import make_engine, parse_url
from persona.store.failures import telling
from persona.store.questioning import bound, explaining, looked_at, over

AT_ONCE = 20_000  # rows in memory
MOST_BYTES = 256 * 2**20  # of text and bytes that a limited query gives
ROLE = "persona_analyst"
VIEWS = (
    "dim_user", "dim_user_history", "dim_item", "fct_event", "fct_recommendation", "fct_generation",
    "fct_user_embedding", "agg_user_taste_month", "agg_item_day",
)  # fmt: skip
_MOST_CHECKED = 256  # statements that are known to only read
_AT_FIRST = 8  # rows, while it is not known how big they are
_IS_ANALYST = text(
    f"""SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}' AND pg_has_role(oid, 'USAGE'))
    AND row_security_active('users') AND NOT has_any_column_privilege('api_keys', 'SELECT')"""
)


@dataclass(frozen=True)
class Result:
    """What a query gives. columns: their names; pages: lists of rows, read as they are asked for."""

    columns: tuple[str, ...]
    pages: Iterator[list[tuple[Any, ...]]]


class Warehouse:
    """The analysts' views in SQLite or PostgreSQL. Safe to share between threads.

    `query` runs our own SQL, `ask` what somebody wrote. On SQLite both can read nothing but the views. On PostgreSQL
    the database's own rules see to that, for a login that `persona analyze role` made; `ask` works with no other.
    """

    def __init__(self, engine: Engine, analysts: Engine | None = None) -> None:
        self._engine = engine
        self._analysts = analysts or engine
        self._known_analysts = False
        self._checked: set[tuple[str, int]] = set()
        self.dialect = engine.dialect.name
        self._columns = _columns(engine) if self.dialect == "sqlite" else {}

    @classmethod
    def open(cls, url: str, analyst_url: str | None = None) -> Self:
        """Open the database at an SQLAlchemy URL. analyst_url: the analysts' own login, for `ask` on PostgreSQL.

        Raises OutOfDate before a migration, BadInput for a wrong URL.
        """
        sqlite = parse_url(url).get_backend_name() == "sqlite"
        if not sqlite and analyst_url and parse_url(analyst_url).get_backend_name() != "postgresql":
            raise BadInput("analyst_url", "is no URL of a PostgreSQL database; `persona analyze role` prints one")
        engine = make_engine(url)
        try:
            migrate.check_revision(engine)
        finally:
            engine.dispose()
        if sqlite:
            return cls(make_engine(url, read_only=True))
        return cls(engine, make_engine(analyst_url) if analyst_url else None)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._analysts.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
        most: int | None = None,
    ) -> Iterator[Result]:
        """Run one statement of ours that reads, with `:name` parameters; rows come in pages, however many they are.

        seconds: for all of it, reading included; most: rows. Raises BadInput past either, for a statement that is wrong
        or writes, and for parameters that do not fit or are times without a zone.
        """
        with telling(self._engine), explaining(seconds), self._engine.connect() as connection:
            yield from self._run(connection, sql, parameters, seconds, most)

    @contextmanager
    def ask(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        seconds: float = 30.0,
        most: int | None = 100_000,
    ) -> Iterator[Result]:
        """Run one statement that somebody wrote, like `query`. Raises BadInput too where there is no login for it."""
        with telling(self._analysts), explaining(seconds), self._analysts.connect() as connection:
            if self.dialect == "sqlite":
                yield from self._run(connection, sql, parameters, seconds, most)
                return
            try:
                self._look_who_asks(connection)
                yield from self._run(connection, sql, parameters, seconds, most)
            finally:
                connection.invalidate()  # what it leaves in its session, such as locks, goes with it

    def _run(
        self,
        connection: Connection,
        sql: str,
        parameters: Mapping[str, Any] | None,
        seconds: float | None,
        most: int | None,
    ) -> Iterator[Result]:
        statement = looked_at(sql)
        compiled = statement.compile(dialect=connection.dialect)
        values = bound(compiled, parameters or {}, self.dialect)
        with self._limited(connection, compiled, seconds):
            reading = connection.execution_options(stream_results=True)
            with closing(reading.execute(statement, values)) as found:
                pages = found.partitions(AT_ONCE) if most is None and seconds is None else _pages(found, seconds, most)
                yield Result(tuple(found.keys()), ([tuple(row) for row in page] for page in pages))

    @contextmanager
    def _limited(self, connection: Connection, statement: SQLCompiler, seconds: float | None) -> Iterator[None]:
        """A transaction that reads, for so long."""
        if self.dialect == "sqlite":
            self._check(statement.string, len(statement.positiontup or ()))
            driver = cast(sqlite3.Connection, connection.connection.driver_connection)
            with connection.begin(), guard.guarded(driver, seconds):
                yield
            return
        connection.execution_options(postgresql_readonly=True)
        with connection.begin():
            if seconds is not None:
                connection.execute(
                    text("SELECT set_config('statement_timeout', :most, true)"), {"most": f"{int(seconds * 1000)}ms"}
                )
            yield

    def _check(self, sql: str, parameters: int) -> None:
        """Have SQLite's guard look at a statement, once: our own come again and again."""
        if (sql, parameters) not in self._checked:
            guard.check(sql, parameters, self._columns)
            if len(self._checked) >= _MOST_CHECKED:
                self._checked.clear()
            self._checked.add((sql, parameters))

    def _look_who_asks(self, connection: Connection) -> None:
        """Raise BadInput unless the login is one that sees what analysts may see, and no more."""
        if not self._known_analysts and not connection.scalar(_IS_ANALYST):
            raise BadInput(
                "analyst_url",
                "SQL of one's own needs the analysts' login on PostgreSQL; make one with `persona analyze role --login "
                "NAME` and set PERSONA_ANALYST_URL to what it prints",
            )
        self._known_analysts = True
        connection.rollback()


def _columns(engine: Engine) -> dict[str, list[str]]:
    """The columns of each view in an SQLite file."""
    with engine.connect() as connection:
        return {view: [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({view})")] for view in VIEWS}


def _pages(found: CursorResult[Any], seconds: float | None, most: int | None) -> Iterator[list[Any]]:
    """Pages of a limited result: small at first, then as big as its rows allow, so that none fills the memory."""
    count, rows, size = _AT_FIRST, 0, 0
    began = time.monotonic()
    while True:
        left = None if seconds is None else seconds - (time.monotonic() - began)
        if left is not None and left <= 0:
            raise over(seconds)
        with nullcontext() if left is None else within(left + 1):  # should the server not keep to its limit
            page = list(found.fetchmany(count if most is None else min(count, most - rows + 1)))
        if not page:
            return
        rows += len(page)
        size += sum(len(value) for row in page for value in row if isinstance(value, str | bytes))
        if most is not None and rows > most:
            raise BadInput(
                "sql", f"gives more than {most:,} rows; count or group them, or narrow it with WHERE or LIMIT"
            )
        if size > MOST_BYTES:
            raise BadInput("sql", f"gives more than {MOST_BYTES // 2**20} MiB; select fewer columns or rows")
        yield page
        count = max(1, min(AT_ONCE, 8 * count, MOST_BYTES // 8 * rows // max(size, 1)))
