"""Where one worker counts requests: a dict under a lock.

The `memory` storage of `limits` starts a thread up to a hundred times a second to forget what has expired, and loses
counts between two of its locks; here what has expired is forgotten when there is much of it.
"""

from __future__ import annotations

import threading
import time

from limits.storage import Storage

_MANY = 10_000  # counts, after which those that have expired are looked for


class LocalCounts(Storage):
    """Counts in fixed windows, in this process alone. Known to `limits` as `local://`."""

    STORAGE_SCHEME = ["local"]  # noqa: RUF012  # as the class above has it

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: float | str | bool) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, float]] = {}  # how many, and until when

    @property
    def base_exceptions(self) -> type[Exception]:
        """What it may raise: nothing of its own."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count `amount` more; a window lasts `expiry` seconds from its first count. Returns how many there are."""
        now = time.time()
        with self._lock:
            count, until = self._counts.get(key, (0, 0.0))
            if until <= now:
                count, until = 0, now + expiry
                self._forget(now)
            self._counts[key] = count + amount, until
            return count + amount

    def get(self, key: str) -> int:
        """How many there are in the window."""
        count, until = self._counts.get(key, (0, 0.0))
        return count if until > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds since 1970; now, for one that has not begun."""
        return max(self._counts.get(key, (0, 0.0))[1], time.time())

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything; returns how many counts there were."""
        with self._lock:
            number = len(self._counts)
            self._counts.clear()
        return number

    def clear(self, key: str) -> None:
        """Forget one count."""
        with self._lock:
            self._counts.pop(key, None)

    def _forget(self, now: float) -> None:
        if len(self._counts) >= _MANY:
            self._counts = {key: kept for key, kept in self._counts.items() if kept[1] > now}
