"""What analysts open: the views as pandas frames, and the questions that are asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import pandas as pd

from persona.analyze.asking import answer, stream
from persona.analyze.dictionary import Column, view_named
from persona.analyze.frames import joined, typed
from persona.errors import BadInput
from persona.settings import load_settings
from persona.store.warehouse import Warehouse


def open_store(url: str | None = None, analyst_url: str | None = None) -> AnalystStore:
    """Open the store to read: the database at this URL, or that of the settings.

    analyst_url: on PostgreSQL the analysts' login, with which `sql` runs what somebody wrote.
    Raises OutOfDate before a migration, BadInput for a URL that cannot be used.
    """
    if url is None:
        settings = load_settings()
        url, analyst_url = settings.url, analyst_url or settings.analyst_url
    return AnalystStore(Warehouse.open(url, analyst_url))


class AnalystStore:
    """The analysts' views of one store. Nothing can be written through it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def close(self) -> None:
        """Close all connections."""
        self.warehouse.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stream(
        self,
        view: str,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Yield a view's rows some thousand at a time. where: SQL with `:name` parameters, never from outside."""
        types = view_named(view).columns
        wanted = list(columns or types)
        if unknown := [name for name in wanted if name not in types]:
            raise BadInput("columns", f"{view} has no {unknown[0]!r}; choose from {', '.join(types)}")
        sql = f"SELECT {', '.join(wanted)} FROM {view}{' WHERE ' + where if where else ''}"
        yield from self._typed(sql, parameters, types)

    def frame(
        self,
        view: str,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """A view's rows as one frame."""
        types = view_named(view).columns
        return joined(self.stream(view, columns, where, parameters), list(columns or types), types)

    def sql(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        seconds: float = 30.0,
        most: int = 100_000,
        cut: bool = False,
    ) -> pd.DataFrame:
        """What a saved question (by its name) or a SELECT with `:name` parameters gives, within so many seconds.

        cut: of more than `most` rows give the first and set `attrs["cut"]`, instead of raising. Raises BadInput for SQL
        that is wrong, writes, takes longer or gives more, and for parameters that do not fit.
        """
        return answer(self.warehouse, sql, parameters or {}, seconds, most, cut)

    def stream_sql(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 600.0, most: int = 10_000_000
    ) -> Iterator[pd.DataFrame]:
        """The same some thousand rows at a time, for files; the first frame may be empty."""
        return stream(self.warehouse, sql, parameters or {}, seconds, most)

    def _typed(
        self, sql: str, parameters: Mapping[str, Any] | None, types: Mapping[str, Column]
    ) -> Iterator[pd.DataFrame]:
        with self.warehouse.query(sql, parameters) as result:
            for page in result.pages:
                yield typed(page, result.columns, types)
