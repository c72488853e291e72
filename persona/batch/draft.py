"""A file while it is written: it gets its name, which tells its content, once it is on the disk."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from persona.batch.types import File
from persona.errors import NoRoom

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a quota, a limit on the size of files


class Draft:
    """A file of a shard, as `file` of Python: it can be written to, and told where it is.

    Two that write the same file at the same time do no harm: the second takes the place of the first, and is the same.
    """

    def __init__(self, base: Path, folder: str, number: int, suffix: str) -> None:
        """base: the directory of the run under way; the file will be `folder/NUMBER-HASH.suffix` there."""
        self._base, self._folder, self._number, self._suffix = base, folder, number, suffix
        (base / folder).mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=base / folder, prefix=f"{number:05d}-", suffix=".part")
        self._path, self._file, self._hash, self._size = Path(name), os.fdopen(handle, "wb"), hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        """Add bytes."""
        self._hash.update(content)
        self._file.write(content)
        self._size += memoryview(content).nbytes
        return memoryview(content).nbytes

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def writable(self) -> bool:
        """As of a file."""
        return True

    @property
    def closed(self) -> bool:
        """As of a file."""
        return self._file.closed

    def finish(self) -> File:
        """Put it where it belongs; it is on the disk when this returns."""
        sha256 = self._hash.hexdigest()
        name = f"{self._folder}/{self._number:05d}-{sha256[:12]}.{self._suffix}"
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.chmod(self._path, 0o644)
        os.replace(self._path, self._base / name)
        sync_folder(self._base / self._folder)
        return File(name=name, sha256=sha256, bytes=self._size)

    def drop(self) -> None:
        """Give it up; of a finished one this changes nothing."""
        with suppress(OSError):  # what could not be written before, on a full disk, cannot be now
            self._file.close()
        self._path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_disk(folder: Path) -> None:
    """Have a whole file system on the disk; raises OSError where some of it could not be written."""
    system = ctypes.CDLL(None, use_errno=True)
    if not hasattr(system, "syncfs"):  # only Linux has it
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if system.syncfs(handle):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(handle)


@contextmanager
def telling_no_room(out: Path, then: str = "persona batch resume") -> Iterator[None]:
    """Raise NoRoom where the disk is full, a quota is reached or a file may not grow. then: the command to go on by."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoRoom(f"{out}: no room left there ({error.strerror}); make room, then `{then} {out}`") from error
