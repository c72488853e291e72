"""A bounded memory of what is costly to make again, in which nothing is made twice at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from persona.batcher import wait_for

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Keeps the values used last, at most so many. Safe to share between threads.

    Single flight: who asks for what another thread is making waits for that one. If that one fails, it is made again
    for whoever waited: an error is its maker's alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._flights: dict[K, Future[V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made if it is not kept. Raises what `make` raises, and TooLate as `wait_for`."""
        return self.get_all([key], lambda _: [make()])[0]

    def get_all(self, keys: Sequence[K], make: Callable[[Sequence[K]], Sequence[V]]) -> list[V]:
        """The values of keys, in order; those that are neither kept nor under way are made by one call."""
        found: dict[K, V] = {}
        while missing := [key for key in dict.fromkeys(keys) if key not in found]:
            mine, theirs = self._claim(missing, found)
            if mine:
                found.update(self._make(mine, make))
            for key, flight in theirs.items():  # after ours: two threads never wait for each other
                if _landed(flight):
                    found[key] = flight.result()
        return [found[key] for key in keys]

    def clear(self) -> None:
        """Forget everything, also what is being made now, once its makers and those who wait for it have it."""
        with self._lock:
            self._values.clear()
            self._flights.clear()

    def _claim(self, keys: Sequence[K], found: dict[K, V]) -> tuple[dict[K, Future[V]], dict[K, Future[V]]]:
        """Flights of those that are not kept: (ours to make, under way elsewhere)."""
        mine: dict[K, Future[V]] = {}
        theirs: dict[K, Future[V]] = {}
        with self._lock:
            for key in keys:
                if key in self._values:
                    self._values.move_to_end(key)
                    found[key] = self._values[key]
                elif key in self._flights:
                    theirs[key] = self._flights[key]
                else:
                    mine[key] = self._flights[key] = Future()
        return mine, theirs

    def _make(self, mine: dict[K, Future[V]], make: Callable[[Sequence[K]], Sequence[V]]) -> dict[K, V]:
        try:
            made = dict(zip(mine, make(list(mine)), strict=True))
        except BaseException as error:
            self._land(mine, {})
            for flight in mine.values():
                flight.set_exception(error)
            raise
        self._land(mine, made)
        for key, flight in mine.items():
            flight.set_result(made[key])
        return made

    def _land(self, mine: dict[K, Future[V]], made: dict[K, V]) -> None:
        with self._lock:
            for key, flight in mine.items():
                if self._flights.get(key) is flight:  # not forgotten meanwhile
                    del self._flights[key]
                    if key in made:
                        self._values[key] = made[key]
            while len(self._values) > self._most:
                self._values.popitem(last=False)


def _landed(flight: Future[V]) -> bool:
    """Whether another's flight ended well, waiting for its end. Raises TooLate past our own deadline."""
    try:
        wait_for(flight)
    except BaseException as error:
        if flight.done() and flight.exception() is error:
            return False
        raise
    return True
