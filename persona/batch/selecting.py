"""Who a run is for, as it is asked for on the command line: everybody, a segment, or the users of a list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from persona.errors import BadInput
from persona.store import Store
from persona.store.batches import SEGMENTS
from persona.store.reading import ImportReport, read_rows
from persona.store.records import Identifier, Source, Traits

TABLES = (".csv", ".parquet", ".jsonl", ".ndjson")
UNKNOWN = "unknown"  # of a trait that a user did not state
MOST_DAYS = 36500
_ID: TypeAdapter[str] = TypeAdapter(Identifier)


@dataclass(frozen=True)
class Selection:
    """Users that were asked for. users, segment: as of a `Spec`. ids: of a list, sorted, each once; None for no list.
    skipped: rows of the list that hold no id, named."""

    users: str
    segment: dict[str, Any] = field(default_factory=dict)
    ids: list[str] | None = None
    skipped: ImportReport = field(default_factory=ImportReport)

    def missing(self, store: Store) -> list[str]:
        """Those of the list who may have no catalogue: nobody knows them, or they refuse personalisation."""
        return sorted(store.gone(self.ids or ()))


def select(text: str) -> Selection:
    """Read what stands behind `--users`: all, FACET=VALUE,... or a file of ids.

    Raises BadInput, naming `users` and what may stand there.
    """
    if text == "all":
        return Selection("all")
    if "=" in text and not Path(text).exists():
        return Selection("segment", dict(_condition(part) for part in text.split(",")))
    if not Path(text).is_file():
        raise BadInput(
            "users",
            f"{text!r} is neither `all`, nor conditions such as age_band=25-34,active_days=30, nor a file of user ids",
        )
    return _listed(Path(text))


def _condition(text: str) -> tuple[str, Any]:
    name, _, value = (part.strip() for part in text.partition("="))
    if name not in SEGMENTS:
        raise BadInput("users", f"{name!r} is nothing to choose users by; there are {', '.join(SEGMENTS)}")
    if name == "active_days":
        return name, _days(value)
    if name == "source":
        if value not in get_args(Source):
            raise BadInput("users", f"source={value}: choose from {', '.join(get_args(Source))}")
        return name, value
    if value == UNKNOWN:
        return name, None
    try:
        return name, getattr(Traits.model_validate({name: value}), name)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise BadInput("users", f"{name}={value}: {why}, or {UNKNOWN} for users who did not say") from None


def _days(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= MOST_DAYS:
        raise BadInput("users", f"active_days={value}: a whole number of days from 1 to {MOST_DAYS} is wanted")
    return int(value)


def _listed(path: Path) -> Selection:
    report = ImportReport()
    rows = _table(path, report) if path.suffix.lower() in TABLES else _lines(path)
    ids = set[str]()
    for line, value in rows:
        try:
            ids.add(_ID.validate_python(value))
        except ValidationError:
            report.skip(path, line, f"user_id: {str(value)[:80]!r} is no user's id")
    if not ids:
        bad = f"; {report.skipped[0]}" if report.skipped else ""
        raise BadInput("users", f"{path} names nobody: one id a line is wanted, or a column user_id{bad}")
    ordered = sorted(ids)
    return Selection(hashlib.sha256("\n".join(ordered).encode()).hexdigest(), ids=ordered, skipped=report)


def _table(path: Path, report: ImportReport) -> Iterator[tuple[int, Any]]:
    for line, row in read_rows(path, required=("user_id",), report=report):
        yield line, row.get("user_id")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
    except UnicodeDecodeError as error:
        raise BadInput("users", f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it so") from None
