"""Drawn garments on disk, the last used ones: what was drawn once need not be drawn again, by any process.

A file is a sha256, a line of JSON and the bytes of picture and content vector. What the sha256 does not fit is no hit:
files are not flushed, so a power cut may tear one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona.catalog.measure import Measures
from persona.catalog.pictures import write_whole
from persona.settings import Settings
from persona.taste.table import Floats

TO_SHARE = 0.9  # of the room that is left filled when the oldest files have to go
ABANDONED = 3600.0  # seconds after which an unfinished file belongs to a process that died
_HASH = hashlib.sha256().digest_size
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """A picture, premultiplied uint8 (h, w, 4), its content vector float32 (64,), and what is measured on it."""

    rgba: NDArray[np.uint8] = field(repr=False)
    feature: Floats = field(repr=False)
    measures: Measures


def drawn_folder(settings: Settings) -> Path:
    """Where drawn garments are kept."""
    return settings.home / "cache" / "drawn"


class Shelf:
    """A folder of drawn garments of at most so many MiB. Safe to share between threads and processes.

    A disk that is full or cannot be written to is no error: then less is kept.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder, self._room = Path(folder), megabytes << 20
        self._left: int | None = None  # bytes until somebody has to look what there is
        self._lock = threading.Lock()

    def get(self, name: str) -> Drawn | None:
        """What is kept under a name (64 hexadecimal digits), None where nothing whole is."""
        path = self._path(name)
        try:
            drawn = _decoded(path.read_bytes())
            os.utime(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return drawn

    def put(self, name: str, drawn: Drawn) -> None:
        """Keep this under a name, and drop what was not used for longest where there is no more room."""
        content = _encoded(drawn)
        if len(content) > self._room:
            return
        try:
            write_whole(self._path(name), content, durable=False)
        except OSError as error:
            log.warning("a drawn garment is not kept: %s", error)
            return
        with self._lock:
            if self._left is None or self._left < len(content):
                self._left = self._tidied()
            self._left -= len(content)

    def remove(self, names: Iterable[str]) -> None:
        """Erase what is kept under these names; nothing there is no error."""
        for name in names:
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _tidied(self) -> int:
        """Erase the files used least lately until there is room. Returns bytes after which to look again: a tenth of
        the room, since other processes fill it, too."""
        files = sorted(_files(self._folder), reverse=True)
        kept = 0
        for used, size, path in files:
            kept += size
            if kept > self._room * TO_SHARE or _unfinished(path, used, files[0][0]):
                kept -= size
                with suppress(OSError):
                    os.unlink(path)
        return int(self._room * (1 - TO_SHARE))


def _files(folder: Path) -> Iterable[tuple[float, int, str]]:
    """(time of the last use, bytes, path) of each file."""
    for within, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # gone meanwhile
                about = os.stat(path := os.path.join(within, name))
                yield about.st_mtime, about.st_size, path


def _unfinished(path: str, used: float, now: float) -> bool:
    return path.endswith(".part") and used < now - ABANDONED


def _encoded(drawn: Drawn) -> bytes:
    head = json.dumps({"shape": drawn.rgba.shape, "measures": asdict(drawn.measures)}).encode()
    feature = np.ascontiguousarray(drawn.feature, "<f4").tobytes()
    content = b"\n".join([head, np.ascontiguousarray(drawn.rgba).tobytes() + feature])
    return hashlib.sha256(content).digest() + content


def _decoded(file: bytes) -> Drawn:
    """Raises ValueError for a file that is not whole."""
    content = file[_HASH:]
    if hashlib.sha256(content).digest() != file[:_HASH]:
        raise ValueError("not as it was written")
    line, arrays = content.split(b"\n", 1)
    head = json.loads(line)
    pixels = int(np.prod(head["shape"]))
    rgba = np.frombuffer(arrays[:pixels], np.uint8).reshape(head["shape"])
    measures = head["measures"]
    measures["lab"] = None if measures["lab"] is None else tuple(measures["lab"])
    return Drawn(rgba, np.frombuffer(arrays[pixels:], "<f4"), Measures(**measures))
