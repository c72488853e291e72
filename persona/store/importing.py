"""Import of users and events from csv, parquet and jsonl. Running an import again changes nothing and completes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from tqdm import tqdm

from persona.errors import BadInput
from persona.store.engine import batches
from persona.store.reading import ImportReport, Row, read_rows, row_error
from persona.store.records import Event, Preference, Profile, Record, Traits
from persona.store.store import Store

R = TypeVar("R", bound=Record)

TRAITS = tuple(Traits.model_fields)
USER_COLUMNS = (*TRAITS, "likes", "dislikes", "consents", "source")
EVENT_COLUMNS = ("user_id", "item_id or generation_id", "type", "at")
SUBJECTS = ("user_id", "item_id", "generation_id")
ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def import_users(store: Store, path: Path, *, progress: bool = False) -> ImportReport:
    """Store the users of a file with the column `id` and any of USER_COLUMNS, in place of those known by their ids.

    likes and dislikes: "colour=green;category=dress:0.8", facet=value with a weight above 0 up to 1 (left out: 1).
    consents: "personalisation;training", and "analytics=no" for a refusal. A row that cannot be used is named and
    skipped. Raises BadInput for a file or columns that cannot be read; then nothing is imported.
    """
    report = ImportReport()
    rows = read_rows(path, required=("id",), optional=USER_COLUMNS, report=report)
    for part in batches(_records(rows, _profile, Path(path), report, progress)):
        done = store.bulk_users(profile for _, profile in part)
        report.added += done.added
        report.updated_or_duplicate += done.updated
    return report


def import_events(store: Store, path: Path, *, progress: bool = False) -> ImportReport:
    """Store the events of a file with the columns user_id, item_id or generation_id, type, at, perhaps key and rec_id.

    Without a key, the sha256 of user, subject, type and time serves as one. A row that cannot be used, or that names
    an unknown user or item, is named and skipped; one that is stored already is counted. Raises BadInput for a file
    or columns that cannot be read; then nothing is imported.
    """
    report = ImportReport()
    rows = read_rows(path, required=EVENT_COLUMNS, optional=("key", "rec_id", *SUBJECTS), report=report)
    for part in batches(_records(rows, _event, Path(path), report, progress)):
        lines = [line for line, _ in part]

        def refuse(index: int, field: str, why: str, lines: list[int] = lines) -> None:
            report.skip(Path(path), lines[index], f"{field}: {why}")

        done = store.bulk_events((event for _, event in part), refuse)
        report.added += done.added
        report.updated_or_duplicate += done.duplicates
    return report


def _records(
    rows: Iterator[tuple[int, Row]], make: Callable[[Row], R], path: Path, report: ImportReport, progress: bool
) -> Iterator[tuple[int, R]]:
    """The rows as records; those that cannot be are named in the report."""
    for line, row in tqdm(rows, desc=path.name, unit=" rows", disable=not progress, leave=False):
        try:
            yield line, make({name: value for name, value in row.items() if value is not None})
        except (ValidationError, BadInput) as error:
            report.skip(path, line, row_error(error))


def _profile(row: Row) -> Profile:
    if "id" not in row:
        raise BadInput("id", "is missing")
    traits = {name: row[name] for name in TRAITS if name in row}
    for size in traits.keys() & {"size_top", "size_bottom"}:
        # a column of numbers with gaps is floats to whatever wrote the file: 38.0 is the size 38
        traits[size] = re.sub(r"^(\d+)\.0$", r"\1", str(_text(traits[size])))
    try:
        known = Traits.model_validate(traits)
    except ValidationError as error:
        raise BadInput(*row_error(error).split(": ", 1)) from None
    preferences = [*_preferences(row, "likes", 1), *_preferences(row, "dislikes", -1)]
    more = {"source": row["source"]} if "source" in row else {}
    fields = {"id": _text(row["id"]), "traits": known, "preferences": preferences, "consents": _consents(row), **more}
    return Profile.model_validate(fields)


def _preferences(row: Row, column: str, sign: int) -> Iterator[Preference]:
    for entry in _entries(row, column):
        name, _, weight = entry.partition(":")
        facet, equals, value = name.partition("=")
        if not equals:
            raise BadInput(column, f"{entry!r}: write facet=value or facet=value:weight, such as colour=green:0.8")
        try:
            size = float(weight or 1)
        except ValueError:
            size = 0
        if not 0 < size <= 1:
            raise BadInput(column, f"{entry!r}: the weight has to be a number above 0, at most 1")
        try:
            fields = {"facet": facet.strip(), "value": value.strip(), "weight": sign * size}
            yield Preference.model_validate(fields)
        except ValidationError as error:
            raise BadInput(column, f"{entry!r}: {row_error(error)}") from None


def _consents(row: Row) -> dict[str, bool]:
    consents = {}
    for entry in _entries(row, "consents"):
        purpose, equals, answer = entry.partition("=")
        if (answer.strip().lower() if equals else "yes") not in ANSWERS:
            raise BadInput("consents", f"{entry!r}: write the purpose alone, or with =yes or =no")
        consents[purpose.strip()] = ANSWERS[answer.strip().lower()] if equals else True
    return consents


def _entries(row: Row, column: str) -> list[str]:
    """What stands between the semicolons of a cell, or in a list where the format has lists."""
    cell = row.get(column, "")
    parts = cell.split(";") if isinstance(cell, str) else cell
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadInput(column, f"{cell!r}: text is wanted, entries separated by semicolons")
    return [part.strip() for part in parts if part.strip()]


def _event(row: Row) -> Event:
    fields = {**row, **{name: _text(row[name]) for name in ("key", "rec_id", *SUBJECTS) if name in row}}
    event = Event.model_validate({"key": "derived", **fields})
    return event if "key" in row else event.model_copy(update={"key": _derived_key(event)})


def _derived_key(event: Event) -> str:
    parts = (event.user_id, event.item_id or "", event.generation_id or "", event.type, event.at.isoformat())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _text(value: Any) -> Any:
    """Numbers that are names: 38 or 38.0 for "38", as spreadsheets and parquet have them."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
