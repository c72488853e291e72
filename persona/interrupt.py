"""Long work: Ctrl-C and SIGTERM stop it between two steps, and what was reached is saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
SAVE_SECONDS = 120.0


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, so that a step is never broken off; a second one breaks it off all the same."""
    stop, before = threading.Event(), dict[int, Any]()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def saved(work: Iterable[T], save: Callable[[], None], seconds: float | None = None) -> Iterator[T]:
    """What the work yields after each of its steps, saving every SAVE_SECONDS and at the end, however it comes.

    seconds: to work for at most. Raises KeyboardInterrupt, once it is saved, when asked to stop.
    """
    began = last = time.monotonic()
    fresh = False
    with asked_to_stop() as stop:
        for state in work:
            yield state
            fresh, now = True, time.monotonic()
            if stop.is_set():
                save()
                raise KeyboardInterrupt
            if now - last > SAVE_SECONDS:
                save()
                fresh, last = False, now
            if seconds is not None and now - began > seconds:
                break
    if fresh:
        save()
