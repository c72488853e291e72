"""What a run will come to, from making a few of its users: pictures, bytes, time and money."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from persona.batch.plan import Plan
from persona.batch.types import ShardRecord
from persona.errors import BadInput

if TYPE_CHECKING:
    from persona.batch.making import Made

WARM_UP = 8  # users made before the clock starts
MOST = 200  # users that are timed
SECONDS = 10.0  # for which users are timed, at most


class Makes(Protocol):
    """What makes catalogues, as `persona.batch.making.Maker`."""

    def make(self, user_ids: Iterable[str]) -> Generator[Made, None, None]:
        """Yield what becomes of each user."""
        ...


class Writes(Protocol):
    """What writes a shard, as `persona.batch.writing.ShardWriter`."""

    def add(self, made: Made) -> None:
        """Write what was made for a user."""
        ...

    def finish(self) -> ShardRecord:
        """Say what it came to."""
        ...


@dataclass(frozen=True)
class Measured:
    """users: that were made and written. record: what they came to. users_per_second: without the warm-up."""

    users: int
    record: ShardRecord
    users_per_second: float


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to come to. users: planned, of whom `changed` are made. bytes: of files. seconds: with so
    many workers, each as fast as the one that was measured. cost: in the currency of the hourly cost, None without
    one."""

    users: int
    changed: int
    pictures: int
    bytes: int
    seconds: float
    workers: int
    users_per_second: float
    cost: float | None

    @classmethod
    def of(
        cls, measured: Measured, users: int, changed: int, *, workers: int = 1, hourly_cost: float | None = None
    ) -> Estimate:
        """From what was measured. hourly_cost: of all workers together."""
        times, files = changed / measured.users, sum(file.bytes for file in measured.record.files)
        rate = measured.users_per_second * workers
        seconds = changed / rate
        return cls(
            users=users,
            changed=changed,
            pictures=round(measured.record.pictures * times),
            bytes=round(max(files, measured.record.bytes) * times),
            seconds=seconds,
            workers=workers,
            users_per_second=rate,
            cost=None if hourly_cost is None else seconds / 3600 * hourly_cost,
        )


def measure(user_ids: Sequence[str], maker: Makes, writer: Writes, *, seconds: float = SECONDS) -> Measured:
    """Make and write users, the first of them to warm up, until so many seconds have passed. Raises BadInput for no
    users."""
    if not user_ids:
        raise BadInput("users", "nothing has changed for anybody, so there is nothing to measure")
    warm = min(WARM_UP, len(user_ids) // 2)
    began, done = time.perf_counter(), 0
    with closing(maker.make(user_ids)) as made:
        for done, one in enumerate(made, start=1):
            writer.add(one)
            if done == warm:
                began = time.perf_counter()
            if done > warm and time.perf_counter() - began > seconds:
                break
        spent = time.perf_counter() - began
    return Measured(done, writer.finish(), (done - warm) / max(spent, 1e-9))


def some_users(plan: Plan) -> list[str]:
    """Users of a plan who are to be made, as many as are measured at most, as if drawn at random; always the same."""
    found: list[str] = []
    for shard in plan.shards_with_users:
        found += [one.member.user_id for one in plan.shard(shard) if one.todo]
        if len(found) >= MOST + WARM_UP:
            break
    return sorted(found, key=lambda user_id: hashlib.sha256(user_id.encode()).digest())[: MOST + WARM_UP]
