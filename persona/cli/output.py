"""What commands print: tables for people, and one line of JSON, the last of standard output, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from persona.errors import BadInput

if TYPE_CHECKING:
    from pydantic import ValidationError

    from persona.store import ImportReport

MOST_SKIPPED = 20  # bad rows shown; the count of all is always said


def print_json(values: Mapping[str, Any]) -> None:
    """Print one object on one line. NaN is no JSON: it would be an error here, not at the reader's."""
    click.echo(json.dumps(values, allow_nan=False, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headers, columns as wide as they need; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells)]
    click.secho("  ".join(h.ljust(w) for h, w in zip(headers, widths)).rstrip(), bold=True)
    for row, line in zip(rows, cells):
        padded = [
            text.rjust(width) if isinstance(value, int | float) else text.ljust(width)
            for value, text, width in zip(row, line, widths)
        ]
        click.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def print_values(values: Mapping[str, Any], why: Mapping[str, str]) -> None:
    """Print measured values one to a line, and beside a missing one why it is missing."""
    from persona.figures import number

    width = max(map(len, values), default=0)
    for key, value in values.items():
        text = f"-  ({why.get(key, 'not measured')})" if value is None else number(value)
        click.echo(f"  {key.ljust(width)}  {text}")


def print_report(report: ImportReport) -> None:
    """Print what became of a file's rows, bad ones by line."""
    for line in report.skipped[:MOST_SKIPPED]:
        click.echo(f"skipped {line}", err=True)
    if len(report.skipped) > MOST_SKIPPED:
        click.echo(f"... and {len(report.skipped) - MOST_SKIPPED:,} more", err=True)
    click.echo(str(report))


def invalid(error: ValidationError) -> BadInput:
    """A pydantic ValidationError in one line: its first field and what is wrong with it."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "request"
    return BadInput(field, first["msg"].removeprefix("Value error, "))
