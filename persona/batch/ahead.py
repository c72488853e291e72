"""Work ahead: an iterator that is gone through in a thread of its own, some values before they are asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from queue import Empty, Queue
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(source: Generator[T, None, None], most: int, name: str) -> Generator[T, None, None]:
    """Yield what `source` yields, which is made in a thread meanwhile, at most so many values ahead.

    An error of the source is raised in its place. Closing this ends the thread and closes the source.
    """
    runner = _Runner(source, most, name)
    try:
        yield from runner.values()
    finally:
        runner.stop()


class _Runner(Generic[T]):
    def __init__(self, source: Generator[T, None, None], most: int, name: str) -> None:
        self._source, self._stopped = source, threading.Event()
        self._made: Queue[tuple[T] | BaseException | None] = Queue(most)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def values(self) -> Iterator[T]:
        while (made := self._made.get()) is not None:
            if isinstance(made, BaseException):
                raise made
            yield made[0]

    def stop(self) -> None:
        """End the thread, which may wait for room in the queue."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._made.get(timeout=0.01)
            except Empty:
                continue
        self._thread.join()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for value in self._source:
                if self._stopped.is_set():
                    break
                self._made.put((value,))
        except BaseException as error:  # whatever it is: the thread that waits for it has to know
            end = error
        finally:
            self._source.close()
            self._made.put(end)


def in_order(
    pool: Executor, work: Callable[[T], R], source: Generator[T, None, None], most: int
) -> Generator[R, None, None]:
    """Yield work(value) for the values of a source, in their order, done by the pool, at most so many ahead.

    Closing this, or an error, closes the source, cancels what is not begun and waits for the rest.
    """
    under_way: deque[Future[R]] = deque()
    try:
        for value in source:
            under_way.append(pool.submit(work, value))
            if len(under_way) >= most:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        source.close()
        for future in under_way:
            future.cancel()
        for future in under_way:
            if not future.cancelled():
                future.exception()
