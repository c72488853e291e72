"""`persona batch`: catalogues for everybody, planned, made, verified and pushed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from persona.cli.command import Group

Option = Callable[[Callable[..., None]], Callable[..., None]]
KINDS = ("items", "garments", "outfits", "looks")
DIRECTORY = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
MOST_NAMED = 20  # users of whom nothing could be made that are named; how many there are is always said


class _Kinds(click.ParamType[tuple[str, ...]]):
    """Kinds of entries, by commas; in whatever order they are written, they mean the same."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Read what was written."""
        if isinstance(value, tuple):
            return value
        named = {part.strip() for part in str(value).split(",")}
        if not named <= set(KINDS):
            self.fail(f"{', '.join(sorted(named - set(KINDS)))}: choose from {','.join(KINDS)}", param, ctx)
        return tuple(kind for kind in KINDS if kind in named)


_ASKED: list[Option] = [
    click.option("--out", required=True, type=DIRECTORY, help="Directory of the catalogues; made if need be."),
    click.option(
        "--users", metavar="all|NAME=VALUE,...|FILE",
        help="Whose: everybody; a segment such as skin_tone=3,age_band=25-34,active_days=30; or the ids in a file, one "
        "a line or a column user_id (csv, parquet, jsonl). Default: as before in this directory, else all.",
    ),
    click.option("--per-user", type=click.IntRange(1, 100), help="Entries of each kind. Default: 8."),
    click.option("--kinds", type=_Kinds(), metavar="KIND,...", help=f"Of {','.join(KINDS)}. Default: all of them."),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Default: the setting `seed`."),
    click.option(
        "--archive", type=click.Choice(["tar", "files"]), help="Pictures in a tar for each shard, or as files of their "
        "own. Default: tar.",
    ),
    click.option("--users-per-shard", type=click.IntRange(1, 100_000), help="Default: 1000."),
    click.option("--all", "everybody", is_flag=True, help="Make everybody anew, not just those who changed."),
]  # fmt: skip
_WORKERS = click.option(
    "--workers", type=click.IntRange(1, 10_000),
    help="Processes that make shards. Default: one for each core, and on a graphics card one.",
)  # fmt: skip
_DRIVEN: list[Option] = [
    _WORKERS,
    click.option(
        "--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True,
        help="local: on this machine; ray: on a cluster (needs persona[ray]).",
    ),
    click.option("--address", help="Of a running Ray cluster, or auto. Default: RAY_ADDRESS, else this machine alone."),
    click.option(
        "--gpus", type=click.FloatRange(0), default=0.0,
        help="Graphics cards for each Ray worker, such as 1 or .5. Default: 1 where the models are on one, else 0.",
    ),
]  # fmt: skip
_JSON = click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")


