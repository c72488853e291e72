"""Everything about a user as one JSON document, written piece by piece: a long history never stands in memory whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from pydantic_core import to_json

from persona.recommend.types import picture_url
from persona.store import Store


class Sink(Protocol):
    """A file that is written to."""

    def write(self, content: bytes, /) -> object:
        """Take some bytes."""


def write_export(store: Store, user_id: str, file: Sink) -> None:
    """Write a UserExport. Raises NotFound, with nothing written."""
    start = b"{"
    for name, value in store.export_user(user_id, picture_url):
        file.write(start + to_json(name) + b":")
        if isinstance(value, Iterator):
            _write_list(value, file)
        else:
            file.write(to_json(value))
        start = b","
    file.write(b"}")


def _write_list(values: Iterator[Any], file: Sink) -> None:
    file.write(b"[")
    for number, value in enumerate(values):
        file.write((b"," if number else b"") + to_json(value))
    file.write(b"]")
