"""Shards made by Ray Data: actors on every machine of a cluster, or on this one."""

from __future__ import annotations

import logging
import math
import os
import pickle
import warnings
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.batch.layout import Layout
from persona.batch.types import Open, ShardRecord, Versions
from persona.batch.working import DEATHS, Outcome, Worker, died
from persona.errors import BadInput, OutOfDate, Unavailable
from persona.settings import Settings

_OBJECT_STORE = 80 * 2**20  # bytes, near the least there is: nothing but the numbers and records of shards goes there


@dataclass(frozen=True)
class RayExecutor:
    """Makes shards with so many actors, each of which opens once and has the CPU threads that the run's models use.

    address: of a running cluster that this machine belongs to, or "auto"; None: as RAY_ADDRESS says, and where that is
    not set, a cluster of this machine alone, for the time of the run. gpus: for each actor; 0: one where the run's
    models are on graphics cards, else none. Lost actors and machines are replaced, and what they had begun is made
    again; a shard that three actors died of is an error that names it. Ray that was started before is left running.

    Every machine needs the run's directory, the models and the store: see "On a cluster" in the README. Raises
    OutOfDate without `persona[ray]`, BadInput where the cluster cannot do this run.
    """

    settings: Settings
    open: Open
    workers: int = 1
    address: str | None = None
    gpus: float = 0

    def run(self, out: Path, shards: Sequence[int]) -> Generator[ShardRecord, None, None]:
        """As `Executor`."""
        if not shards:
            return
        out = out.absolute()
        needs = Needs.of(Layout(out).read_run().versions, self.gpus)
        with _started(_ray(), self.address, self.workers, needs) as ray:
            refuse_sqlite(self.settings.url, {node["NodeManagerAddress"] for node in _nodes(ray)})
            needs.check([node["Resources"] for node in _nodes(ray)])
            worker = Worker(self.open, out, everywhere(self.settings))
            with closing(_outcomes(ray, worker, shards, min(self.workers, len(shards)), needs)) as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome, Exception):
                        raise outcome
                    yield outcome


@dataclass(frozen=True)
class Needs:
    """What an actor needs of a machine."""

    cpus: int
    gpus: float

    @classmethod
    def of(cls, versions: Versions, gpus: float = 0) -> Needs:
        """Of a run. gpus: as `RayExecutor`."""
        return cls(versions.threads, gpus or float(versions.device.startswith("cuda")))

    def check(self, machines: Collection[dict[str, float]]) -> None:
        """Raise BadInput where no machine of the cluster has it, instead of waiting for one for ever."""
        if not any(one.get("CPU", 0) >= self.cpus and one.get("GPU", 0) >= self.gpus for one in machines):
            raise BadInput(
                "executor", f"no machine of the Ray cluster has what an actor of this run needs: {self.cpus} CPUs"
                f" and {self.gpus:g} graphics cards; start Ray there with --num-cpus and --num-gpus"
            )  # fmt: skip


def refuse_sqlite(url: str, machines: Collection[str]) -> None:
    """Raise BadInput for SQLite on several machines: its locks do not reach from one to another."""
    if url.startswith("sqlite") and len(machines) > 1:
        raise BadInput(
            "database_url", f"is SQLite, which is for one machine, but the Ray cluster has {len(machines)}; move to "
            "PostgreSQL, see the README"
        )  # fmt: skip


def everywhere(settings: Settings) -> Settings:
    """The same settings in a process with another working directory."""
    paths = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update={**paths, "database_url": settings.url})


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it tells its makers
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's own, of its own code
            import ray
            import ray.data
    except ImportError as error:
        raise OutOfDate(f"Ray is not installed ({error}): pip install 'persona[ray]'") from error
    return ray


@contextmanager
def _started(ray: ModuleType, address: str | None, workers: int, needs: Needs) -> Iterator[ModuleType]:
    """Ray is there for the time of the block; what was there before stays."""
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        ray.init(address, log_to_driver=False, logging_level="error", **_size(workers, needs, address == "local"))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise Unavailable(f"Ray at {address}: {error}; see `ray status` on a machine of the cluster") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _size(workers: int, needs: Needs, local: bool) -> dict[str, Any]:
    """Of a cluster of our own."""
    if not local:
        return {}
    size = {"num_cpus": workers * needs.cpus, "object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    return size | ({"num_gpus": math.ceil(workers * needs.gpus)} if needs.gpus else {})


def _nodes(ray: ModuleType) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _outcomes(
    ray: ModuleType, worker: Worker, shards: Sequence[int], workers: int, needs: Needs
) -> Generator[Outcome, None, None]:
    """A block for each shard and a task for each block, so that nothing but a shard is ever lost or made again."""
    tally = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tally).remote()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _hush(ray)
        made = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards)).map_batches(
            RayWorker,
            fn_constructor_args=(worker, tally),
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            batch_size=1,
            batch_format="numpy",
            num_cpus=needs.cpus,
            num_gpus=needs.gpus or None,
        )
        blocks = iter(made.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0))
    with closing(blocks):
        try:
            for block in blocks:
                yield from map(pickle.loads, block["outcome"])
        except ray.exceptions.RayError as error:
            raise Unavailable(f"Ray: {str(error).strip().splitlines()[-1]}; see its logs in /tmp/ray") from error


def _hush(ray: ModuleType) -> None:
    """Of this process: the run has its own progress, and Ray's logs are in files."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


class Tally:
    """Counts how often each shard was begun. An actor of its own, as those who begin them may die."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, shard: int) -> int:
        """Return how often it was, with this time."""
        self._begun[shard] += 1
        return self._begun[shard]


class RayWorker:
    """A `Worker` as Ray Data calls it. Outcomes are pickled, errors too: Ray would take them for its own."""

    def __init__(self, worker: Worker, tally: Any) -> None:
        self._worker, self._tally = worker, tally

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Make the shards of a batch."""
        made = [pickle.dumps(self._outcome(int(shard))) for shard in batch["shard"]]
        return {"outcome": np.array(made, dtype=object)}

    def _outcome(self, shard: int) -> Outcome:
        import ray

        if ray.get(self._tally.begin.remote(shard)) > DEATHS:
            return died(shard, "see Ray's logs in /tmp/ray")
        return self._worker(shard)
