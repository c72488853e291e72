"""`persona analyze sql`: answers to saved questions and to SELECTs, as a table or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona.cli.analyze import analyze

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 50  # rows on the screen
FILE = click.Path(dir_okay=False, path_type=Path)


@analyze.command("sql", example="persona analyze sql top-items --param count=10")
@click.argument("question", required=False)
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="SQL to run instead."
)
@click.option("--param", "given", metavar="NAME=VALUE", multiple=True, help="A parameter; may be given several times.")
@click.option("--csv", type=FILE, help="File to write.")
@click.option("--parquet", type=FILE, help="File to write.")
@click.option("--seconds", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="For it, at most.")
@click.option("--most", type=click.IntRange(1, 10_000_000), default=100_000, show_default=True, help="Rows, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON: columns and rows.")
def run(
    question: str | None,
    file: Path | None,
    given: tuple[str, ...],
    csv: Path | None,
    parquet: Path | None,
    seconds: float,
    most: int,
    as_json: bool,
) -> None:
    """Answer a saved question, or a SELECT on the analysts' views; without either, list the questions.

    Nothing can be written. On PostgreSQL SQL of one's own runs under the analysts' login (PERSONA_ANALYST_URL).
    """
    from persona.analyze import open_store
    from persona.analyze.files import write_csv, write_parquet
    from persona.errors import BadInput

    if question and file:
        raise BadInput("file", "a question is named as well; give one of them")
    if not question and not file:
        _list()
        return
    sql = file.read_text() if file else str(question)
    with open_store() as store:
        frame = store.sql(sql, _parameters(given, question), seconds=seconds, most=most)
    for out, write in ((csv, write_csv), (parquet, write_parquet)):
        if out:
            with out.open("wb") as opened:
                write([frame], opened)
    if as_json:
        _print_json(frame)
    elif csv or parquet:
        click.echo(f"{len(frame):,} rows in {', '.join(str(path) for path in (csv, parquet) if path)}")
    else:
        _print(frame)


def _parameters(given: tuple[str, ...], question: str | None) -> dict[str, str | int | float]:
    from persona.analyze.questions import guessed, questions
    from persona.errors import BadInput

    parameters: dict[str, str | int | float] = {}
    for one in given:
        name, found, value = one.partition("=")
        if not found:
            raise BadInput("param", f"{one!r} is no NAME=VALUE")
        parameters[name] = value if question in questions() else guessed(value)
    return parameters


def _list() -> None:
    from persona.analyze.questions import questions

    for one in questions().values():
        parameters = " ".join(f"{p.name}={p.default}" for p in one.parameters)
        click.echo(f"{one.name}: {one.title}\n    {parameters}")


def _print(frame: pd.DataFrame) -> None:
    from persona.cli.output import print_table

    rows = frame.head(SHOWN).astype(object)
    print_table(list(frame.columns), rows.where(rows.notna(), None).values.tolist())
    if len(frame) > SHOWN:
        click.echo(f"... and {len(frame) - SHOWN:,} rows more; write them with --csv or --parquet")


def _print_json(frame: pd.DataFrame) -> None:
    import json

    from persona.cli.output import print_json

    told = json.loads(frame.to_json(orient="split", date_format="iso", index=False, double_precision=15))
    print_json({"columns": told["columns"], "rows": told["data"]})
