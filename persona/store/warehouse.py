"""The store as analysts read it: the views, one statement at a time, and nothing can be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import CursorResult, Engine, text

from persona.store import migrate
from persona.store.engine import make_engine
from persona.store.failures import telling

AT_ONCE = 20_000  # rows in memory


@dataclass(frozen=True)
class Result:
    """What a query gives. columns: their names; pages: lists of rows, read as they are asked for."""

    columns: tuple[str, ...]
    pages: Iterator[list[tuple[Any, ...]]]


class Warehouse:
    """The analysts' views in SQLite or PostgreSQL. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.dialect = engine.dialect.name

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at an SQLAlchemy URL. Raises OutOfDate before a migration, BadInput for a wrong URL."""
        engine = make_engine(url)
        migrate.check_revision(engine)
        return cls(engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Result]:
        """Run one statement that reads, with `:name` parameters; rows come in pages, however many they are."""
        with telling(self._engine), self._engine.connect() as connection:
            reading = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
            found: CursorResult[Any] = reading.execute(text(sql), dict(parameters or {}))
            yield Result(tuple(found.keys()), ([tuple(row) for row in page] for page in found.partitions()))
