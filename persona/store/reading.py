"""Tables that people bring (csv, parquet, jsonl), read row by row, and the report that every importer hands back."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from persona.errors import BadInput

Row = dict[str, Any]
OR = " or "


@dataclass
class ImportReport:
    """What became of a file's rows: read = added + updated_or_duplicate + len(skipped)."""

    read: int = 0
    added: int = 0
    updated_or_duplicate: int = 0
    skipped: list[str] = field(default_factory=list)

    def skip(self, path: Path, line: int, why: str) -> None:
        """Name a row that cannot be used as `file:line: field: why`; the import goes on without it."""
        self.skipped.append(f"{path.name}:{line}: {why}")

    def __str__(self) -> str:
        known = self.updated_or_duplicate
        return f"{self.read} read, {self.added} added, {known} known already, {len(self.skipped)} skipped"


class _Reader(Protocol):
    def __call__(self, path: Path, wanted: _Columns, report: ImportReport) -> Iterator[tuple[int, Row]]: ...


def read_rows(
    path: Path,
    *,
    required: Collection[str] = (),
    optional: Collection[str] | None = None,
    report: ImportReport | None = None,
) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row) for every row of a csv, parquet or jsonl file; an empty cell is None.

    Line numbers count from 1 and a csv's header is line 1; in parquet they are row numbers. csv cells are strings,
    the other formats keep their types. Columns outside `required` and `optional` are an error unless `optional` is
    None; a required name may offer a choice, such as "item_id or generation_id". Rows that cannot be read at all are
    named in `report` and skipped; `report.read` counts every row.

    Raises BadInput at the first step for a missing, empty or unreadable file and for wrong columns.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput("path", f"{path} is no file; give a .csv, .parquet or .jsonl file")
    if path.suffix.lower() not in _READERS:
        raise BadInput("path", f"{path.name} has to end in one of {', '.join(_READERS)}")
    wanted = _Columns(path, tuple(required), None if optional is None else tuple(optional))
    if path.stat().st_size == 0:
        raise BadInput("path", f"{path.name} is empty; {wanted}")
    try:
        yield from _READERS[path.suffix.lower()](path, wanted, report if report is not None else ImportReport())
    except UnicodeDecodeError as error:
        raise BadInput("path", f"{path.name} is not UTF-8 ({error.reason} at byte {error.start}); save it so") from None


def row_error(error: ValidationError | BadInput) -> str:
    """Say what is wrong with a row as `field: why; field: why`."""
    if isinstance(error, BadInput):
        return str(error)
    parts = []
    for detail in error.errors(include_url=False):
        name = ".".join(str(step) for step in detail["loc"])
        why = "is missing" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")
        parts.append(f"{name}: {why}" if name else why)  # what is wrong with several fields names them itself
    return "; ".join(parts)


@dataclass(frozen=True)
class _Columns:
    """The columns that a file has to have and may have."""

    path: Path
    required: tuple[str, ...]
    optional: tuple[str, ...] | None

    def check(self, found: list[str]) -> None:
        missing = [name for name in self.required if not set(name.split(OR)) & set(found)]
        may = {part for name in self.required + (self.optional or ()) for part in name.split(OR)}
        unknown = [] if self.optional is None else [name for name in found if name not in may]
        twice = sorted({name for name in found if found.count(name) > 1})
        wrong = {"missing": missing, "unknown": unknown, "twice": twice}
        if any(wrong.values()):
            said = ", ".join(f"{what} {', '.join(map(repr, names))}" for what, names in wrong.items() if names)
            raise BadInput("columns", f"{self.path.name}: {said}; {self}")

    def __str__(self) -> str:
        if not self.required and not self.optional:
            return "any columns are read"
        may = f" (and may have {', '.join(self.optional)})" if self.optional else ""
        return f"wanted {', '.join(self.required) or 'no column in particular'}{may}"


def _read_csv(path: Path, wanted: _Columns, report: ImportReport) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        wanted.check(header)
        while True:
            line = rows.line_num + 1
            try:
                cells = next(rows, None)
            except csv.Error as error:
                report.read += 1
                report.skip(path, line, f"row: {error}")
                continue
            if cells is None:
                return
            if not cells:  # a blank line
                continue
            report.read += 1
            if len(cells) != len(header):
                report.skip(path, line, f"row: has {len(cells)} cells where the header has {len(header)}")
                continue
            yield line, {name: cell.strip() or None for name, cell in zip(header, cells)}


def _read_parquet(path: Path, wanted: _Columns, report: ImportReport) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa  # type: ignore[import-untyped]  # here, for those who never read parquet
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    def in_microseconds(field: Any) -> Any:  # datetime holds no nanoseconds
        kind = field.type
        return pa.field(field.name, pa.timestamp("us", kind.tz)) if pa.types.is_timestamp(kind) else field

    try:
        with pq.ParquetFile(path) as file:
            wanted.check(file.schema_arrow.names)
            schema = pa.schema([in_microseconds(field) for field in file.schema_arrow])
            for batch in file.iter_batches(batch_size=4096):
                for row in batch.cast(schema, safe=False).to_pylist():
                    report.read += 1
                    yield report.read, {name: None if value != value else value for name, value in row.items()}
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput("path", f"{path.name} cannot be read as parquet: {error}") from None


def _read_jsonl(path: Path, wanted: _Columns, report: ImportReport) -> Iterator[tuple[int, Row]]:
    checked = False
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            report.read += 1
            try:
                row = json.loads(text)
            except (json.JSONDecodeError, RecursionError) as error:
                report.skip(path, line, f"row: no JSON: {error}")
                continue
            if not isinstance(row, dict):
                report.skip(path, line, f"row: a JSON object is wanted, not {text.strip()[:40]}")
                continue
            if not checked:  # a later row with other names is that row's own error, told by its record
                wanted.check(list(row))
                checked = True
            yield line, row
    if not checked and not report.skipped:
        raise BadInput("path", f"{path.name} holds no rows; {wanted}")


_READERS: dict[str, _Reader] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
