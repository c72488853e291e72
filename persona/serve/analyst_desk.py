"""What the analysts' pages ask of the store: few queries at a time, none for long, and none that keeps the API waiting.

The libraries of analysis are loaded when the first page needs them, and not before.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from persona.errors import Busy
from persona.settings import Settings
from persona.turns import resting

if TYPE_CHECKING:
    from persona.analyze import AnalystStore

SECONDS, DOWNLOAD_SECONDS = 10.0, 25.0  # that a query may take for a page, and for a file
SHOWN, MOST = 200, 1_000_000  # rows of a page, and of a file
AT_ONCE = 2  # queries of a worker: the API comes first


@dataclass(frozen=True)
class Cell:
    """A value as a page shows it."""

    text: str
    number: bool = False


@dataclass(frozen=True)
class Shown:
    """The first rows of a result. more: whether there are others; seconds: that it took."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: bool
    seconds: float


class Desk:
    """Asks the store for analysts. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: AnalystStore | None = None
        self._opening = threading.Lock()
        self._free = threading.BoundedSemaphore(AT_ONCE)

    @property
    def store(self) -> AnalystStore:
        """The store, opened at first use. Raises OutOfDate, BadInput."""
        with self._opening:
            if self._store is None:
                from persona.analyze import open_store

                self._store = open_store(self._settings.url, self._settings.analyst_url)
            return self._store

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Shown:
        """The first rows that SQL, or a question by its name, gives. Raises BadInput, OutOfDate, Busy."""
        began = time.perf_counter()
        with self._asking() as store:
            frame = store.sql(sql, parameters, seconds=SECONDS, most=SHOWN, cut=True)
            columns = [[_cell(value) for value in frame[name]] for name in frame.columns]
        rows = tuple(zip(*columns, strict=True))
        return Shown(tuple(frame.columns), rows, frame.attrs["cut"], time.perf_counter() - began)

    def values(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query of ours, which gives a few. Raises likewise."""
        with self._asking() as store, store.warehouse.query(sql, seconds=SECONDS) as result:
            return [row for page in result.pages for row in page]

    def write(self, sql: str, parameters: Mapping[str, Any], form: str, file: IO[bytes]) -> int:
        """Write a query's result as a file, form "csv" or "parquet"; returns the number of rows. Raises likewise."""
        from persona.analyze.files import write_csv, write_parquet

        with self._asking() as store:
            frames = store.stream_sql(sql, parameters, seconds=DOWNLOAD_SECONDS, most=MOST)
            return (write_csv if form == "csv" else write_parquet)(frames, file)

    @contextmanager
    def _asking(self) -> Iterator[AnalystStore]:
        if not self._free.acquire(blocking=False):
            raise Busy("other analysts' queries are running: try again in a moment", SECONDS)
        try:
            with resting():
                yield self.store
        finally:
            self._free.release()


def _cell(value: Any) -> Cell:
    """A value of a frame: what is unknown is empty, times are UTC, days have no time."""
    import pandas as pd

    if not pd.api.types.is_scalar(value):
        return Cell(f"{len(value)} numbers" if hasattr(value, "dtype") else json.dumps(value, ensure_ascii=False))
    if pd.isna(value):
        return Cell("")
    if isinstance(value, bytes):
        return Cell(f"{len(value)} bytes")
    if isinstance(value, datetime):
        return Cell(f"{value:%Y-%m-%d %H:%M:%S}" if value.tzinfo else f"{value:%Y-%m-%d}")
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return Cell(str(value))
    whole = abs(value) < 2**53 and float(value).is_integer()  # whole ones are floats where some are unknown
    return Cell(f"{int(value)}" if whole else f"{float(value):.6g}", number=True)
