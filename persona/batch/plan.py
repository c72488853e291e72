"""Who a run is for, as files: a Parquet file for a range of shards, in it a row group for each shard that has users.

However many users there are, no more of them are in memory than one file holds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from persona.batch.draft import sync_folder
from persona.errors import BadInput
from persona.store.batches import Member

FILES = 64  # at most, of a plan
SPILLED = 50_000  # users that are held before they are written to where their shard is sorted
MEMBERS = pa.schema(
    [
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("changed", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("events", pa.int64(), nullable=False),
        pa.field("watermark", pa.int64(), nullable=False),
    ]
)
SCHEMA = MEMBERS.append(pa.field("todo", pa.bool_(), nullable=False))
_ITEMS = "items.parquet"


@dataclass(frozen=True)
class Planned:
    """A user of a shard. todo: to be made anew; otherwise what there is of them stays."""

    member: Member
    todo: bool


@dataclass(frozen=True)
class Chosen:
    """What of some users is to be made. todo: bool for each. shards: that are to be written anew, whoever changed."""

    todo: NDArray[np.bool_]
    shards: frozenset[int]


@dataclass(frozen=True)
class Written:
    """What a plan that was written comes to. todo: shards to be made. changed: users to be made."""

    users: int
    changed: int
    todo: tuple[int, ...]


Choose = Callable[[pa.Table, range], Chosen]
"""Says what is to be made of users (`MEMBERS`, by shard and id) who are all there are of a range of shards."""


class Plan:
    """A plan that was written. Safe to share between threads: nothing stays open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def shard(self, number: int) -> list[Planned]:
        """The users of a shard, sorted by id; none of one without users."""
        path = self._path(number)
        with _reading(path) as file:
            group = _groups(file).get(number)
            if group is None:
                return []
            columns = file.read_row_group(group).to_pydict()
        names = ("user_id", "changed", "events", "watermark")
        members = zip(*(columns[name] for name in names))
        return [Planned(Member(*member), todo) for member, todo in zip(members, columns["todo"])]

    def changed(self, number: int) -> int:
        """How many users of a shard are to be made anew."""
        with _reading(self._path(number)) as file:
            group = _groups(file).get(number)
            return 0 if group is None else pc.sum(file.read_row_group(group, columns=["todo"])["todo"]).as_py()

    def rows(self, shards: range) -> pa.Table:
        """The users (`SCHEMA`) of a range of shards, which is one that the plan was written in."""
        with _reading(self.folder / _name(shards)) as file:
            return file.read()

    @cached_property
    def shards_with_users(self) -> tuple[int, ...]:
        """Their numbers, in order."""
        found: list[int] = []
        for path, _ in self._files:
            with _reading(path) as file:
                found += _groups(file)
        return tuple(found)

    @cached_property
    def shards(self) -> int:
        """How many there are, with users or without."""
        return self._files[-1][1].stop

    def users(self) -> Iterator[list[str]]:
        """Yield the ids of all users, some thousand at a time."""
        for path, _ in self._files:
            with _reading(path) as file:
                for batch in file.iter_batches(columns=["user_id"]):
                    yield batch["user_id"].to_pylist()

    @cached_property
    def items(self) -> pa.ChunkedArray:
        """Ids of the items that could be chosen when it was written."""
        with _reading(self.folder / _ITEMS) as file:
            return file.read()["item_id"]

    @cached_property
    def _files(self) -> list[tuple[Path, range]]:
        found = [(path, _span(path)) for path in self.folder.glob("*-*.parquet")]
        if not found:
            raise BadInput(str(self.folder), "holds no plan; plan the run anew into an empty directory")
        return sorted(found, key=lambda one: one[1].start)

    def _path(self, shard: int) -> Path:
        for path, shards in self._files:
            if shard in shards:
                return path
        raise BadInput(str(self.folder), f"knows no shard {shard}; is it the plan of another run?")


