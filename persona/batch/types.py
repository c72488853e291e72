"""What a run is and what its shards come to: plain records, told apart from how anything is made or stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, JsonValue

from persona.recommend.types import Seed
from persona.settings import Settings
from persona.store.records import Identifier, Record

Kinds = Literal["items", "garments", "outfits", "looks"]
Archive = Literal["tar", "files"]
FORMAT = 1  # raised when a directory that was written can no longer be read by this code


class Spec(Record):
    """What is asked of a run. Two runs into one directory have the same.

    users: "all", "segment" or the digest of a file's list. segment: as `Store.members`.
    """

    users: str = "all"
    segment: dict[str, JsonValue] = Field(default={})
    per_user: Annotated[int, Field(ge=1, le=100)] = 8
    kinds: tuple[Kinds, ...] = ("items", "garments", "outfits", "looks")
    seed: Seed = 0
    archive: Archive = "tar"
    users_per_shard: Annotated[int, Field(ge=1, le=100_000)] = 1000


class Versions(Record):
    """What made a run's pictures: the same of it gives the same bits.

    taste, generator: by arm. device: of the models, cpu or cuda. threads: of a CPU, 1 on a graphics card. batch:
    pictures to a pass.
    """

    taste: dict[str, str]
    generator: dict[str, str]
    looks: str | None
    visual: str
    device: str
    threads: int
    batch: int


class Run(Record):
    """A run as it was planned. run: its id in the store, random. shards: how many there are, and todo: which of them
    are to be made; the others stay as they are. users, changed: planned in all, and of these to be made anew."""

    format: int = FORMAT
    run: str
    spec: Spec
    versions: Versions
    shards: int
    todo: tuple[int, ...]
    users: int
    changed: int


class File(Record):
    """A file of a shard. name: relative to the directory."""

    name: str
    sha256: str
    bytes: int


class SetAside(Record):
    """A user of whom nothing could be made, and why."""

    user_id: Identifier
    why: str


class ShardRecord(Record):
    """What a shard came to. Nothing of it depends on when, where or how often it was made.

    rows: of its index. pictures: different ones, of `bytes` together. left_out: planned users who were erased, or
    refuse personalisation, by the time it was made. files: the index first, then the archive of its pictures if any;
    in a directory of single files they are named by the index.
    """

    shard: int
    users: int
    rows: int
    pictures: int
    bytes: int
    left_out: int
    set_aside: tuple[SetAside, ...] = ()
    files: tuple[File, ...]


class Totals(Record):
    """The sums of a manifest."""

    users: int
    rows: int
    pictures: int
    bytes: int
    set_aside: int

    @classmethod
    def of(cls, shards: Sequence[ShardRecord]) -> Totals:
        """Sums of shards."""
        return cls(
            users=sum(shard.users for shard in shards),
            rows=sum(shard.rows for shard in shards),
            pictures=sum(shard.pictures for shard in shards),
            bytes=sum(shard.bytes for shard in shards),
            set_aside=sum(len(shard.set_aside) for shard in shards),
        )


class Manifest(Record):
    """A finished catalogue: `manifest.json`. It is there once everything else is."""

    format: int = FORMAT
    spec: Spec
    versions: Versions
    shards: tuple[ShardRecord, ...]
    totals: Totals


Make = Callable[[int], ShardRecord]
"""Makes a shard, by its number, and returns once the store says so."""

Open = Callable[[Path, Settings], Make]
"""Opens what makes shards of the run in a directory: models are loaded, connections made. It can be pickled.

Where what it returns has a method `close`, that is called at the end.
"""


class Executor(Protocol):
    """Has shards made somewhere, by what each of its workers opens once."""

    def run(self, out: Path, shards: Sequence[int]) -> Generator[ShardRecord, None, None]:
        """Have these shards of the run in a directory made; yields their records as they come, in any order.

        A worker that dies is replaced, and what it had begun is made again. To close the iterator ends all work at
        once, and so does an error of a shard, which is raised.
        """
        ...


def shard_of(user_id: str, shards: int) -> int:
    """The shard that a user belongs to, by a hash of the id: always the same of so many."""
    return int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8], "big") % shards
