"""What a run is expected to come to, and how far one is."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from persona.batch.calibrate import MOST, WARM_UP, Estimate, measure, some_users
from persona.batch.changes import everything
from persona.batch.layout import Layout
from persona.batch.lock import driving
from persona.batch.plan import Chosen, Plan, write_plan
from persona.batch.planning import plan
from persona.batch.running import run_shards
from persona.batch.status import status
from persona.batch.types import File, ShardRecord, Spec
from persona.errors import BadInput, NotFound
from persona.store import Profile, Store
from persona.store.batches import Member
from tests.batch.driven import VERSIONS, Inline

SPEC = Spec(users_per_shard=4)
SLOW_START, STEP = 0.2, 0.01  # seconds


@dataclass
class Slow:
    """Makes users in a known time, after a slow start."""

    ended: bool = False

    def make(self, user_ids: Iterable[str]) -> Generator[str, None, None]:
        try:
            time.sleep(SLOW_START)
            for user_id in user_ids:
                time.sleep(STEP)
                yield user_id
        finally:
            self.ended = True


@dataclass
class Counting:
    """Writes users of two pictures and a hundred bytes each."""

    users: list[str] = field(default_factory=list)

    def add(self, made: str) -> None:
        self.users.append(made)

    def finish(self) -> ShardRecord:
        count = len(self.users)
        files = (
            File(name="index/0", sha256="", bytes=20 * count),
            File(name="pictures/0", sha256="", bytes=80 * count),
        )
        return ShardRecord(
            shard=0, users=count, rows=count, pictures=2 * count, bytes=70 * count, left_out=0, files=files
        )


def test_an_estimate_grows_with_the_users_and_leaves_the_start_out() -> None:
    maker = Slow()
    measured = measure([f"u{n}" for n in range(24)], maker, Counting())
    assert maker.ended
    assert measured.users == 24
    assert 0.2 / STEP < measured.users_per_second < 1 / STEP  # the slow start would make it a tenth
    told = Estimate.of(measured, 5000, 1200, workers=2, hourly_cost=36.0)
    assert (told.users, told.changed, told.pictures, told.bytes) == (5000, 1200, 2400, 120_000)
    assert told.seconds == pytest.approx(1200 / measured.users_per_second / 2)
    assert told.cost == pytest.approx(told.seconds / 100)
    assert Estimate.of(measured, 5000, 1200).cost is None


def test_it_is_measured_for_a_while_and_no_longer() -> None:
    maker, writer = Slow(), Counting()
    measured = measure([f"u{n}" for n in range(1000)], maker, writer, seconds=0.1)
    assert maker.ended
    assert WARM_UP < measured.users == len(writer.users) < 100
    with pytest.raises(BadInput, match="users: nothing has changed"):
        measure([], maker, writer)


def test_users_that_are_measured_are_drawn_from_those_who_are_made(tmp_path: Path) -> None:
    members = [Member(f"u{n:03d}", datetime(2025, 5, 4, tzinfo=UTC), 0, 0) for n in range(300)]
    write_plan(tmp_path / "plan", 3, [members], everything)
    some = some_users(Plan(tmp_path / "plan"))
    assert len(set(some)) == len(some) == MOST + WARM_UP
    assert some != sorted(some)
    write_plan(
        tmp_path / "few", 3, [members],
        lambda rows, shards: Chosen(np.array([user == "u007" for user in rows["user_id"].to_pylist()]), frozenset()),
    )  # fmt: skip
    assert some_users(Plan(tmp_path / "few")) == ["u007"]


def test_status_tells_what_is_done_and_of_whom_nothing_could_be_made(store: Store, tmp_path: Path) -> None:
    store.bulk_users(Profile(id=f"u{n:02d}") for n in range(16))
    out = tmp_path / "out"
    with pytest.raises(NotFound, match="no catalogue here"):
        status(out, store)
    run = plan(out, SPEC, store, VERSIONS)
    assert run is not None
    assert (status(out, store).state, status(out, store).done) == ("stopped", 0)

    def look(shard: int) -> None:
        if shard < 3:
            return
        found = status(out, store)
        assert (found.state, found.shards, found.done, found.users) == ("running", 4, 3, 16)
        assert found.users_per_second is not None
        assert found.seconds_left == pytest.approx(4 / found.users_per_second)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_shards(out, store, Inline(store, "u01", look))
    stopped = status(out, store)
    assert (stopped.state, stopped.done, stopped.seconds_left) == ("stopped", 3, None)
    run_shards(out, store, Inline(store, "u01"))
    done = status(out, store)
    assert (done.state, done.done, done.shards) == ("done", 4, 4)
    assert [(one.user_id, one.why) for one in done.set_aside] == [("u01", "poison")]
    with driving(Layout(out)):
        assert status(out, store).state == "done"


def test_shard_times_are_when_they_were_made(store: Store) -> None:
    store.begin_run("r", {})
    before = datetime.now(UTC)
    store.end_shard("r", 3, {}, [])
    times = store.shard_times("r")
    assert list(times) == [3]
    assert before <= times[3] <= datetime.now(UTC)
