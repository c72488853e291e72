"""Kills runs at random points until they have had enough, and compares what they come to with runs that nobody killed.

`python -m tests.batch.killing FOLDER URL local|workers|command|ray KILLS SEED`: this process has everything imported
and forks a driver for each round, so that a round costs milliseconds. local: drivers are killed, workers: drivers that
have two worker processes, command: `persona batch run` and `resume` with real models, ray: one of Ray's workers, in a
run of two.
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
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas  # noqa: F401  # which pyarrow imports, sooner or later: once here, not in every round
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


@dataclass(frozen=True)
class LightShop:
    """An item and users, for whom a light maker makes their catalogues."""

    url: str
    executor: Executor
    users: int = 48
    items: tuple[str, ...] = ("i1",)

    def prepare(self, folder: Path) -> None:
        """Have the items."""
        rights = Rights(licence="CC0-1.0", source="https://example.org")
        with Store.open(self.url) as store:
            store.put_items([Item(id=one, category="dress", rights=rights) for one in self.items])

    def drive(self, out: Path) -> None:
        """What `persona batch run` does, and `resume`: plan, or go on with what is planned, to the end."""
        with Store.open(self.url) as store:
            if plan(out, SPEC, store, VERSIONS) is not None:
                run_shards(out, store, self.executor)


@dataclass(frozen=True)
class RealShop:
    """A small shop with small real models, for which the commands are given."""

    url: str
    users: int = 12
    items: tuple[str, ...] = ("dress-green-light", "dress-green-dark")

    def prepare(self, folder: Path) -> None:
        """Have the models and the items, and what the commands import."""
        import persona.cli.batch_run  # noqa: F401
        from persona.catalog.pictures import Pictures
        from tests.serve.conftest import make_catalogue, make_models

        settings = {"HOME": folder / "home", "MODELS": folder / "models", "DATABASE_URL": self.url}
        os.environ.update({f"PERSONA_{name}": str(value) for name, value in settings.items()})
        os.environ.update(PERSONA_THREADS="1", PERSONA_DEVICE="cpu")
        make_models(folder / "models")
        with Store.open(self.url) as store:
            make_catalogue(store, Pictures(folder / "home" / "pictures"))

    def drive(self, out: Path) -> None:
        """`persona batch run`, or `resume` where a run is under way."""
        from persona.cli import main

        new = ["run", "--per-user", "1", "--users-per-shard", "2", "--out"]
        begun = Layout(out).run.exists()
        with (out.parent / "said").open("a") as said, redirect_stdout(said), redirect_stderr(said):
            main(["batch", *(["resume"] if begun else new), str(out), "--workers", "1"], standalone_mode=False)


Shop = LightShop | RealShop


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
    shop: Shop
    seed: int
    kills: int = 0
    runs: int = 0
    longest: int = 0
    clean: Path = field(init=False)
    out: Path = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.clean, self.out = self.folder / "clean", self.folder / "out"
        self.folder.mkdir(exist_ok=True)
        self.shop.prepare(self.folder)

    def fight(self, kills: int, killed_run: Callable[[], int]) -> None:
        """Until there were so many. killed_run: has a run into `out` come to its end, and returns how often it was
        killed."""
        while self.kills < kills:
            self._change()
            assert ended(forked(lambda: self.shop.drive(self.clean)))
            count = killed_run()
            self.kills, self.runs, self.longest = self.kills + count, self.runs + 1, max(self.longest, count)
            self._compare()

    def _change(self) -> None:
        with Store.open(self.shop.url) as store:
            if self.runs % 3 == 0:
                shutil.rmtree(self.clean, ignore_errors=True)
                shutil.rmtree(self.out, ignore_errors=True)
                store.bulk_users(Profile(id=f"u{n:03d}") for n in range(self.shop.users))
                return
            user_ids = self.random.sample(store.user_ids(), 4)
            item_id = self.random.choice(self.shop.items)
            store.delete_user(user_ids.pop())
            store.add_events(
                Event(key=f"{user.id}-{self.runs}", user_id=user.id, item_id=item_id, type="like", at=MORNING)
                for user in store.users(user_ids)
            )

    def _compare(self) -> None:
        clean, out = contents(self.clean), contents(self.out)
        assert clean.keys() == out.keys(), sorted(clean.keys() ^ out.keys())
        assert clean == out, [name for name in clean if clean[name] != out[name]]
        assert not Layout(self.out).work.exists()


def drivers_killed(campaign: Campaign) -> Callable[[], int]:
    """Kills whoever drives a run, at some point of it, until one comes to its end."""
    lasts = 0.0  # seconds, of a run that nobody kills: the first

    def run() -> int:
        nonlocal lasts
        kills = 0
        while True:
            began = time.monotonic()
            driver = forked(lambda: campaign.shop.drive(campaign.out))
            if not lasts:
                assert ended(driver)
                lasts = time.monotonic() - began
                return 0
            time.sleep(campaign.random.uniform(0, lasts))
            os.kill(driver, signal.SIGKILL)  # one that has come to its end stays until it is waited for
            if ended(driver):
                return kills
            kills += 1

    return run


def ended(driver: int) -> bool:
    """Whether a driver came to its end, which has to be a good one, and was not killed."""
    status = os.waitpid(driver, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFEXITED(status)


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
    assert isinstance(campaign.shop, LightShop)
    told, tell = os.pipe()
    os.set_blocking(told, False)
    driver = os.getpid()
    killer = forked(lambda: kill_ray_workers(driver, campaign.random, most, tell))  # before there are threads here
    atexit.register(os.kill, killer, signal.SIGKILL)
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    by_ray = replace(
        campaign.shop, executor=RayExecutor(Settings(database_url=campaign.shop.url), open_slow, workers=2)
    )

    def run() -> int:
        by_ray.drive(campaign.out)
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
    by = LocalExecutor(Settings(database_url=url), open_quick, 2 if who == "workers" else 1)
    campaign = Campaign(Path(folder), RealShop(url) if who == "command" else LightShop(url, by), int(seed))
    most = int(kills)
    campaign.fight(most, ray_workers_killed(campaign, most) if who == "ray" else drivers_killed(campaign))
    print(json.dumps({"kills": campaign.kills, "runs": campaign.runs, "longest": campaign.longest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
