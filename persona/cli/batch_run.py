"""What `persona batch run`, `plan` and `resume` do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from persona.batch.calibrate import Estimate, measure, some_users
from persona.batch.layout import Layout
from persona.batch.local import LocalExecutor
from persona.batch.making import Maker
from persona.batch.planning import plan, plan_removal, preview
from persona.batch.running import run_shards
from persona.batch.selecting import Selection, select
from persona.batch.shard import arm_models, open_maker
from persona.batch.types import Executor, Manifest, Run, Spec
from persona.batch.writing import ShardWriter
from persona.cli.batch import describe, duration, size
from persona.cli.output import invalid, print_json, print_report
from persona.cli.threads import set_threads
from persona.errors import BadInput
from persona.recommend.crowd import Crowd
from persona.recommend.recommender import Recommender
from persona.settings import Settings, load_settings
from persona.store import Store
from persona.workers import cores

MOST_MISSING = 5  # ids of a list without a user that are named


def run(out: Path, *, everybody: bool, workers: int | None, executor: str, address: str | None, gpus: float,
        as_json: bool, **asked: Any) -> None:  # fmt: skip
    """As the command."""
    settings = load_settings()
    spec, chosen = _spec(out, settings, **asked)
    with Store.open(settings.url) as store:
        _say_missing(chosen, store)
        if Layout(out).run.exists():
            click.echo("going on with the run that is under way", err=True)
        with _recommender(settings, Crowd()) as recommender, closing(Maker(recommender, spec)) as maker:
            planned = plan(
                out, spec, store, maker.versions, ids=chosen.ids, everybody=everybody, crowd=recommender.crowd
            )
        if planned is None:
            _tell(Layout(out).read_manifest(), as_json, "nothing has changed: ")
            return
        click.echo(f"{planned.changed:,} of {planned.users:,} users in {len(planned.todo):,} shards", err=True)
        _drive(out, store, _executor(settings, planned, workers, executor, address, gpus), as_json)


def resume(out: Path, *, executor: str, address: str | None, gpus: float, workers: int | None, as_json: bool) -> None:
    """As the command."""
    settings, layout = load_settings(), Layout(out)
    with Store.open(settings.url) as store:
        planned = layout.read_run() if layout.run.exists() else plan_removal(out, store)
        if planned is None:
            _tell(layout.read_manifest(), as_json, "nothing to be done: ")
            return
        _drive(out, store, _executor(settings, planned, workers, executor, address, gpus), as_json)


def estimate(
    out: Path, *, everybody: bool, workers: int | None, hourly_cost: float | None, as_json: bool, **asked: Any
) -> None:
    """As the command `plan`."""
    settings = load_settings()
    spec, chosen = _spec(out, settings, **asked)
    with (
        Store.open(settings.url) as store,
        _recommender(settings) as recommender,
        closing(Maker(recommender, spec)) as maker,
        _aside() as folder,
    ):
        versions = maker.versions
        _say_missing(chosen, store)
        planned = preview(folder, out, spec, store, versions, ids=chosen.ids, everybody=everybody)
        users = sum(len(part) for part in planned.users())
        changed = sum(planned.changed(shard) for shard in planned.shards_with_users)
        if not changed:
            raise BadInput("users", f"nothing has changed for any of {users:,} users; --all would make them anew")
        with ShardWriter(folder, 0, spec.archive, arm_models(settings, versions)) as writer:
            measured = measure(some_users(planned), maker, writer)
    told = Estimate.of(
        measured, users, changed, workers=_workers(workers, versions.device, planned.shards), hourly_cost=hourly_cost
    )
    if as_json:
        print_json(asdict(told))
        return
    click.echo(f"{told.changed:,} of {told.users:,} users to be made: {told.pictures:,} pictures, {size(told.bytes)}")
    cost = "" if told.cost is None else f", cost {told.cost:,.2f}"
    click.echo(
        f"about {duration(told.seconds)} by {told.workers} workers ({told.users_per_second:.1f} users a second){cost}; "
        f"measured on {measured.users} users"
    )


def _drive(out: Path, store: Store, executor: Executor, as_json: bool) -> None:
    try:
        manifest = run_shards(out, store, executor, progress=True)
    except KeyboardInterrupt:
        click.echo(f"\nstopped; go on with: persona batch resume {out}", err=True)
        raise
    _tell(manifest, as_json)


def _tell(manifest: Manifest, as_json: bool, first: str = "") -> None:
    if as_json:
        print_json({**manifest.totals.model_dump(), "shards": len(manifest.shards), "changed": not first})
    else:
        click.echo(f"{first}{describe(manifest.totals)}")


def _spec(out: Path, settings: Settings, users: str | None, **given: Any) -> tuple[Spec, Selection]:
    """What is asked for: what the options leave out is as in the directory, or as by default."""
    there = _there(out)
    if users is None and there is not None and there.users not in ("all", "segment"):
        raise BadInput("users", f"{out} is for the users of a list; name that file with --users")
    if users is None and there is not None:
        chosen = Selection(there.users, dict(there.segment))
    else:
        chosen = select(users or "all")
    _say_skipped(chosen)
    base = there.model_dump() if there is not None else {"seed": settings.seed}
    asked = {name: value for name, value in given.items() if value is not None}
    try:
        return Spec.model_validate({**base, **asked, "users": chosen.users, "segment": chosen.segment}), chosen
    except ValidationError as error:
        raise invalid(error) from error


def _there(out: Path) -> Spec | None:
    layout = Layout(out)
    if layout.run.exists():
        return layout.read_run().spec
    return layout.read_manifest().spec if layout.manifest.exists() else None


def _say_skipped(chosen: Selection) -> None:
    if chosen.skipped.skipped:
        print_report(chosen.skipped)


def _say_missing(chosen: Selection, store: Store) -> None:
    if missing := chosen.missing(store) if chosen.ids else []:
        named = ", ".join(missing[:MOST_MISSING]) + (", ..." if len(missing) > MOST_MISSING else "")
        click.echo(f"{len(missing):,} of the list are unknown, or refuse personalisation: {named}", err=True)


@contextmanager
def _recommender(settings: Settings, crowd: Crowd | None = None) -> Iterator[Recommender]:
    """In this process, whose number of threads is that of every worker. crowd: nobody's, where nothing is ranked."""
    set_threads(settings, 1)
    recommender = Recommender.open(settings, crowd)
    try:
        yield recommender
    finally:
        recommender.close()


def _executor(
    settings: Settings, planned: Run, workers: int | None, executor: str, address: str | None, gpus: float
) -> Executor:
    count = _workers(workers, planned.versions.device, len(planned.todo))
    if executor == "local":
        return LocalExecutor(settings, open_maker, count)
    from persona.batch.ray import RayExecutor

    return RayExecutor(settings, open_maker, count, address=address, gpus=gpus)


def _workers(workers: int | None, device: str, shards: int) -> int:
    """As many as are wanted; never more than there are shards."""
    return max(1, min(workers or (cores() if device == "cpu" else 1), shards))


@contextmanager
def _aside() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="persona-batch-") as folder:
        yield Path(folder)
