"""Catalogues as they lie in a directory: what a user was given, the rows of a shard, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from persona.batch.archive import FOLDER, Stored
from persona.batch.layout import Layout
from persona.batch.table import Rows, by_user, entries_of
from persona.batch.types import Manifest, ShardRecord, shard_of
from persona.errors import NotFound
from persona.recommend.entries import Entry


class Shard:
    """The files of one shard, below `base`: of a finished catalogue its directory, of a run under way `.work`."""

    def __init__(self, base: Path, record: ShardRecord) -> None:
        self.base, self.record = base, record
        archive = base / record.files[1].name if len(record.files) > 1 else None
        self.pictures = Stored(base / FOLDER, archive)

    @property
    def index(self) -> Path:
        """Its rows."""
        return self.base / self.record.files[0].name

    def users(self, columns: Sequence[str] | None = None) -> Iterator[tuple[str, Rows]]:
        """Yield (user id, rows), in the order of the ids. columns: None for all."""
        return by_user(self.index, columns)


class Catalogues:
    """A finished directory of catalogues. Raises as `Layout.read_manifest`."""

    def __init__(self, out: Path) -> None:
        self.out = Path(out)
        self.manifest: Manifest = Layout(self.out).read_manifest()

    def shards(self) -> Iterator[Shard]:
        """Yield every shard, in order."""
        return (Shard(self.out, record) for record in self.manifest.shards)

    def shard(self, number: int) -> Shard:
        """One shard. Raises NotFound."""
        if number not in self._records:
            raise NotFound(f"{self.out}: there is no shard {number}; there are {len(self._records)}")
        return Shard(self.out, self._records[number])

    def shard_of(self, user_id: str) -> Shard:
        """The shard that a user is in, if they have a catalogue."""
        return self.shard(shard_of(user_id, len(self._records)))

    def entries(self, user_id: str) -> list[Entry]:
        """What a user was given. Raises NotFound for one who has no catalogue here."""
        shard = self.shard_of(user_id)
        for name, rows in shard.users():
            if name == user_id:
                return entries_of(rows)
        raise NotFound(f"user {user_id!r} has no catalogue in {self.out}: {self._why_not(shard, user_id)}")

    def picture(self, sha256: str, user_id: str) -> bytes:
        """The file of a picture that was made for a user. Raises NotFound."""
        return self.shard_of(user_id).pictures.read(sha256)

    @cached_property
    def _records(self) -> dict[int, ShardRecord]:
        return {record.shard: record for record in self.manifest.shards}

    def _why_not(self, shard: Shard, user_id: str) -> str:
        for one in shard.record.set_aside:
            if one.user_id == user_id:
                return f"set aside, since {one.why}"
        return "not planned, or erased, or without personalisation; `persona batch run` again after a change"
