"""Rows as pandas frames whose columns have the dictionary's types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from persona.analyze.dictionary import Column

_DTYPES = {"id": "str", "text": "str", "word": "category", "number": "float64", "flag": "bool"}


def typed(rows: Sequence[tuple[Any, ...]], columns: Sequence[str], types: Mapping[str, Column]) -> pd.DataFrame:
    """Rows as a frame; columns that `types` does not name are as pandas reads them.

    time: datetime64[us, UTC]; date: datetime64[us] at midnight; int: Int64 where it may be unknown, else int64; word:
    category; json: Python values; vector: float32 arrays.
    """
    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    series = {name: _series(list(of), types.get(name)) for name, of in zip(columns, values, strict=True)}
    return pd.DataFrame(series, columns=list(columns))


def joined(parts: Iterable[pd.DataFrame], columns: Sequence[str], types: Mapping[str, Column]) -> pd.DataFrame:
    """Frames of the same columns as one; categories are united."""
    found = list(parts) or [typed([], columns, types)]
    if len(found) == 1:
        return found[0]
    for name in [name for name in columns if name in types and types[name].type == "word"]:
        united = pd.CategoricalDtype(sorted({value for part in found for value in part[name].cat.categories}))
        for part in found:
            part[name] = part[name].astype(united)
    return pd.concat(found, ignore_index=True)


def _series(values: list[Any], column: Column | None) -> pd.Series:
    if column is None:
        return pd.Series(values)
    match column.type:
        case "time":
            return pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True, format="ISO8601")).astype(
                "datetime64[us, UTC]"
            )
        case "date":
            return pd.Series(pd.to_datetime(pd.Series(values, dtype=object))).astype("datetime64[us]")
        case "int":
            return pd.Series(values, dtype="Int64" if column.null else "int64")
        case "json":
            return pd.Series([json.loads(v) if isinstance(v, str) else v for v in values], dtype=object)
        case "vector":
            return pd.Series([None if v is None else np.frombuffer(v, "<f4") for v in values], dtype=object)
    return pd.Series(values, dtype=_DTYPES[column.type])
