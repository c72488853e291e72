"""Where the pictures of a shard go: one tar that WebDataset reads, or single files as the service keeps its own.

In a tar a picture is `SHA256.webp`, and beside it stands `SHA256.json`, which says that a model made it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol, cast

from persona.batch.draft import Draft, sync_disk
from persona.batch.types import File
from persona.catalog.pictures import Pictures, write_whole
from persona.errors import BadInput, NotFound

FOLDER = "pictures"
LABEL = "Made by a model (AI); label it so wherever shown"


class Archive(Protocol):
    """Takes pictures, each once."""

    def add(self, sha256: str, content: bytes, about: Mapping[str, Any]) -> None:
        """Keep a picture's file. about: plain JSON values, what it is."""
        ...

    def finish(self) -> tuple[File, ...]:
        """Have all of it on the disk; returns the shard's own files."""
        ...

    def drop(self) -> None:
        """Give up what is not finished."""
        ...


class Tar:
    """One tar for a shard: nothing in it tells when, where or by whom it was written."""

    def __init__(self, base: Path, number: int) -> None:
        self._base, self._number = base, number
        self._draft: Draft | None = None

    def add(self, sha256: str, content: bytes, about: Mapping[str, Any]) -> None:
        """Keep a picture and its note."""
        if self._draft is None:  # a shard without pictures has no archive
            self._draft = Draft(self._base, FOLDER, self._number, "tar")
            self._tar = tarfile.TarFile(fileobj=cast(IO[bytes], self._draft), mode="w", format=tarfile.USTAR_FORMAT)
        note = json.dumps({**about, "label": LABEL}, sort_keys=True, separators=(",", ":"))
        self._put(f"{sha256}.webp", content)
        self._put(f"{sha256}.json", note.encode())

    def finish(self) -> tuple[File, ...]:
        """Close the archive and name it by its content."""
        if self._draft is None:
            return ()
        self._tar.close()
        return (self._draft.finish(),)

    def drop(self) -> None:
        """Give it up."""
        if self._draft is not None:
            self._draft.drop()

    def _put(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)  # of time 0, user 0 and group 0
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))


class Files:
    """Single files, which shards share. They are brought to the disk together, which takes far less than one by one."""

    def __init__(self, base: Path) -> None:
        self._pictures = Pictures(base / FOLDER)
        self._written = False

    def add(self, sha256: str, content: bytes, about: Mapping[str, Any]) -> None:
        """Keep a picture; what it is stands in the index alone."""
        path = self._pictures.path(sha256)
        if not path.exists() or path.read_bytes() != content:  # a power cut tore it
            write_whole(path, content, durable=False)
        self._written = True

    def finish(self) -> tuple[File, ...]:
        """Wait for the disk. The shard has no file of its own here."""
        if self._written:
            sync_disk(self._pictures.root)
        return ()

    def drop(self) -> None:
        """Nothing: a picture that no index names goes when the run is finished."""


class Stored:
    """The pictures of one shard, to be read. archive: its tar, None where they are single files in `folder`."""

    def __init__(self, folder: Path, archive: Path | None) -> None:
        self._folder, self._archive = Pictures(folder), archive
        self._members: dict[str, tuple[int, int]] | None = None

    def read(self, sha256: str) -> bytes:
        """A picture's file. Raises NotFound, and BadInput for one that is not what its name says."""
        single = self._archive is None
        content = self._folder.open_bytes(sha256) if single else self._member(f"{sha256}.webp")
        if hashlib.sha256(content).hexdigest() != sha256:
            place = self._archive or self._folder.path(sha256)
            raise BadInput(str(place), f"is damaged (picture {sha256}); see `persona batch verify`, make it anew")
        return content

    def note(self, sha256: str) -> bytes:
        """What stands beside a picture in an archive, JSON. Raises as `read`, and NotFound for single files."""
        return self._member(f"{sha256}.json")

    @property
    def members(self) -> dict[str, tuple[int, int]]:
        """Where each file of the archive begins, and its bytes, by name; of single files nothing."""
        if self._members is None:
            self._members = {} if self._archive is None else _members(self._archive)
        return self._members

    def _member(self, name: str) -> bytes:
        if self._archive is None or name not in self.members:
            raise NotFound(f"{name} is not in {self._archive or self._folder.root}")
        offset, size = self.members[name]
        with self._archive.open("rb") as file:
            file.seek(offset)
            return file.read(size)


def _members(archive: Path) -> dict[str, tuple[int, int]]:
    try:
        with tarfile.open(archive, "r:") as tar:
            return {member.name: (member.offset_data, member.size) for member in tar}
    except (OSError, tarfile.TarError) as error:
        raise BadInput(str(archive), f"is damaged ({error}); see `persona batch verify`, make it anew") from error
