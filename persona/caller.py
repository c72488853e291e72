"""Who asks, and until when. Whoever answers a request says it here, so that nothing in between needs to know."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Caller:
    """Who asks, by a name without personal data, and until when (on time.monotonic()); None: as long as it takes."""

    client: str = "local"
    deadline: float | None = None

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, 0 past it; None where there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


CALLER: ContextVar[Caller] = ContextVar("persona_caller", default=Caller())  # noqa: B039  (it is frozen)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Allow no more than so many seconds for what is done in this block, and no more than was allowed around it."""
    caller, latest = CALLER.get(), time.monotonic() + seconds
    token = CALLER.set(replace(caller, deadline=min(latest, caller.deadline or latest)))
    try:
        yield
    finally:
        CALLER.reset(token)
