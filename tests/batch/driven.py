"""Runs without models: a light maker and executor that write real files and say so to the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from persona.batch.layout import Layout
from persona.batch.plan import Plan
from persona.batch.planning import plan
from persona.batch.running import run_shards
from persona.batch.types import File, Make, SetAside, ShardRecord, Spec, Versions
from persona.catalog.pictures import Pictures, write_whole
from persona.store import Store

VERSIONS = Versions(taste={}, generator={}, looks=None, visual="none", device="cpu", threads=1, batch=1)
ROW = pa.schema(
    [("user_id", pa.string()), ("kind", pa.string()), ("item_id", pa.string()), ("picture", pa.string()),
     ("detail", pa.string()), ("watermark", pa.int64())]
)  # fmt: skip


def picture_of(user_id: str, watermark: int) -> bytes:
    """What is made for a user with this last event: bytes that pass for a picture."""
    return f"picture for {user_id} up to {watermark}".encode()


class Light:
    """Makes shards: for each user an item (the one liked, if any) and a picture. poison: whom nothing is made for."""

    def __init__(self, out: Path, store: Store, poison: str = "") -> None:
        self._layout, self._store, self._poison = Layout(out), store, poison
        self._run = self._layout.read_run()
        self.made: list[int] = []

    def __call__(self, shard: int) -> ShardRecord:
        """As `types.Make`."""
        self.made.append(shard)
        planned = Plan(self._layout.next_plan).shard(shard)
        left_out = self._store.gone(one.member.user_id for one in planned)
        before = self._carried(shard)
        rows: list[dict[str, object]] = []
        aside = []
        for one in planned:
            user = one.member.user_id
            if user == self._poison:
                aside.append(SetAside(user_id=user, why="poison"))
            elif user not in left_out:
                rows += before[user] if not one.todo and user in before else self._entries(user, one.member.watermark)
        record = self._written(shard, rows)
        record = record.model_copy(
            update={"users": len(planned) - len(left_out), "left_out": len(left_out), "set_aside": tuple(aside)}
        )
        users = [one.member.user_id for one in planned if one.member.user_id not in left_out]
        gone = self._store.end_shard(self._run.run, shard, record.model_dump(mode="json"), users)
        return self(shard) if gone else record

    def _entries(self, user: str, watermark: int) -> list[dict[str, object]]:
        liked = [event.item_id for event in self._store.history(user)][-1:]
        content = picture_of(user, watermark)
        sha256 = hashlib.sha256(content).hexdigest()
        return [
            {"user_id": user, "kind": "item", "item_id": liked[0] if liked else "i2", "detail": "{}", "watermark": 0},
            {"user_id": user, "kind": "garment", "picture": sha256, "detail": "{}", "watermark": watermark},
        ]

    def _carried(self, shard: int) -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = {}
        for path in (self._layout.out / "index").glob(f"{shard:05d}-*"):
            for row in pq.read_table(path).to_pylist():
                found.setdefault(row["user_id"], []).append(row)
        return found

    def _written(self, shard: int, rows: list[dict[str, object]]) -> ShardRecord:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=ROW), sink)
        made = [picture_of(str(r["user_id"]), int(str(r["watermark"]))) for r in rows if r["kind"] == "garment"]
        files = [self._file("index", shard, "parquet", sink.getvalue().to_pybytes())]
        if self._run.spec.archive == "tar":
            files.append(self._file("pictures", shard, "tar", b"".join(made)))
        else:
            for content in made:
                write_whole(Pictures(self._layout.work / "pictures").path(hashlib.sha256(content).hexdigest()), content)
        return ShardRecord(
            shard=shard, users=0, rows=len(rows), pictures=len(made), bytes=sum(map(len, made)), left_out=0,
            files=tuple(files),
        )  # fmt: skip

    def _file(self, folder: str, shard: int, suffix: str, content: bytes) -> File:
        sha256 = hashlib.sha256(content).hexdigest()
        name = f"{folder}/{shard:05d}-{sha256[:12]}.{suffix}"
        path = self._layout.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return File(name=name, sha256=sha256, bytes=len(content))


class Inline:
    """Has shards made one after the other, by a maker of its own for each run. before: called before each shard."""

    def __init__(self, store: Store, poison: str = "", before: Callable[[int], object] = lambda shard: None) -> None:
        self._store, self._poison, self._before = store, poison, before
        self.made: list[int] = []

    def run(self, out: Path, shards: Sequence[int]) -> Generator[ShardRecord, None, None]:
        """As `types.Executor`."""
        make: Make = Light(out, self._store, self._poison)
        for shard in shards:
            self._before(shard)
            self.made.append(shard)
            yield make(shard)


def finished(
    out: Path, spec: Spec, store: Store, *, poison: str = "", meanwhile: Callable[[], object] = lambda: None
) -> Path:
    """A finished catalogue; meanwhile: happens once it is planned."""
    assert plan(out, spec, store, VERSIONS) is not None
    meanwhile()
    run_shards(out, store, Inline(store, poison))
    return out
