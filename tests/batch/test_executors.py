"""Executors: one contract, run on each. What they make is real, though light: see `light`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from persona.batch.layout import Layout
from persona.batch.local import LocalExecutor
from persona.batch.ray import Needs, RayExecutor, everywhere, refuse_sqlite
from persona.batch.types import Executor
from persona.errors import BadInput, NotFound, PersonaError
from persona.settings import Settings
from persona.store import Store
from tests.batch.light import RUN, VERSIONS, begin, begun, open_light, order

SHARDS = 8
RAYS_WARNINGS = pytest.mark.filterwarnings("ignore")  # of its own code, wherever it is called


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=sqlite_url)


@pytest.fixture
def out(settings: Settings, tmp_path: Path) -> Path:
    """Of a run of SHARDS shards."""
    return begin(tmp_path / "out", settings.url, SHARDS).out


class ExecutorContract:
    """What every executor does."""

    @pytest.fixture
    def executor(self, settings: Settings) -> Executor:
        """With two workers, or in this process."""
        raise NotImplementedError

    def test_each_shard_is_made_once(self, executor: Executor, out: Path, settings: Settings) -> None:
        records = list(executor.run(out, range(SHARDS)))
        assert sorted(record.shard for record in records) == list(range(SHARDS))
        assert sorted(shard for shard, _ in begun(out)) == list(range(SHARDS))
        with Store.open(settings.url) as store:
            assert store.shards(RUN) == {one.shard: one.model_dump(mode="json") for one in records}
        assert all((Layout(out).work / record.files[0].name).exists() for record in records)

    def test_only_the_shards_asked_for_are_made(self, executor: Executor, out: Path) -> None:
        assert [record.shard for record in executor.run(out, [5])] == [5]
        assert list(executor.run(out, [])) == []

    def test_an_error_of_a_shard_is_raised_as_it_is(self, executor: Executor, out: Path) -> None:
        order(out, 2, "raise")
        with pytest.raises(BadInput, match="users: cannot be used") as raised:
            list(executor.run(out, range(SHARDS)))
        assert (raised.value.field, raised.value.message) == ("users", "cannot be used")

    def test_an_error_in_opening_is_raised_as_it_is(self, executor: Executor, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="no run is under way"):
            list(executor.run(tmp_path, [0]))

    def test_closing_ends_all_work_at_once(self, executor: Executor, out: Path) -> None:
        held = [order(out, shard, "hold") for shard in range(2, SHARDS)]
        records = executor.run(out, range(SHARDS))
        with closing(records):
            next(records)
            before = time.monotonic()
        assert time.monotonic() - before < 5
        done = begun(out)
        for path in held:
            path.unlink()
        time.sleep(0.3)
        assert begun(out) == done
        assert len(list((Layout(out).work / "index").glob("*.parquet"))) <= 2


class WorkersContract(ExecutorContract):
    """What executors with two worker processes do besides."""

    def test_a_killed_worker_is_replaced_and_its_shard_made_again(self, executor: Executor, out: Path) -> None:
        held = order(out, 0, "hold")
        records = executor.run(out, range(SHARDS))
        first = next(records)
        until(lambda: any(shard == 0 for shard, _ in begun(out)))
        victim = next(pid for shard, pid in begun(out) if shard == 0)
        os.kill(victim, signal.SIGKILL)
        held.unlink()
        assert sorted([first.shard, *(record.shard for record in records)]) == list(range(SHARDS))
        assert Counter(shard for shard, _ in begun(out)) == {**dict.fromkeys(range(SHARDS), 1), 0: 2}
        assert psutil.pid_exists(victim) is False

    def test_a_shard_that_kills_its_workers_is_named(self, executor: Executor, out: Path) -> None:
        order(out, 3, "die")
        with pytest.raises(PersonaError, match="shard 3: 3 workers died of it"):
            list(executor.run(out, range(SHARDS)))
        assert Counter(shard for shard, _ in begun(out))[3] == 3

    def test_both_workers_work_at_once(self, executor: Executor, out: Path) -> None:
        held = [order(out, shard, "hold") for shard in range(2)]

        def let_go() -> None:
            until(lambda: len({pid for _, pid in begun(out)}) == 2)
            for path in held:
                path.unlink()

        with ThreadPoolExecutor() as pool:
            letting_go = pool.submit(let_go)
            assert len(list(executor.run(out, range(2)))) == 2
            letting_go.result()


class TestLocalHere(ExecutorContract):
    @pytest.fixture
    def executor(self, settings: Settings) -> Executor:
        return LocalExecutor(settings, open_light)

    def test_what_was_opened_is_closed(self, executor: Executor, out: Path) -> None:
        list(executor.run(out, [0]))
        assert (out / "closed").exists()


class TestLocalWorkers(WorkersContract):
    @pytest.fixture
    def executor(self, settings: Settings, out: Path) -> Iterator[Executor]:
        yield LocalExecutor(settings, open_light, workers=2)
        assert not [pid for _, pid in begun(out) if psutil.pid_exists(pid)], "a worker is left over"

    def test_what_was_opened_is_closed(self, executor: Executor, out: Path) -> None:
        list(executor.run(out, [0, 1]))
        assert (out / "closed").exists()

    def test_the_driver_holds_no_more_for_more_shards(self, settings: Settings, tmp_path: Path) -> None:
        many = begin(tmp_path / "many", settings.url, 300).out
        tracemalloc.start()
        try:
            records = LocalExecutor(settings, open_light, workers=2).run(many, range(300))
            held = [tracemalloc.get_traced_memory()[0] for _ in records]
        finally:
            tracemalloc.stop()
        assert max(held[150:]) - max(held[:150]) < 20_000

    def test_workers_end_with_their_parent(self, executor: Executor, out: Path, settings: Settings) -> None:
        order(out, 0, "hold"), order(out, 1, "hold")
        driver = subprocess.Popen([sys.executable, "-m", "tests.batch.light", "local", str(out), settings.url])
        until(lambda: len(begun(out)) == 2)
        driver.kill()
        driver.wait()
        until(lambda: not any(psutil.pid_exists(pid) for _, pid in begun(out)), seconds=5)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine, as there were two: started once, as that takes seconds."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    yield
    ray.shutdown()


class RayFixture:
    @pytest.fixture
    def executor(self, settings: Settings, cluster: None) -> Executor:
        return RayExecutor(settings, open_light, workers=2)


@pytest.mark.slow
@RAYS_WARNINGS
class TestRay(RayFixture, WorkersContract):
    """All of the contract; it takes minutes."""


@pytest.mark.slow
def test_ray_is_started_for_a_run_and_keeps_quiet(out: Path, settings: Settings) -> None:
    command = [sys.executable, "-m", "tests.batch.light", "ray", str(out), settings.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "1"]
    assert len(done.stderr.splitlines()) < 3, done.stderr
    until(lambda: not any(psutil.pid_exists(pid) for _, pid in begun(out)), seconds=10)


def test_several_machines_need_postgresql() -> None:
    refuse_sqlite("sqlite:///persona.db", {"10.0.0.1"})
    refuse_sqlite("postgresql+psycopg://db/persona", {"10.0.0.1", "10.0.0.2"})
    with pytest.raises(BadInput, match=r"database_url: is SQLite, .* has 2; move to PostgreSQL"):
        refuse_sqlite("sqlite:///persona.db", {"10.0.0.1", "10.0.0.2"})


def test_an_actor_has_what_the_models_need() -> None:
    assert Needs.of(VERSIONS) == Needs(1, 0)
    on_cuda = VERSIONS.model_copy(update={"device": "cuda"})
    assert (Needs.of(on_cuda).gpus, Needs.of(on_cuda, 0.5).gpus) == (1, 0.5)
    Needs(4, 1).check([{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}])
    with pytest.raises(BadInput, match=r"no machine of the Ray cluster has .* 4 CPUs and 1 graphics cards"):
        Needs(4, 1).check([{"CPU": 8.0}, {"CPU": 2.0, "GPU": 1.0}])


def test_settings_mean_the_same_in_another_folder() -> None:
    there = everywhere(Settings(home=Path("home"), models=Path("models")))
    assert (there.home, there.models) == (Path.cwd() / "home", Path.cwd() / "models")
    assert there.url == f"sqlite:///{Path.cwd() / 'home' / 'persona.db'}"
    assert everywhere(there) == there


@pytest.mark.slow
@RAYS_WARNINGS
@pytest.mark.parametrize("room", [2, 1], ids=["room elsewhere", "no room elsewhere"])
def test_a_lost_machine_is_survived(out: Path, settings: Settings, room: int) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed")
    machines = {"include_dashboard": False, "object_store_memory": 80 * 2**20}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": room, **machines})
    try:
        other = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        held = [order(out, shard, "hold") for shard in range(SHARDS)]

        def lose() -> None:
            until(lambda: len({pid for _, pid in begun(out)}) == 2, seconds=60)
            cluster.remove_node(other, allow_graceful=False)
            for path in held:
                path.unlink()

        with ThreadPoolExecutor() as pool:
            losing = pool.submit(lose)
            records = list(
                RayExecutor(settings, open_light, workers=2, address=cluster.address).run(out, range(SHARDS))
            )
            losing.result()
        assert sorted(record.shard for record in records) == list(range(SHARDS))
    finally:
        cluster.shutdown()
