"""Answers to SQL as frames, whose types come from the columns' names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from persona.analyze.dictionary import Column, dictionary
from persona.analyze.frames import typed
from persona.analyze.questions import questions
from persona.errors import BadInput
from persona.store.warehouse import Result, Warehouse

_SAME_EVERYWHERE = ("time", "date", "vector", "json")  # what the databases write in different ways


def run(
    warehouse: Warehouse, sql: str, parameters: Mapping[str, Any], seconds: float, most: int | None
) -> AbstractContextManager[Result]:
    """Run a question by its name, or SQL that somebody wrote. Raises BadInput."""
    if len(sql.split()) == 1:
        question = questions().get(sql.strip())
        if question is None:
            raise BadInput("sql", f"there is no question {sql!r}; choose from {', '.join(questions())}, or write SQL")
        return warehouse.query(question.sql, question.values(parameters), seconds=seconds, most=most)
    return warehouse.ask(sql, parameters, seconds=seconds, most=most)


def answer(
    warehouse: Warehouse, sql: str, parameters: Mapping[str, Any], seconds: float, most: int, cut: bool
) -> pd.DataFrame:
    """All rows as a frame. cut: give the first `most`, and say in `attrs["cut"]` whether there were more."""
    rows: list[tuple[Any, ...]] = []
    with run(warehouse, sql, parameters, seconds, None if cut else most) as result:
        columns = _told_apart(result.columns)
        for page in result.pages:
            rows += page
            if cut and len(rows) > most:
                break
    frame = as_frame(rows[:most], columns)
    frame.attrs["cut"] = len(rows) > most
    return frame


def stream(
    warehouse: Warehouse, sql: str, parameters: Mapping[str, Any], seconds: float, most: int
) -> Iterator[pd.DataFrame]:
    """The rows some thousand at a time; one empty frame where there are none."""
    with run(warehouse, sql, parameters, seconds, most) as result:
        columns, empty = _told_apart(result.columns), True
        for page in result.pages:
            empty = False
            yield as_frame(page, columns)
        if empty:
            yield as_frame([], columns)


def as_frame(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a frame that is the same on both databases.

    Times, dates, vectors and JSON of the data dictionary have its types wherever they come up, and so have columns
    whose names end in `_at`, `_month` and `_day`; decimal numbers are floats; all others are as pandas reads them.
    """
    known = _known()
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    series = {name: _series(name, list(of), known.get(name) or _by_ending(name)) for name, of in zip(columns, values)}
    return pd.DataFrame(series, columns=list(columns))


def _series(name: str, values: list[Any], column: Column | None) -> pd.Series:
    if column is None:
        column = _by_values(name, values)
    if column is not None:
        try:
            _look(values, column.type)
            return typed([(value,) for value in values], [name], {name: column})[name]
        except (TypeError, ValueError):  # a column of that name which is something else
            pass
    if any(isinstance(value, Decimal) for value in values):
        return pd.Series([None if value is None else float(value) for value in values], dtype="float64")
    return pd.Series(values, dtype=None if values else object)


def _look(values: list[Any], kind: str) -> None:
    """Raise TypeError or ValueError unless values that should be times or dates can be read as such."""
    if kind in ("time", "date"):
        of = datetime if kind == "time" else date
        for value in values:
            if value is not None and not isinstance(value, of):
                of.fromisoformat(value)


def _by_values(name: str, values: list[Any]) -> Column | None:
    first = next((value for value in values if value is not None), None)
    if isinstance(first, datetime):
        return Column(name, "time", "", null=True)
    return Column(name, "date", "", null=True) if isinstance(first, date) else None


def _by_ending(name: str) -> Column | None:
    if name.endswith("_at"):
        return Column(name, "time", "", null=True)
    return Column(name, "date", "", null=True) if name.endswith(("_month", "_day")) else None


def _known() -> dict[str, Column]:
    columns = (column for view in dictionary().values() for column in view.columns.values())
    return {column.name: column for column in columns if column.type in _SAME_EVERYWHERE}


def _told_apart(columns: Sequence[str]) -> list[str]:
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise BadInput("sql", f"gives two columns called {twice[0]!r}; give each a name of its own with AS")
    return list(columns)
