"""Commands that measure speed, and the table of everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from persona.cli.command import Command, Group

SERVED = "garment-64"  # the generator that `persona serve` draws with
AS_JSON = click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
RECORD = click.option("--record/--no-record", default=True, show_default=True, help="Keep it in data/figures.json.")


@click.group(cls=Group)
def bench() -> None:
    """Measure speed and memory on this machine."""


@bench.command(example="persona bench taste --json")
@AS_JSON
@RECORD
def taste(as_json: bool, record: bool) -> None:
    """Time to read a user and rank 100,000 and a million items on one core, and users encoded a second on two."""
    from persona.catalog.visual import VisualNetwork
    from persona.settings import load_settings
    from persona.taste.bench import bench_taste, shipped_garments
    from persona.taste.model import TasteModel

    settings = load_settings()
    model = TasteModel.load(settings.models / "taste-garment")
    garments = shipped_garments(settings.demo / "items.zip", VisualNetwork.load(settings.models / "visual-64"))
    publish(
        "persona bench taste",
        {**bench_taste(model, garments), "model": model.version},
        {},
        as_json=as_json,
        record=record,
    )


@bench.command(example="persona bench generate --json")
@click.option("--model", default=SERVED, show_default=True, help="Model folder in PERSONA_MODELS.")
@AS_JSON
@RECORD
def generate(model: str, as_json: bool, record: bool) -> None:
    """Pictures a second of a generator by batch size, against what the processor could do, and the GPU if there is one.

    Only the served generator's figures are kept.
    """
    from persona.cli.bench_generate import measure

    publish("persona bench generate", *measure(model), as_json=as_json, record=record and model == SERVED)


@bench.command(example="persona bench makeup --json")
@AS_JSON
@RECORD
def makeup(as_json: bool, record: bool) -> None:
    """Time to put a whole look on a photo, on one core, and beside it the time to find the face."""
    from persona.makeup.bench import bench_makeup

    values = bench_makeup()
    unread = {key: "persona[face] is not installed" for key in ("detect512_ms", "detect12mp_ms") if key not in values}
    publish("persona bench makeup", values, unread, as_json=as_json, record=record)


@bench.command(example="persona bench style --json")
@AS_JSON
@RECORD
def style(as_json: bool, record: bool) -> None:
    """Time to put a style on a picture of 256 and of 512 pixels, in how much memory, and pictures a second on a GPU."""
    from persona.cli.threads import set_threads
    from persona.settings import load_settings
    from persona.style.bench import bench_style

    settings = load_settings()
    set_threads(settings)
    values = bench_style(settings.models / "style")
    why = {} if "gpu_pictures_per_s" in values else {"gpu_pictures_per_s": "no GPU here"}
    publish("persona bench style", values, why, as_json=as_json, record=record)


@bench.command("import", example="persona bench import --json")
@click.argument("source", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--pictures", type=click.IntRange(8, 10_000), default=120, show_default=True, help="How many to import.")
@AS_JSON
@RECORD
def import_(source: Path | None, pictures: int, as_json: bool, record: bool) -> None:
    """Pictures a second of an import with cut-out; default: the clothing data, else photos drawn for the purpose."""
    from persona.catalog.bench import bench_import
    from persona.cli.demo import clothing_archive
    from persona.settings import load_settings

    values = bench_import(pictures, source=source or clothing_archive(load_settings()))
    publish("persona bench import", values, {}, as_json=as_json, record=record and source is None)


@bench.command(example="persona bench serve --json")
@click.option("--seconds", type=click.IntRange(1, 120), default=10, show_default=True, help="Length of the load.")
@AS_JSON
@RECORD
def serve(seconds: int, as_json: bool, record: bool) -> None:
    """Requests a second, latency, memory and shutdown of a server started for it on this machine."""
    from persona.cli.bench_serve import measure

    publish("persona bench serve", *measure(seconds), as_json=as_json, record=record)


@bench.command(example="persona bench batch --json")
@click.option("--quick", is_flag=True, help="A few users, to see that it works; the figures mean nothing.")
@AS_JSON
@RECORD
def batch(quick: bool, as_json: bool, record: bool) -> None:
    """Pictures a second of the offline batch against the generator alone, and what a million users cost it.

    It simulates two companies of a million users in two databases: some ten minutes, and 20 GB of disk for a while.
    """
    from persona.cli.bench_batch import QUICK, Sizes, measure

    publish("persona bench batch", *measure(QUICK if quick else Sizes()), as_json=as_json, record=record and not quick)


@bench.command(example="persona bench analyze --json")
@click.option("--quick", is_flag=True, help="A few users, to see that it works; the figures mean nothing.")
@click.option("--users", type=click.IntRange(100, 10_000_000), help="How many are simulated; default: a million.")
@click.option("--events", type=click.IntRange(300, 1_000_000_000), help="That they leave; default: 20 of each user.")
@AS_JSON
@RECORD
def analyze(quick: bool, users: int | None, events: int | None, as_json: bool, record: bool) -> None:
    """What analysts wait for, with a million users: loading, refreshing, dim_user, segments, similar users.

    It simulates the company in two databases: some twenty minutes, and 25 GB of disk for a while.
    """
    from dataclasses import replace

    from persona.cli.bench_analyze import QUICK, Sizes, measure

    sizes = QUICK if quick else Sizes()
    count = users or sizes.users
    sizes = replace(sizes, users=count, events=events or sizes.events // sizes.users * count)
    whole = sizes == Sizes()
    publish("persona bench analyze", *measure(sizes), as_json=as_json, record=record and whole)


@click.command(cls=Command, example="persona figures --markdown")
@click.option("--markdown", is_flag=True, help="As the README holds it.")
@AS_JSON
def figures(markdown: bool, as_json: bool) -> None:
    """Show what the evaluate and bench commands measured last, beside the goals."""
    from persona import figures as kept
    from persona.cli.output import print_json, print_table

    results = kept.read()
    if markdown:
        click.echo(kept.markdown(results))
        return
    headers = ("command", "figure", "measured", "goal", "", "date", "machine")
    print_table(
        headers,
        [(r.command, r.key, r.measured, str(r.goal or ""), r.verdict, r.date, r.machine) for r in kept.rows(results)],
    )
    if as_json:
        print_json(results)


def publish(command: str, values: Mapping[str, Any], why: Mapping[str, str], *, as_json: bool, record: bool) -> None:
    """Print what was measured, keep it in data/figures.json, and end with the line of JSON where asked for."""
    from persona import figures as kept
    from persona.cli.output import print_json, print_values

    measured = kept.result(command, values, why)
    print_values(values, why)
    if record:
        kept.record(command, measured)
    if as_json:
        print_json(measured)


COMMANDS: tuple[click.Command, ...] = (bench, figures)
