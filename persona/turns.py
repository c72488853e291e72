"""Turns: of many threads only so many compute at once, as Python has one lock for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue

from persona.caller import CALLER


class Turns:
    """So many threads compute at once; the others wait for their turn, or for what is computed elsewhere.

    More threads in Python at once are only slower, as they fight for its lock, and keep everybody else from it: one
    that has but to say no among them. Who waits for another thread gives its turn away meanwhile (`resting`).
    """

    def __init__(self, at_once: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(at_once):
            self._free.put(None)

    def take(self) -> bool:
        """Wait for a turn; False where the caller's deadline comes first."""
        try:
            self._free.get(timeout=CALLER.get().left)
        except Empty:
            return False
        return True

    def give(self) -> None:
        """Let somebody else have the turn."""
        self._free.put(None)

    def take_again(self) -> None:
        """Wait for a turn, without a deadline: who had one has something to bring to its end."""
        self._free.get()


TURNS: ContextVar[Turns | None] = ContextVar("persona_turns", default=None)


@contextmanager
def resting() -> Iterator[None]:
    """For the time of the block the turn, where this thread has one, is another's."""
    turns = TURNS.get()
    if turns is None:
        yield
        return
    turns.give()
    try:
        yield
    finally:
        turns.take_again()
