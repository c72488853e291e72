"""Writes the files of one shard, user by user, and says what it came to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from persona.batch.archive import Archive, Files, Tar
from persona.batch.draft import Draft
from persona.batch.table import IndexWriter, Rows, made_pictures, table_of
from persona.batch.types import Archive as Kind
from persona.batch.types import SetAside, ShardRecord

if TYPE_CHECKING:
    from persona.batch.making import Made

ModelsOf = Callable[[str], tuple[str, str]]
"""The taste model and the generator of a user's arm."""


class ShardWriter:
    """Takes users in the order of their ids; memory does not grow with what it was given, but for 32 bytes a picture.

    As a context it leaves nothing behind unless it was finished. The same users give the same files.
    """

    def __init__(self, base: Path, number: int, archive: Kind, models_of: ModelsOf) -> None:
        """base: the directory of the run under way; the files will be in `index/` and `pictures/` there."""
        self._number, self._models_of = number, models_of
        self._draft = Draft(base, "index", number, "parquet")
        self._index = IndexWriter(self._draft)
        self._archive: Archive = Tar(base, number) if archive == "tar" else Files(base)
        self._seen: set[bytes] = set()
        self._users = self._left_out = self._bytes = 0
        self._set_aside: list[SetAside] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def add(self, made: Made) -> None:
        """Write what was made for a user, or note that nothing was."""
        if made.state == "left_out":
            self.leave_out()
        elif made.state == "set_aside":
            self.set_aside(SetAside(user_id=made.user_id, why=made.why))
        else:
            self.carry(table_of(made, *self._models_of(made.user_id)), made.pictures.__getitem__)

    def carry(self, rows: Rows, read: Callable[[str], bytes]) -> None:
        """Write a user's rows, and those of their pictures that are not in the shard yet. read: the file of one."""
        if rows.num_rows:
            self._users += 1
            self._index.write(rows)
        for sha256, about in made_pictures(rows).items():
            key = bytes.fromhex(sha256)
            if key not in self._seen:
                content = read(sha256)
                self._archive.add(sha256, content, about)
                self._seen.add(key)
                self._bytes += len(content)

    def leave_out(self) -> None:
        """Count a user who was planned and is to have nothing."""
        self._left_out += 1

    def set_aside(self, user: SetAside) -> None:
        """Name a user of whom nothing could be made."""
        self._set_aside.append(user)

    def finish(self) -> ShardRecord:
        """Have all of it on the disk, under the names that its content gives it."""
        self._index.close()
        pictures = self._archive.finish()
        return ShardRecord(
            shard=self._number,
            users=self._users,
            rows=self._index.rows,
            pictures=len(self._seen),
            bytes=self._bytes,
            left_out=self._left_out,
            set_aside=tuple(self._set_aside),
            files=(self._draft.finish(), *pictures),
        )

    def drop(self) -> None:
        """Remove what is not finished."""
        self._index.abandon()
        self._draft.drop()
        self._archive.drop()
