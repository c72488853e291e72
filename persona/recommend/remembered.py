"""People who asked before: their readings, so long as nothing that those came from has changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from persona.recommend.reading import Reading

MOST_BYTES = 128 * 2**20  # of one process
_OF_A_READING, _OF_AN_EVENT, _OF_A_CAUSE, _OF_AN_ITEM = 48_000, 1_300, 600, 6  # bytes, roughly


class Remembered:
    """Keeps the readings used last, up to some memory. Safe to share between threads.

    A key has to tell everything that a reading came from: the person, their stamp, the catalogue's number.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._held = most_bytes, 0
        self._readings: OrderedDict[Hashable, tuple[Reading, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._readings)

    def find(self, key: Hashable) -> Reading | None:
        """The reading under this key; None where there is none, or none any more."""
        with self._lock:
            if key not in self._readings:
                return None
            self._readings.move_to_end(key)
            return self._readings[key][0]

    def keep(self, key: Hashable, reading: Reading) -> None:
        """Remember a reading, and forget those that were not asked for longest."""
        size = _bytes(reading)
        with self._lock:
            _, before = self._readings.pop(key, (None, 0))
            self._readings[key] = reading, size
            self._held += size - before
            while self._held > self._most:
                _, (_, freed) = self._readings.popitem(last=False)
                self._held -= freed

    def clear(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._readings.clear()
            self._held = 0


def _bytes(reading: Reading) -> int:
    """What a reading takes at most, with all that it makes when it is asked."""
    person, items = reading.person, len(reading.catalogue.table)
    causes = len(reading.history) + len(person.profile.preferences)
    return _OF_A_READING + _OF_AN_EVENT * len(person.events) + _OF_A_CAUSE * causes + _OF_AN_ITEM * items