def write_plan(
    folder: Path, shards: int, members: Iterable[Sequence[Member]], choose: Choose, items: Sequence[str] = ()
) -> Written:
    """Write a plan for these users: all of it, on the disk, or nothing. items: that can be chosen.

    The same users give the same files, in whatever order they come. Raises OSError where the disk is full.
    """
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    spill = _Spill(draft, shards)
    for part in members:
        spill.add(part)
    users = changed = 0
    todo: list[int] = []
    for number, span in enumerate(spill.spans):
        rows = spill.take(number)
        chosen = choose(rows, span)
        _write_rows(draft / _name(span), rows.append_column(SCHEMA.field("todo"), pa.array(chosen.todo)))
        users, changed = users + rows.num_rows, changed + int(chosen.todo.sum())
        todo += sorted(chosen.shards)
    _write_items(draft / _ITEMS, items)
    sync_folder(draft)
    os.rename(draft, folder)
    sync_folder(folder.parent)
    return Written(users, changed, tuple(todo))


def shards_of(user_ids: Iterable[str], shards: int) -> NDArray[np.int32]:
    """`types.shard_of` of many users at once."""
    digests = b"".join(hashlib.sha256(user_id.encode()).digest()[:8] for user_id in user_ids)
    return (np.frombuffer(digests, ">u8") % shards).astype(np.int32)


class _Spill:
    """Users on the disk, unsorted, by the file of the plan that they belong into."""

    def __init__(self, folder: Path, shards: int) -> None:
        self._folder, self._shards = folder, shards
        ends = np.linspace(0, shards, min(FILES, shards) + 1).round().astype(int).tolist()
        self.spans = [range(first, end) for first, end in pairwise(ends)]
        self._firsts = np.array([span.start for span in self.spans])
        self._held: list[pa.Table] = []
        self._count = 0
        self._writers: dict[int, Any] = {}

    def add(self, members: Sequence[Member]) -> None:
        if not members:
            return
        ids, *rest = zip(*[(one.user_id, one.changed, one.events, one.watermark) for one in members])
        columns = [shards_of(ids, self._shards), ids, *rest]
        self._held.append(pa.table([pa.array(c, f.type) for c, f in zip(columns, MEMBERS)], schema=MEMBERS))
        self._count += len(ids)
        if self._count >= SPILLED:
            self._write()

    def take(self, number: int) -> pa.Table:
        """The users of one of the spans, sorted by shard and id; their file goes."""
        self._write()
        if number not in self._writers:
            return MEMBERS.empty_table()
        self._writers[number].close()
        path = self._file(number)
        with path.open("rb") as file:
            rows = pa.ipc.open_stream(file).read_all()
        path.unlink()
        return rows.sort_by([("shard", "ascending"), ("user_id", "ascending")]).combine_chunks()

    def _write(self) -> None:
        if not self._count:
            return
        rows = pa.concat_tables(self._held)
        place = np.searchsorted(self._firsts, rows["shard"].to_numpy(), side="right") - 1
        order = np.argsort(place, kind="stable")
        rows = rows.take(pa.array(order)).combine_chunks()
        ends = np.searchsorted(place[order], np.arange(len(self.spans) + 1))
        for number, (first, end) in enumerate(pairwise(ends)):
            if end > first:
                self._writer(number).write_table(rows.slice(first, end - first))
        self._held, self._count = [], 0

    def _writer(self, number: int) -> Any:
        if number not in self._writers:
            self._writers[number] = pa.ipc.new_stream(str(self._file(number)), MEMBERS)
        return self._writers[number]

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.spill"


def _write_rows(path: Path, rows: pa.Table) -> None:
    """A file of the plan: a row group for each shard that has users."""
    shards = rows["shard"].to_numpy()
    _, firsts = np.unique(shards, return_index=True)
    with path.open("wb") as file:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for first, end in zip(firsts, [*firsts[1:], len(shards)]):
                writer.write_table(rows.slice(first, end - first), row_group_size=end - first)
        os.fsync(file.fileno())


def _write_items(path: Path, items: Sequence[str]) -> None:
    with path.open("wb") as file:
        pq.write_table(pa.table({"item_id": pa.array(items, pa.string())}), file, compression="zstd")
        os.fsync(file.fileno())


def _name(span: range) -> str:
    return f"{span.start:05d}-{span.stop - 1:05d}.parquet"


def _span(path: Path) -> range:
    first, last = path.stem.split("-")
    return range(int(first), int(last) + 1)


def _groups(file: pq.ParquetFile) -> dict[int, int]:
    """Number of the row group of each shard in a file, in their order."""
    footer = file.metadata
    return {footer.row_group(n).column(0).statistics.min: n for n in range(footer.num_row_groups)}


def _reading(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(str(path), f"is damaged ({error}); plan the run anew into an empty directory") from error
