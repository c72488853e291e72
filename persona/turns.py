"""Turns: of many threads only so many compute at once, as Python has one lock for all of them."""

from __future__ import annotations

import sys
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
    none = TURNS.set(None)  # there is none to give away within
    try:
        yield
    finally:
        TURNS.reset(none)
        turns.take_again()


PROMPT_SECONDS = 0.0005
_prompt, _counting, _usual = 0, threading.Lock(), sys.getswitchinterval()


@contextmanager
def prompt() -> Iterator[None]:
    """For the time of the block threads that wait for Python's lock get it within half a millisecond.

    A model gives it away with each of its operations, and gets it back, while others compute, only after the switch
    interval. Otherwise that is better left long: threads that share the lock in small pieces are only slower.
    """
    _hurry(1)
    try:
        yield
    finally:
        _hurry(-1)


def _hurry(step: int) -> None:
    global _prompt
    with _counting:
        _prompt += step
        sys.setswitchinterval(PROMPT_SECONDS if _prompt else _usual)
