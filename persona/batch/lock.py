"""One driver to a directory: others are told, and a driver that dies lets go by that."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from persona.batch.layout import Layout
from persona.errors import Conflict


@contextmanager
def driving(layout: Layout) -> Iterator[None]:
    """Be the only one that changes this directory, which is made where it is not there. Raises Conflict."""
    layout.out.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"{layout.out}: another process is at work there; see `persona batch status {layout.out}`"
            ) from None
        yield
