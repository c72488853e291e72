"""Frames as files for others to open: CSV that no spreadsheet takes for formulas, and Parquet; part by part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.feather as feather  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")  # what makes a spreadsheet compute a cell


def write_csv(frames: Iterable[pd.DataFrame], file: IO[bytes]) -> int:
    """Write frames of the same columns as one CSV (RFC 4180, UTF-8, times with their zone); returns the number of rows.

    Text that a spreadsheet would take for a formula begins with an apostrophe, as OWASP advises ("CSV injection"): who
    needs it exactly takes Parquet.
    """
    rows = 0
    for number, frame in enumerate(frames):
        names = {name: _harmless(str(name)) for name in frame.columns}
        safe = frame.rename(columns=names).apply(_harmless_column)
        file.write(safe.to_csv(index=False, header=number == 0, lineterminator="\r\n").encode())
        rows += len(frame)
    return rows


def write_parquet(frames: Iterable[pd.DataFrame], file: IO[bytes]) -> int:
    """Write frames of the same columns as one Parquet file, a row group each; returns the number of rows.

    What a column holds may show only in a later frame (the first one's may all be unknown), so they wait on the disk
    until all are known. A column of values of several kinds is written as text.
    """
    with TemporaryDirectory(prefix="persona-") as folder:
        parts, schemas = [], []
        for number, frame in enumerate(frames):
            table = _table(frame)
            parts.append(Path(folder) / f"{number}.arrow")
            schemas.append(table.schema.remove_metadata())
            feather.write_feather(table, parts[-1])
        schema = _united(schemas)
        with pq.ParquetWriter(file, schema) as writer:
            return sum(_append(writer, feather.read_table(part), schema) for part in parts)


def _append(writer: pq.ParquetWriter, table: pa.Table, schema: pa.Schema) -> int:
    writer.write_table(pa.table([_cast(table[field.name], field.type) for field in schema], schema=schema))
    return int(table.num_rows)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_string(kind) and not pa.types.is_string(column.type):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column.cast(kind)


def _united(schemas: list[pa.Schema]) -> pa.Schema:
    """What holds the columns of all: whole numbers and others are numbers, whatever else differs is text."""
    fields = []
    for columns in zip(*schemas, strict=True):
        kinds = {field.type for field in columns} - {pa.null()} or {pa.string()}
        fields.append(pa.field(columns[0].name, _both(kinds)))
    return pa.schema(fields)


def _both(kinds: set[pa.DataType]) -> pa.DataType:
    if len(kinds) == 1:
        return kinds.pop()
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    return pa.float64() if numbers else pa.string()


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.table({str(name): _array(frame[name]) for name in frame.columns})


def _array(column: pd.Series) -> pa.Array:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)  # the words of later parts are not known yet
    if column.dtype == object and any(isinstance(value, dict) for value in column):  # each with keys of its own
        column = column.map(_json, na_action="ignore")
    try:
        found = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        found = pa.array([None if value is None else str(value) for value in column], pa.string())
    return found.cast(pa.string()) if pa.types.is_large_string(found.type) else found


def _harmless_column(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        return column.map(_harmless, na_action="ignore")
    return column


def _harmless(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict | np.ndarray):
        value = _json(value)
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _json(value: object) -> str:
    return json.dumps(value.tolist() if isinstance(value, np.ndarray) else value, ensure_ascii=False)
