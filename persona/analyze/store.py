"""What analysts open: the views as pandas frames, and the questions that are asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import pandas as pd

from persona.analyze.asof import as_of_source
from persona.analyze.dictionary import Column, view_named
from persona.analyze.frames import joined, typed
from persona.analyze.times import as_parameter, aware
from persona.errors import BadInput
from persona.settings import load_settings
from persona.store.warehouse import Warehouse


def open_store(url: str | None = None) -> AnalystStore:
    """Open the store to read: the database at this URL, or that of the settings.

    Raises OutOfDate before a migration, BadInput for a URL that cannot be used.
    """
    return AnalystStore(Warehouse.open(url or load_settings().url))


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
        *,
        as_of: datetime | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Yield a view's rows some thousand at a time.

        where: SQL with `:name` parameters, never from outside. as_of: the rows as they were at this moment, see
        `persona.analyze.asof`. Raises BadInput for unknown names and for a time without a zone.
        """
        types = view_named(view).columns
        wanted = list(columns or types)
        if unknown := [name for name in wanted if name not in types]:
            raise BadInput("columns", f"{view} has no {unknown[0]!r}; choose from {', '.join(types)}")
        source, given = view, dict(parameters or {})
        if as_of is not None:
            source = f"{as_of_source(view, self.warehouse.dialect)} AS {view}"
            given["as_of"] = as_parameter(aware("as_of", as_of), self.warehouse.dialect)
        sql = f"SELECT {', '.join(wanted)} FROM {source}{' WHERE ' + where if where else ''}"
        yield from self._typed(sql, given, types)

    def frame(
        self,
        view: str,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """A view's rows as one frame; see `stream`."""
        types = view_named(view).columns
        return joined(self.stream(view, columns, where, parameters, as_of=as_of), list(columns or types), types)

    def training_frame(self, entities: pd.DataFrame) -> pd.DataFrame:
        """What was known of users at given moments, see `persona.analyze.training.training_frame`."""
        from persona.analyze.training import training_frame

        return training_frame(self, entities)

    def _typed(
        self, sql: str, parameters: Mapping[str, Any] | None, types: Mapping[str, Column]
    ) -> Iterator[pd.DataFrame]:
        with self.warehouse.query(sql, parameters) as result:
            for page in result.pages:
                yield typed(page, result.columns, types)
