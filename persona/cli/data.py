"""Commands that fill the store: migrations, imports and simulated users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from persona.cli.command import Command, Group

if TYPE_CHECKING:
    from persona.catalog.pictures import Pictures
    from persona.store import ImportReport, Store

SOURCE = click.Path(exists=True, path_type=Path)
STEPS = 200  # of one user at most
SHARED_BY_AGE = 0.5  # of their tastes: so that analysts find something


@click.group(cls=Group)
def db() -> None:
    """The database's tables."""


@db.command(example="persona db upgrade")
def upgrade() -> None:
    """Create the database's tables, or bring them up to this version; the data stays."""
    from persona.settings import load_settings
    from persona.store.migrate import upgrade as migrate

    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    migrate(settings.url)
    click.echo("The database is up to date.")


@click.group("import", cls=Group)
def import_() -> None:
    """Read a catalogue, users or events from files. Bad rows are named and skipped; run it again to go on."""


@import_.command(example="persona import items shop.zip --licence 'all rights reserved' --source https://shop.example")
@click.argument("source", type=SOURCE)
@click.option("--licence", default="unstated", show_default=True, help="Of pictures whose row names none.")
@click.option(
    "--source", "origin", help="Where the pictures are from, for rows that say none; default: the file's name."
)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that cut pictures out; default: one per core.")
def items(source: Path, licence: str, origin: str | None, workers: int | None) -> None:
    """Import a catalogue: a folder or zip of pictures with an items.csv, or a table (csv, parquet) naming them."""
    from persona.catalog.importing import import_items
    from persona.catalog.rows import Defaults

    store, pictures = _open()
    defaults = Defaults(licence=licence, source=origin)
    _report(import_items(store, pictures, source, workers=workers, defaults=defaults))


@import_.command(example="persona import clothing clothing.zip")
@click.argument("archive", type=SOURCE, required=False)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that cut pictures out; default: one per core.")
def clothing(archive: Path | None, workers: int | None) -> None:
    """Import the clothing data set (CC0), the worked example; left out: from the folder PERSONA_DATASETS."""
    from persona.catalog.importing import import_clothing
    from persona.cli.demo import clothing_archive
    from persona.errors import NotFound
    from persona.settings import load_settings

    source = archive or clothing_archive(load_settings())
    if source is None:
        raise NotFound(
            "clothing.zip: not in the folder PERSONA_DATASETS. The pictures are at "
            "github.com/alexeygrigorev/clothing-dataset (CC0); name the file, or set PERSONA_DATASETS to its folder"
        )
    store, pictures = _open()
    _report(import_clothing(store, pictures, source, workers=workers))


@import_.command(example="persona import looks")
def looks() -> None:
    """Add the thirty makeup looks that ship, each drawn on the face chart; run again, they are drawn anew."""
    from persona.recommend.looks import import_looks

    _report(import_looks(*_open()))


@import_.command(example="persona import users users.csv")
@click.argument("source", type=SOURCE)
def users(source: Path) -> None:
    """Import users with traits, likes, dislikes and consents from csv, parquet or jsonl."""
    from persona.store.importing import import_users

    _report(import_users(_open()[0], source))


@import_.command(example="persona import events events.parquet")
@click.argument("source", type=SOURCE)
def events(source: Path) -> None:
    """Import what users did with items (view, like, purchase, ...) from csv, parquet or jsonl."""
    from persona.store.importing import import_events

    _report(import_events(_open()[0], source))


@click.command(cls=Command, example="persona simulate --users 1000 --events 30 --seed 1")
@click.option("--users", "count", type=click.IntRange(1, 10_000_000), default=1000, show_default=True, help="How many.")
@click.option(
    "--events",
    type=click.IntRange(3, 1_000_000_000),
    default=30,
    show_default=True,
    help=f"Up to {STEPS}: steps of each user on average, of which some leave no event; more: events in all.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="The same seed gives the same users.")
def simulate(count: int, events: int, seed: int | None) -> None:
    """Add simulated users with histories, labelled as simulated, to try things at scale: a thousand, or a million.

    They are stored part by part as they are made. After an interruption the same command goes on where it stood.
    """
    from dataclasses import replace

    from tqdm import tqdm

    from persona.recommend import Recommender
    from persona.settings import load_settings
    from persona.taste.company import simulate_company, steps_for
    from persona.taste.simulate import Simulator, simulated_ids

    settings = load_settings(seed=seed)
    recommender = Recommender.open(settings)
    table, seed = recommender.table, settings.seed
    aged = Simulator(ages=SHARED_BY_AGE)
    numbers = replace(aged, events=float(events)) if events <= STEPS else steps_for(table, events / count, seed, aged)
    users = acts = known = 0
    with tqdm(total=count, desc="simulating", unit="user", delay=2, leave=False) as progress:
        for part in simulate_company(recommender.store, table, count, seed, numbers):
            users, acts, known = users + part.users, acts + part.events, known + part.known
            progress.update(part.users + part.known)
            progress.set_postfix_str(f"{acts:,} events", refresh=False)
    click.echo(f"{users:,} users added, {known:,} known already; {acts:,} events added")
    first = simulated_ids(1, seed)[0]
    click.echo(f"The first is {first}: persona recommend {first}")


def _open() -> tuple[Store, Pictures]:
    from persona.catalog.pictures import Pictures
    from persona.settings import load_settings
    from persona.store import Store

    settings = load_settings()
    return Store.open(settings.url), Pictures(settings.pictures)


def _report(report: ImportReport) -> None:
    from persona.cli.output import print_report

    print_report(report)


COMMANDS: tuple[click.Command, ...] = (db, import_, simulate)
