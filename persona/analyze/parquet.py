"""Views as Parquet, written as they are read: one file, or a folder parted by columns as Hive names them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from persona.analyze.dictionary import Column, View
from persona.errors import BadInput, Conflict

ROWS = 131_072  # to a row group, at most
PARTS = 10_000  # of a folder, at most
OPEN = 128  # files at once; more parts than that are written in more files each
MARK = "_persona.json"  # in a folder that was written here; readers pass over what begins so
_TYPES = {
    "id": pa.string(),
    "word": pa.dictionary(pa.int32(), pa.string()),
    "text": pa.string(),
    "int": pa.int64(),
    "number": pa.float64(),
    "time": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "flag": pa.bool_(),
    "json": pa.string(),
    "vector": pa.list_(pa.float32()),
}
_PARTING = ("word", "date", "flag")  # types that columns may be parted by: few values, which make names of folders


@dataclass(frozen=True)
class Written:
    """What was written: how many rows, in how many files of how many bytes together."""

    rows: int
    files: int
    bytes: int


def write_parquet(
    frames: Iterable[pd.DataFrame], view: View, columns: Sequence[str], out: Path, partition_by: Sequence[str] = ()
) -> Written:
    """Write a view's frames to `out`: a file, or, parted, a folder. It is there whole or not at all.

    Types are the dictionary's: times in UTC to the microsecond, dates, words as dictionaries, JSON as text. Parted
    columns are read from the folders' names. What was written here before is replaced, anything else is not:
    Conflict. Raises BadInput for columns that cannot part.
    """
    types = [view.columns[name] for name in columns]
    parting = tuple(_checked(view, columns, name) for name in partition_by)
    schema = pa.schema([_field(column, part=column.name in parting) for column in types], {"persona.view": view.name})
    refuse(out, folder=bool(parting))
    out.parent.mkdir(parents=True, exist_ok=True)
    write = partial(_write_parts, parting=parting) if parting else _write_file
    draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        rows = write(draft / "data", schema, (_table(frame, schema, types) for frame in frames))
        files = list((draft / "data").rglob("*.parquet")) if parting else [draft / "data"]
        written = Written(rows, len(files), sum(path.stat().st_size for path in files))
        _replace(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return written


def refuse(out: Path, *, folder: bool) -> None:
    """Raise Conflict where something else than an earlier result is in the way."""
    ours = _ours(out)
    if out.exists() and not (ours and out.is_dir() == folder) and not (folder and _empty(out)):
        raise Conflict(f"{out}: is there, and was not written by this; name another place, or remove it first")


def _ours(out: Path) -> bool:
    if out.is_dir():
        return (out / MARK).is_file()
    with suppress(OSError, pa.ArrowInvalid):
        return b"persona.view" in (pq.read_schema(out).metadata or {})
    return False


def _empty(out: Path) -> bool:
    return out.is_dir() and not any(out.iterdir())


def _checked(view: View, columns: Sequence[str], name: str) -> str:
    able = [column for column in columns if view.columns[column].type in _PARTING]
    if name not in able:
        raise BadInput("partition_by", f"{name!r} cannot part {view.name}; choose from {', '.join(able)}")
    return name


def _field(column: Column, *, part: bool) -> pa.Field:
    kind = pa.string() if part and column.type == "word" else _TYPES[column.type]
    return pa.field(column.name, kind, nullable=column.null)


def _table(frame: pd.DataFrame, schema: pa.Schema, types: Sequence[Column]) -> pa.Table:
    """A frame as Arrow holds it."""
    arrays = []
    for field, column in zip(schema, types, strict=True):
        values = frame[column.name]
        if column.type == "json":
            values = values.map(lambda value: json.dumps(value, ensure_ascii=False))
        elif column.type == "word":  # codes are the frame's own: files hold the words
            values = values.astype(object).where(values.notna(), None)
        arrays.append(pa.array(values, field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=schema)


def _write_file(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in _grouped(tables):
            writer.write_table(table)
            rows += len(table)
    return rows


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables together, as many as make a row group."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= ROWS:
            yield pa.concat_tables(held).combine_chunks()
            held = []
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _write_parts(path: Path, schema: pa.Schema, tables: Iterator[pa.Table], parting: Sequence[str]) -> int:
    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for table in _grouped(tables):
            rows += len(table)
            yield from table.to_batches()

    format = ds.ParquetFileFormat()
    ds.write_dataset(
        counted(), path, schema=schema, format=format, file_options=format.make_write_options(compression="zstd"),
        partitioning=ds.partitioning(pa.schema([schema.field(name) for name in parting]), flavor="hive"),
        basename_template="part-{i}.parquet", max_rows_per_group=ROWS, max_partitions=PARTS, max_open_files=OPEN,
        use_threads=False,
    )  # fmt: skip
    path.mkdir(exist_ok=True)  # of no rows there are no parts
    (path / MARK).write_text(json.dumps({"view": schema.metadata[b"persona.view"].decode(), "rows": rows}))
    return rows


def _replace(draft: Path, out: Path) -> None:
    """Put what was written in its place; a folder that was there goes aside first, and with the draft."""
    _sync(draft / "data")
    os.chmod(draft / "data", 0o755 if (draft / "data").is_dir() else 0o644)
    if out.is_dir():
        os.rename(out, draft / "before")
    os.replace(draft / "data", out)


def _sync(path: Path) -> None:
    """Have files on the disk."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
