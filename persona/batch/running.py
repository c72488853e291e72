"""Driving a run: shards made until each has its row, nobody in them who is gone, and then the end of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pydantic import ValidationError
from tqdm import tqdm

from persona.batch.finish import FOLDERS, finish, settle
from persona.batch.layout import Layout
from persona.batch.lock import driving
from persona.batch.plan import Plan
from persona.batch.types import Executor, Manifest, Run, ShardRecord
from persona.errors import Conflict, NotFound
from persona.store import Store


def run_shards(out: Path, store: Store, executor: Executor, *, progress: bool = False) -> Manifest:
    """Make what is left of the run under way in a directory, and finish it; returns the manifest.

    However often this is stopped or killed, the next call goes on from the shards that are made. Ctrl-C and SIGTERM
    stop it at once, as KeyboardInterrupt. progress: shown on standard error.

    Raises NotFound where no run is under way, or the database does not know it, Conflict where somebody else drives it
    or it was finished in another copy of the directory, NoRoom, and what a shard raises.
    """
    layout = Layout(out)
    layout.read_run()
    with driving(layout), _terminable():
        run = layout.read_run()
        if not layout.next_manifest.exists():
            _check_known(layout, store, run)
            settle(layout, run, _made(layout, store, run, executor, progress))
        return finish(layout, store)


def standing(layout: Layout, store: Store, run: Run) -> dict[int, ShardRecord]:
    """The shards of a run that are made, by number: those with a row whose files are there."""
    rows = ((shard, _record(layout, row)) for shard, row in store.shards(run.run).items())
    todo = set(run.todo)
    return {shard: record for shard, record in rows if record is not None and shard in todo}


def _made(layout: Layout, store: Store, run: Run, executor: Executor, progress: bool) -> dict[int, ShardRecord]:
    """Have everything made that is not; nobody whom it is made for is gone at the end."""
    plan = Plan(layout.next_plan)
    made = standing(layout, store, run)
    store.drop_shards(run.run, sorted(store.shards(run.run).keys() - made.keys()))
    _remove_parts(layout)
    with tqdm(total=run.changed, unit="user", desc="making", disable=not progress, smoothing=0.1) as shown:
        shown.update(sum(plan.changed(shard) for shard in made))
        while left := [shard for shard in run.todo if shard not in made]:
            with closing(executor.run(layout.out, left)) as records:
                for record in records:
                    made[record.shard] = record
                    shown.set_postfix(pictures=sum(one.pictures for one in made.values()), refresh=False)
                    shown.update(plan.changed(record.shard))
            for shard in _with_gone(layout, store, plan, made):
                store.drop_shards(run.run, [shard])
                shown.update(-plan.changed(shard))
                del made[shard]
    return made


def _with_gone(layout: Layout, store: Store, plan: Plan, made: dict[int, ShardRecord]) -> list[int]:
    """Shards made for somebody who was erased, or refuses personalisation, by now."""
    found = []
    for shard, record in made.items():
        gone = store.gone(one.member.user_id for one in plan.shard(shard))
        if gone and gone & _shown(layout, record):
            found.append(shard)
    return found


def _shown(layout: Layout, record: ShardRecord) -> set[str]:
    """The users whom files of a shard name."""
    index = pq.read_table(layout.work / record.files[0].name, columns=["user_id"])
    return {*index["user_id"].unique().to_pylist(), *(one.user_id for one in record.set_aside)}


def _record(layout: Layout, row: object) -> ShardRecord | None:
    """A shard's record; None where it, or one of its files, is not as it should be."""
    try:
        record = ShardRecord.model_validate(row)
        whole = all((layout.work / file.name).stat().st_size == file.bytes for file in record.files)
    except (ValidationError, FileNotFoundError):
        return None
    return record if whole else None


def _check_known(layout: Layout, store: Store, run: Run) -> None:
    state = store.run_state(run.run)
    if state is None:
        raise NotFound(
            f"{layout.out}: this database knows nothing of the run under way there; was it begun with another one? "
            f"Set PERSONA_DATABASE_URL to that, or remove {layout.work} to plan the run anew"
        )
    if state != "running":
        raise Conflict(f"{layout.out}: this run was finished, in another copy of the directory; use that one")


def _remove_parts(layout: Layout) -> None:
    """Remove what makers that were killed had begun to write."""
    for folder in FOLDERS:
        for path in (layout.work / folder).glob("*.part"):
            path.unlink(missing_ok=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is a KeyboardInterrupt, as Ctrl-C is."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
