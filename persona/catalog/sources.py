"""Where pictures to import come from: a folder or a zip archive, read by name and never unpacked.

Names come from strangers, in tables and in archives alike: they stay inside of the source, and what is read is bounded.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol

from persona.errors import BadInput

LARGEST_PICTURE = 64 * 2**20  # bytes of one file; an archive's member counts unpacked
LARGEST_TABLE = 512 * 2**20
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
TABLE_SUFFIXES = (".csv", ".parquet", ".jsonl", ".ndjson")


class Source(Protocol):
    """Files by name: relative, with forward slashes."""

    path: Path

    @property
    def names(self) -> list[str]:
        """Every file's name, sorted, hidden ones left out."""

    def has(self, name: str) -> bool:
        """Is there a file of this name?"""

    def read(self, name: str, largest: int = LARGEST_PICTURE) -> bytes:
        """A file's bytes. Raises BadInput (field "file")."""


class Folder:
    """A folder and what is below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def names(self) -> list[str]:
        found = []
        for folder, below, files in os.walk(self.path):
            below[:] = [name for name in below if not name.startswith(".")]
            found += [(Path(folder) / name).relative_to(self.path).as_posix() for name in files]
        return sorted(filter(_visible, found))

    def has(self, name: str) -> bool:
        return os.path.isfile(self.path / name)  # Path.is_file raises for a name that is too long

    def read(self, name: str, largest: int = LARGEST_PICTURE) -> bytes:
        try:
            with (self.path / name).open("rb") as file:
                return _bounded(name, file.read(largest + 1), largest)
        except OSError as error:
            raise BadInput("file", f"{name!r} cannot be read: {error.strerror}") from None


class Archive:
    """A zip archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInput("path", f"{path.name} cannot be opened as a zip archive ({error})") from None

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        return {_plain(info.filename): info for info in self._file.infolist() if not info.is_dir()}

    @cached_property
    def names(self) -> list[str]:
        return sorted(filter(_visible, self._members))

    def has(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, largest: int = LARGEST_PICTURE) -> bytes:
        if not self.has(name):
            raise BadInput("file", f"{name!r} is not in {self.path.name}")
        try:
            with self._file.open(self._members[name]) as file:
                return _bounded(name, file.read(largest + 1), largest)  # the size in the header may lie
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise BadInput("file", f"{name!r} cannot be read from {self.path.name}: {error}") from None


def _bounded(name: str, content: bytes, largest: int) -> bytes:
    if len(content) > largest:
        raise BadInput("file", f"{name!r} is larger than {largest // 2**20} MB: make it smaller")
    return content


def _plain(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def _visible(name: str) -> bool:
    return not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def open_source(path: Path) -> Source:
    """The folder or zip archive at a path. Raises BadInput."""
    if path.is_dir():
        return Folder(path)
    if path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        return Archive(path)
    if not path.exists():
        raise BadInput("path", f"{path} does not exist: give a folder, a .zip or a table ({', '.join(TABLE_SUFFIXES)})")
    raise BadInput("path", f"{path.name} is no folder, zip archive or table ({', '.join(TABLE_SUFFIXES)})")


def table_in(source: Source) -> str | None:
    """The table that describes the pictures: the one nearest to the top, `items` before others; None without any."""
    tables = [name for name in source.names if name.lower().endswith(TABLE_SUFFIXES)]
    if not tables:
        return None
    top = min(name.count("/") for name in tables)
    highest = [name for name in tables if name.count("/") == top]
    called = [name for name in highest if PurePosixPath(name).stem.lower() == "items"]
    if len(called or highest) > 1:
        raise BadInput("path", f"{source.path.name} holds several tables ({', '.join(highest)}): leave one, or name it")
    return (called or highest)[0]


@contextmanager
def on_disk(source: Source, name: str) -> Iterator[Path]:
    """A file of the source as a path of the same name, for readers that want one; an archive's member for a while."""
    if isinstance(source, Folder):
        yield source.path / name
        return
    with TemporaryDirectory(prefix="persona-") as folder:
        path = Path(folder) / PurePosixPath(name).name
        path.write_bytes(source.read(name, LARGEST_TABLE))
        yield path


class Finder:
    """Finds the file that a table means: by its name beside the table, or by its stem if only one file has that."""

    def __init__(self, source: Source, beside: str = "") -> None:
        self._source, self._beside = source, beside

    def find(self, said: str) -> str:
        """The file's name in the source. Raises BadInput (field "file"), for names that lead out of it too."""
        said = said.replace("\\", "/")
        parts = PurePosixPath(said).parts
        if not parts or ".." in parts or re.match(r"/|[A-Za-z]:|.*\0", said, re.DOTALL):
            raise BadInput("file", f"{said!r} leads out of {self._source.path.name}: name a file below it")
        name = (PurePosixPath(self._beside) / said).as_posix()
        if self._source.has(name):
            return name
        found = self._by_stem.get(PurePosixPath(said).name, []) if not PurePosixPath(said).suffix else []
        if len(found) != 1:
            many = f"stands for {len(found)} files, " if found else "is not there: looked for "
            raise BadInput("file", f"{said!r} {many}{', '.join(found[:3]) or name} in {self._source.path.name}")
        return found[0]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = {}
        for name in only_pictures(self._source.names):
            stems.setdefault(PurePosixPath(name).stem, []).append(name)
        return stems


def only_pictures(names: Iterable[str]) -> list[str]:
    """Those of the names that end like a picture's."""
    return [name for name in names if name.lower().endswith(PICTURE_SUFFIXES)]