def _with(options: list[Option]) -> Option:
    """Several options at once, in their order."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(cls=Group)
def batch() -> None:
    """Catalogues for everybody: items, generated garments, outfits and looks of every user, as files."""


@batch.command(example="persona batch run --out catalogues --per-user 8")
@_with([*_ASKED, *_DRIVEN])
@_JSON
def run(**options: Any) -> None:
    """Make the catalogue of every user, or what has changed since the last time.

    Killed or stopped, it goes on from the shards that are made when it is run again. Nothing has changed: nothing is
    written.
    """
    from persona.cli import batch_run

    batch_run.run(**options)


@batch.command(example="persona batch plan --out catalogues --hourly-cost 3.50")
@_with([*_ASKED, _WORKERS])
@click.option("--hourly-cost", type=click.FloatRange(0), help="Of the machines together, in your currency.")
@_JSON
def plan(**options: Any) -> None:
    """Say what a run would come to: users, pictures, bytes, time and cost. A few users are made to know; nothing is
    kept."""
    from persona.cli import batch_run

    batch_run.estimate(**options)


@batch.command(example="persona batch resume catalogues")
@click.argument("out", type=DIRECTORY)
@_with(_DRIVEN)
@_JSON
def resume(**options: Any) -> None:
    """Go on with a run that was stopped or killed. In a finished directory: remove users who were erased since."""
    from persona.cli import batch_run

    batch_run.resume(**options)


@batch.command(example="persona batch status catalogues")
@click.argument("out", type=DIRECTORY)
@_JSON
def status(out: Path, as_json: bool) -> None:
    """Say how far a run is, at what rate, and of whom nothing could be made."""
    from dataclasses import asdict

    from persona.batch.status import status as look
    from persona.cli.output import print_json
    from persona.settings import load_settings
    from persona.store import Store

    with Store.open(load_settings().url) as store:
        found = look(out, store)
    if as_json:
        told = {**asdict(found), "totals": found.totals.model_dump(), "set_aside": len(found.set_aside)}
        print_json(told)
        return
    click.echo(f"{found.state}: {found.done:,} of {found.shards:,} shards; {describe(found.totals)}")
    if found.users_per_second:
        click.echo(f"{found.users_per_second:.1f} users a second, {duration(found.seconds_left or 0)} left")
    if found.state == "stopped":
        click.echo(f"go on with: persona batch resume {out}")
    for one in found.set_aside[:MOST_NAMED]:
        click.echo(f"set aside {one.user_id}: {one.why}")
    if len(found.set_aside) > MOST_NAMED:
        click.echo(f"... and {len(found.set_aside) - MOST_NAMED:,} more")


@batch.command(example="persona batch verify catalogues")
@click.argument("out", type=DIRECTORY)
@click.option("--files-only", is_flag=True, help="Do not ask the database who was erased since.")
@_JSON
def verify(out: Path, files_only: bool, as_json: bool) -> None:
    """Check every file, row, picture and user of a finished directory; exit status 1 where something is wrong."""
    from contextlib import ExitStack

    from tqdm import tqdm

    from persona.batch.layout import Layout
    from persona.batch.verify import verify as look
    from persona.cli.output import print_json
    from persona.settings import load_settings
    from persona.store import Store

    with ExitStack() as opened:
        store = None if files_only else opened.enter_context(Store.open(load_settings().url))
        shards = len(Layout(out).read_manifest().shards)
        shown = opened.enter_context(tqdm(total=shards, unit="shard", desc="verifying", disable=None))
        problems = look(out, store, shown.update)
    for problem in problems:
        click.echo(problem)
    if as_json:
        print_json({"problems": len(problems), "shards": shards})
    else:
        click.echo(f"{len(problems):,} problems in {shards:,} shards")
    if problems:
        raise click.exceptions.Exit(1)


@batch.command(example="persona batch lookbook catalogues u1 --out u1.html")
@click.argument("directory", type=DIRECTORY)
@click.argument("user")
@click.option("--out", type=FILE, help="File to write. Default: USER.html.")
def lookbook(directory: Path, user: str, out: Path | None) -> None:
    """Write one user's catalogue as an HTML page of its own: pictures, reasons and licences, nothing fetched."""
    from persona.batch.lookbook import lookbook as page
    from persona.batch.reading import Catalogues
    from persona.catalog.pictures import Pictures, write_whole
    from persona.settings import load_settings

    content = page(Catalogues(directory), user, Pictures(load_settings().pictures))
    out = out or Path(f"{user}.html")
    write_whole(out, content.encode())
    click.echo(f"{out}: {size(len(content))}")


@batch.command(example="persona batch sheet catalogues --count 20 --out sheet.webp")
@click.argument("directory", type=DIRECTORY)
@click.argument("users", nargs=-1)
@click.option("--count", type=click.IntRange(1, 100), default=10, show_default=True, help="Users, where none is named.")
@click.option("--across", type=click.IntRange(1, 100), default=12, show_default=True, help="Pictures of a user.")
@click.option("--out", type=FILE, default="sheet.webp", show_default=True, help="Picture to write.")
def sheet(directory: Path, users: tuple[str, ...], count: int, across: int, out: Path) -> None:
    """Write a contact sheet: the first pictures of some users, a row for each."""
    from persona.batch.reading import Catalogues
    from persona.batch.sheet import sheet as draw
    from persona.batch.sheet import some_users
    from persona.catalog.pictures import Pictures, write_whole
    from persona.cli.photos import format_of
    from persona.settings import load_settings

    wanted, catalogues = format_of(out), Catalogues(directory)
    shown = users or tuple(some_users(catalogues, count))
    content = draw(catalogues, shown, Pictures(load_settings().pictures), across, wanted)
    write_whole(out, content)
    click.echo(f"{out}: {len(shown)} users, {size(len(content))}")


@batch.command(example="persona batch push catalogues")
@click.argument("out", type=DIRECTORY)
@_JSON
def push(out: Path, as_json: bool) -> None:
    """Load a finished directory into the store, so that GET /v1/users/USER/catalogue serves it.

    What was pushed before goes. Interrupted, it goes on when it is run again. Who was erased since is left out.
    """
    from dataclasses import asdict

    from tqdm import tqdm

    from persona.batch.layout import Layout
    from persona.batch.push import push as load
    from persona.catalog.pictures import Pictures
    from persona.cli.output import print_json
    from persona.settings import load_settings
    from persona.store import Store

    settings = load_settings()
    users = Layout(out).read_manifest().totals.users
    with Store.open(settings.url) as store, tqdm(total=users, unit="user", desc="pushing", disable=None) as shown:
        pushed = load(out, store, Pictures(settings.pictures), shown.update)
    if as_json:
        print_json(asdict(pushed))
        return
    click.echo(f"{pushed.users:,} users' catalogues in the store; {pushed.gone:,} were left out, gone since")


def describe(totals: Any) -> str:
    """A manifest's totals in words."""
    aside = f", {totals.set_aside:,} set aside" if totals.set_aside else ""
    return (
        f"{totals.users:,} users, {totals.rows:,} entries, {totals.pictures:,} pictures of {size(totals.bytes)}{aside}"
    )


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


COMMANDS: tuple[click.Command, ...] = (batch,)
