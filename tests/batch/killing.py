"""Kills runs at random points until they have had enough, and compares what they come to with runs that nobody killed.

`python -m tests.batch.killing FOLDER URL local|workers|ray KILLS SEED`: this process has everything imported and forks
a driver for each round, so that a round costs milliseconds. local: drivers are killed, workers: drivers that have two
worker processes, ray: one of Ray's workers, in a run of two.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from persona.batch.layout import Layout
from persona.batch.local import LocalExecutor
from persona.batch.planning import plan
from persona.batch.ray import RayExecutor
from persona.batch.running import run_shards
from persona.batch.types import Executor, ShardRecord, Spec
from persona.settings import Settings
from persona.store import Event, Item, Profile, Rights, Store
from tests.batch.driven import VERSIONS, Light

USERS = 48
SPEC = Spec(users_per_shard=4)
MORNING = datetime(2025, 5, 4, 10, tzinfo=UTC)


@dataclass
class Slow:
    """Makes shards, with a rest before each: there is time to be killed in. Its store closes with it."""

    make: Light
    store: Store
    seconds: float

    def __call__(self, shard: int) -> ShardRecord:
        """As `Make`."""
        time.sleep(self.seconds)
        return self.make(shard)

    def close(self) -> None:
        """Of the store."""
        self.store.close()


def open_quick(out: Path, settings: Settings) -> Slow:
    """As `Open`."""
    store = Store.open(settings.url)
    return Slow(Light(out, store), store, 0.002)


def open_slow(out: Path, settings: Settings) -> Slow:
    """As `Open`, for workers that take seconds to start."""
    store = Store.open(settings.url)
    return Slow(Light(out, store), store, 0.3)


def drive(out: Path, url: str, executor: Executor) -> None:
    """What `persona batch run` does, and `resume`: plan, or go on with what is planned, to the end."""
    with Store.open(url) as store:
        if plan(out, SPEC, store, VERSIONS) is not None:
            run_shards(out, store, executor)


def contents(out: Path) -> dict[str, bytes]:
    """All files but the lock."""
    lock = Layout(out).lock
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file() and path != lock}


@dataclass
class Campaign:
    """Runs into two directories, of which one is killed; both are asked to come to the same, bit by bit.

    Of three runs in a row the first goes into an empty directory; the others make anew what has changed since: events,
    and users who were erased. kills: so far. runs: that came to their end, and longest: kills of one of them.
    """

    folder: Path
    url: str
    seed: int
    kills: int = 0
    runs: int = 0
    longest: int = 0
    clean: Path = field(init=False)
    out: Path = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.clean, self.out = self.folder / "clean", self.folder / "out"
        with Store.open(self.url) as store:
            rights = Rights(licence="CC0-1.0", source="https://example.org")
            store.put_items([Item(id="i1", category="dress", rights=rights)])
            store.bulk_users(Profile(id=f"u{n:03d}") for n in range(USERS))

    def fight(self, kills: int, killed_run: Callable[[], int]) -> None:
        """Until there were so many. killed_run: has a run into `out` come to its end, and returns how often it was
        killed."""
        while self.kills < kills:
            self._change()
            drive(self.clean, self.url, LocalExecutor(Settings(database_url=self.url), open_quick))
            count = killed_run()
            self.kills, self.runs, self.longest = self.kills + count, self.runs + 1, max(self.longest, count)
            self._compare()

    def _change(self) -> None:
        with Store.open(self.url) as store:
            if self.runs % 3 == 0:
                shutil.rmtree(self.clean, ignore_errors=True)
                shutil.rmtree(self.out, ignore_errors=True)
                store.bulk_users(Profile(id=f"u{n:03d}") for n in range(USERS))
                return
            user_ids = [f"u{n:03d}" for n in self.random.sample(range(USERS), 4)]
            store.delete_user(user_ids.pop())
            known = store.users(user_ids)
            store.add_events(
                Event(key=f"{user.id}-{self.runs}", user_id=user.id, item_id="i1", type="like", at=MORNING)
                for user in known
            )

    def _compare(self) -> None:
        clean, out = contents(self.clean), contents(self.out)
        assert clean.keys() == out.keys(), sorted(clean.keys() ^ out.keys())
        assert clean == out, [name for name in clean if clean[name] != out[name]]
        assert not Layout(self.out).work.exists()


def drivers_killed(campaign: Campaign, workers: int) -> Callable[[], int]:
    """Kills whoever drives a run, at some point of it, until one comes to its end."""
    executor = LocalExecutor(Settings(database_url=campaign.url), open_quick, workers)
    lasts = 0.5  # seconds, of a run that nobody kills; measured by the first

    def run() -> int:
        nonlocal lasts
        kills = 0
        while True:
            began = time.monotonic()
            driver = forked(lambda: drive(campaign.out, campaign.url, executor))
            if not kills and not campaign.runs:
                assert os.waitpid(driver, 0)[1] == 0
                lasts = time.monotonic() - began
                return 0
            time.sleep(campaign.random.uniform(0, 0.7 * lasts))
            os.kill(driver, signal.SIGKILL)  # one that has come to its end stays until it is waited for
            status = os.waitpid(driver, 0)[1]
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0
                return kills
            kills += 1

    return run


def forked(work: Callable[[], None]) -> int:
    """Process id of a child that does this, and nothing of what else its parent would do."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ray_workers_killed(campaign: Campaign, most: int) -> Callable[[], int]:
    """Kills one of Ray's workers now and then, while this process drives the run to its end."""
    told, tell = os.pipe()
    os.set_blocking(told, False)
    driver = os.getpid()
    killer = forked(lambda: kill_ray_workers(driver, campaign.random, most, tell))  # before there are threads here
    atexit.register(os.kill, killer, signal.SIGKILL)
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    executor = RayExecutor(Settings(database_url=campaign.url), open_slow, workers=2)

    def run() -> int:
        drive(campaign.out, campaign.url, executor)
        try:
            return len(os.read(told, 2**16))
        except BlockingIOError:
            return 0

    return run


def kill_ray_workers(driver: int, chance: random.Random, most: int, tell: int) -> None:
    """Kill a worker of this driver now and then, and write a byte for each."""
    killed = 0
    while killed < most:
        time.sleep(chance.uniform(0.5, 2.0))
        family = psutil.Process(driver).children(recursive=True)
        found = [one for one in family if "MapWorker" in "".join(one.cmdline())]
        if found:
            chance.choice(found).kill()
            os.write(tell, b".")
            killed += 1
    time.sleep(3600)


def main(folder: str, url: str, who: str, kills: str, seed: str) -> None:
    """Print how it went, as JSON."""
    campaign = Campaign(Path(folder), url, int(seed))
    most = int(kills)
    if who == "ray":
        campaign.fight(most, ray_workers_killed(campaign, most))
    else:
        campaign.fight(most, drivers_killed(campaign, 2 if who == "workers" else 1))
    print(json.dumps({"kills": campaign.kills, "runs": campaign.runs, "longest": campaign.longest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
