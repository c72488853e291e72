"""What analysts open: the views as pandas frames, and the questions that are asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import pandas as pd

from persona.analyze.abtest import ABTest, ab_test
from persona.analyze.dictionary import Column, view_named
from persona.analyze.frames import joined, typed
from persona.analyze.funnel import funnel
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

    def funnel(self, by: str = "origin", **options: Any) -> pd.DataFrame:
        """What was shown, seen, liked and bought; options: as of `persona.analyze.funnel.funnel`."""
        return funnel(self.warehouse, by, **options)

    def ab_test(self, metric: str = "like", **options: Any) -> ABTest:
        """Two arms compared; options: as of `persona.analyze.abtest.ab_test`."""
        return ab_test(self.warehouse, metric, **options)

    def _typed(
        self, sql: str, parameters: Mapping[str, Any] | None, types: Mapping[str, Column]
    ) -> Iterator[pd.DataFrame]:
        with self.warehouse.query(sql, parameters) as result:
            for page in result.pages:
                yield typed(page, result.columns, types)
