"""Turns: of many threads only so many compute at once, as Python has one lock for all of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from persona.caller import CALLER


class Turns:
    """So many threads compute at once; the others wait for their turn, or for what is computed elsewhere.

    More threads in Python at once are only slower, as they fight for its lock, and keep everybody else from it: one
    that has but to say no among them. Who waits for another thread gives its turn away meanwhile (`resting`).
    """

    def __init__(self, at_once: int) -> None:
        self._free, self._lock = at_once, threading.Lock()
        self._waiting: deque[threading.Lock] = deque()  # each is let go when its owner's turn has come

    def take(self) -> bool:
        """Wait for a turn, behind those who wait already; False where the caller's deadline comes first."""
        return self._take(CALLER.get().left)

    def take_again(self) -> None:
        """Wait for a turn, without a deadline: who had one has something to bring to its end."""
        self._take(None)

    def give(self) -> None:
        """Let the one who has waited longest have the turn."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _take(self, seconds: float | None) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=-1 if seconds is None else seconds):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it came at the last moment


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
