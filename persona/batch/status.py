"""How far a directory's run is, from what its shards said so far."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from persona.batch.layout import Layout
from persona.batch.running import standing
from persona.batch.types import Manifest, Run, SetAside, ShardRecord, Totals
from persona.errors import NotFound
from persona.store import Store

LAST = 20  # shards that the rate is taken from

State = Literal["running", "stopped", "done"]


@dataclass(frozen=True)
class Status:
    """A directory's state. state: stopped, where nobody drives a run that is under way. shards, done: to be made, and
    made; of a finished catalogue all of it. totals: of what is made. users_per_second, seconds_left: as of the last
    shards, None while nobody works or too little is made. set_aside: who and why."""

    state: State
    shards: int
    done: int
    users: int
    totals: Totals
    set_aside: tuple[SetAside, ...]
    users_per_second: float | None = None
    seconds_left: float | None = None


def status(out: Path, store: Store) -> Status:
    """Look how far things are; nothing is changed. Raises NotFound where there is neither a run nor a catalogue."""
    layout = Layout(out)
    if layout.run.exists():
        return _under_way(layout, store, layout.read_run())
    if not layout.manifest.exists():
        raise NotFound(f"{out}: no catalogue here; make one with `persona batch run --out {out}`")
    return _finished(layout.read_manifest())


def _finished(manifest: Manifest) -> Status:
    count = len(manifest.shards)
    return Status("done", count, count, manifest.totals.users, manifest.totals, _aside(manifest.shards))


def _under_way(layout: Layout, store: Store, run: Run) -> Status:
    made = {} if layout.next_manifest.exists() else standing(layout, store, run)
    records = tuple(made.values()) or _to_be(layout, run)
    working, rate = _driven(layout), _rate(made, store.shard_times(run.run))
    left = (len(run.todo) - len(records)) * (run.users / run.shards)
    return Status(
        state="running" if working else "stopped",
        shards=len(run.todo),
        done=len(records),
        users=run.users,
        totals=Totals.of(records),
        set_aside=_aside(records),
        users_per_second=rate if working else None,
        seconds_left=left / rate if working and rate else None,
    )


def _to_be(layout: Layout, run: Run) -> tuple[ShardRecord, ...]:
    """The shards of a run that is being finished."""
    if not layout.next_manifest.exists():
        return ()
    todo = set(run.todo)
    return tuple(record for record in layout.read_next_manifest().shards if record.shard in todo)


def _rate(made: dict[int, ShardRecord], times: dict[int, datetime]) -> float | None:
    """Users a second, from the first to the last of the shards that were made last."""
    last = sorted((at, shard) for shard, at in times.items() if shard in made)[-LAST:]
    if len(last) < 2:
        return None
    seconds = (last[-1][0] - last[0][0]).total_seconds()
    return sum(made[shard].users for _, shard in last[1:]) / seconds if seconds else None


def _aside(records: tuple[ShardRecord, ...]) -> tuple[SetAside, ...]:
    return tuple(one for record in records for one in record.set_aside)


def _driven(layout: Layout) -> bool:
    """Whether somebody holds the lock."""
    try:
        with layout.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
