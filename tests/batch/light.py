"""Real shards that cost next to nothing: a file and its row, with what a test wants to happen meanwhile."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from persona.batch.layout import Layout
from persona.batch.local import LocalExecutor
from persona.batch.ray import RayExecutor
from persona.batch.types import File, Run, ShardRecord, Spec, Versions
from persona.errors import BadInput
from persona.settings import Settings
from persona.store import Store

VERSIONS = Versions(taste={}, generator={}, looks=None, visual="none", device="cpu", threads=1, batch=1)
RUN = "light"


def begin(out: Path, url: str, shards: int) -> Layout:
    """A directory with a run of so many shards, which the database knows."""
    layout = Layout(out)
    for folder in (layout.work / "index", out / "orders", out / "begun"):
        folder.mkdir(parents=True)
    todo = tuple(range(shards))
    run = Run(run=RUN, spec=Spec(), versions=VERSIONS, shards=shards, todo=todo, users=shards, changed=shards)
    layout.run.write_text(run.model_dump_json())
    with Store.open(url) as store:
        store.begin_run(RUN, run.spec.model_dump(mode="json"))
    return layout


def order(out: Path, shard: int, what: str) -> Path:
    """Have this happen to a shard: raise, die (with its worker), hold (until the file that is returned goes)."""
    path = out / "orders" / str(shard)
    path.write_text(what)
    return path


def begun(out: Path) -> list[tuple[int, int]]:
    """Shard and process of every time that a shard was begun, in that order."""
    found = sorted((path.name.split(".") for path in (out / "begun").iterdir()), key=lambda parts: int(parts[0]))
    return [(int(shard), int(pid)) for _, shard, pid in found]


@dataclass
class LightMaker:
    """Makes shards of a run. The file `closed` says that one was closed."""

    layout: Layout
    run: Run
    store: Store

    def __call__(self, shard: int) -> ShardRecord:
        """As `Make`."""
        (self.layout.out / "begun" / f"{time.time_ns()}.{shard}.{os.getpid()}").touch()
        self._obey(self.layout.out / "orders" / str(shard))
        content = f"shard {shard}\n".encode() * 1000
        digest = hashlib.sha256(content).hexdigest()
        name = f"index/{shard:05}-{digest[:12]}.parquet"
        self._write(name, content)
        file = File(name=name, sha256=digest, bytes=len(content))
        record = ShardRecord(shard=shard, users=1, rows=1, pictures=0, bytes=0, left_out=0, files=(file,))
        self.store.end_shard(self.run.run, shard, record.model_dump(mode="json"), [])
        return record

    def close(self) -> None:
        """Of the store."""
        self.store.close()
        (self.layout.out / "closed").touch()

    def _obey(self, order: Path) -> None:
        what = order.read_text() if order.exists() else ""
        if what == "raise":
            raise BadInput("users", "cannot be used")
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        while what == "hold" and order.exists():
            time.sleep(0.005)

    def _write(self, name: str, content: bytes) -> None:
        part = self.layout.work / f"{name}.{os.getpid()}.part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.layout.work / name)


def open_light(out: Path, settings: Settings) -> LightMaker:
    """As `Open`."""
    layout = Layout(out)
    return LightMaker(layout, layout.read_run(), Store.open(settings.url))


if __name__ == "__main__":  # local|ray OUT URL: two shards of that run, by two workers
    from tests.batch.light import open_light as opening  # of a name that workers can import

    kind = {"local": LocalExecutor, "ray": RayExecutor}[sys.argv[1]]
    executor = kind(Settings(database_url=sys.argv[3]), opening, workers=2)
    print(*sorted(record.shard for record in executor.run(Path(sys.argv[2]), range(2))))
