"""Micro-batches: many threads ask for single things, one worker thread does them together, fairly and in time.

`persona.caller.CALLER` says who asks and until when.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from typing import Generic, TypeVar

from persona.caller import CALLER
from persona.errors import Busy, TooLate
from persona.metrics import BATCH, QUEUE, REJECTED, WAITED
from persona.queueing import Job, Line
from persona.turns import resting

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")

HUNG = 15.0  # seconds that one batch may take before the batcher calls itself unhealthy
SECONDS_TO_STOP = 8.0  # for what was accepted, on `close`
log = logging.getLogger(__name__)


def wait_for(future: Future[V]) -> V:
    """The result of a future. Raises TooLate past the caller's deadline, and what the future holds."""
    if future.done():
        return future.result()
    try:
        with resting():
            return future.result(CALLER.get().left)
    except FutureTimeout:
        if future.done():  # at the last moment, or the work itself ran into a timeout of its own
            return future.result()
        raise TooLate("this took longer than the time allowed for it: allow more, or ask for less at once") from None


class Batcher(Generic[T, R]):
    """Collects jobs and has them done together by one worker thread. Safe to share between threads.

    work: results for payloads, one each, in order; called from one thread only. An error of it reaches only those
    whose jobs fail by themselves too: after one the jobs of the batch are done singly. A worker thread that dies is
    replaced. While the work hangs, callers get TooLate at their deadlines, the line stays bounded, and `healthy` says
    so.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[T]], Sequence[R]], *, batch: int, wait: float, most: int
    ) -> None:
        """batch, wait, most: as of `Line`."""
        self.name, self._work = name, work
        self._line: Line[tuple[T, Future[R]]] = Line(batch, wait, most)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._doing: list[Job[tuple[T, Future[R]]]] = []
        self._began: float | None = None
        self._closed = False

    @property
    def healthy(self) -> bool:
        """Whether work goes on; False while one batch takes longer than any should."""
        began = self._began
        return began is None or time.monotonic() - began < HUNG

    def results(self, payloads: Sequence[T]) -> list[R]:
        """What becomes of these payloads, in order, waiting for it.

        Raises Busy where the line has no room for them, TooLate at the caller's deadline, and the error of the first
        that failed; what is not begun then is not done.
        """
        jobs = self._submit(payloads)
        try:
            return [wait_for(job.payload[1]) for job in jobs]
        finally:
            if not all(job.payload[1].done() for job in jobs):
                with self._changed:
                    self._line.abandon(jobs)
                    self._measure()

    def close(self, seconds: float = SECONDS_TO_STOP) -> None:
        """Let nobody in any more and finish what was accepted; what is not done after these seconds gets Busy."""
        with self._changed:
            waiting, self._closed = self._line.close(), True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)
        for job in [*waiting, *self._doing]:
            _fail(job, Busy("this server has stopped: send the request again, to another"))

    def _submit(self, payloads: Sequence[T]) -> list[Job[tuple[T, Future[R]]]]:
        caller, pairs = CALLER.get(), [(payload, Future[R]()) for payload in payloads]
        with self._changed:
            try:
                jobs, gone = self._line.offer(pairs, caller.client, caller.deadline, time.monotonic())
            except (Busy, TooLate) as error:
                REJECTED.labels("queue" if isinstance(error, Busy) else "deadline").inc()
                raise
            self._revive()
            self._measure()
            self._changed.notify()
        for job in gone:
            _fail(job, Busy("others have waited for less: come again later", self._line.retry_after()))
        return jobs

    def _revive(self) -> None:
        """Begin a worker thread where there is none alive."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"persona-{self.name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """The worker thread's life. Whatever ends it, nobody waits for what it had begun."""
        try:
            while batch := self._next():
                self._do(batch)
        except BaseException as error:
            log.exception("the %s thread died", self.name)
            for job in self._doing:
                _fail(job, RuntimeError(f"the {self.name} thread died: {error!r}"))
            with self._changed:
                self._doing, self._began = [], None
                if len(self._line):
                    self._thread = None
                    self._revive()

    def _next(self) -> list[Job[tuple[T, Future[R]]]]:
        """The next batch, when it is due; nothing once the batcher is closed and the line is empty."""
        while True:
            with self._changed:
                while (due := self._line.due(time.monotonic())) != 0:
                    if due is None and self._closed:
                        return []
                    self._changed.wait(due)
                batch, late = self._line.take(time.monotonic())
                self._doing = batch
                self._measure()
            for job in late:
                _fail(job, TooLate("its turn came after its deadline"))
            if batch:
                return batch

    def _do(self, batch: list[Job[tuple[T, Future[R]]]]) -> None:
        self._began = began = time.monotonic()
        BATCH.labels(self.name).observe(len(batch))
        for job in batch:
            WAITED.labels(self.name).observe(began - job.arrived)
        try:
            self._together(batch)
        finally:
            self._line.done(len(batch), time.monotonic() - began)
            self._began = None
        self._doing = []

    def _together(self, batch: list[Job[tuple[T, Future[R]]]]) -> None:
        try:
            results = self._work([job.payload[0] for job in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{self.name}: {len(results)} results for {len(batch)} jobs")
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            log.warning("%s: a batch of %d failed (%r), each is tried alone", self.name, len(batch), error)
            for job in batch:
                self._alone(job)
            return
        for job, result in zip(batch, results):
            _settle(job, result)

    def _alone(self, job: Job[tuple[T, Future[R]]]) -> None:
        if job.late(time.monotonic()):
            _fail(job, TooLate("its turn came after its deadline"))
        else:
            self._together([job])

    def _measure(self) -> None:
        QUEUE.labels(self.name).set(len(self._line))


class Places:
    """Room for so many at once; others stand in a bounded, fair line until their deadline. Safe to share."""

    def __init__(self, name: str, at_once: int, most: int) -> None:
        """most: how many may wait."""
        self.name, self._free = name, at_once
        self._line: Line[Future[None]] = Line(1, 0.0, most)
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place, for the time of the block, in which its turn is another's: what takes a place has room of its own.
        Raises Busy and TooLate as `Batcher.results`."""
        self._enter()
        began = time.monotonic()
        try:
            with resting():
                yield
        finally:
            with self._lock:
                self._line.done(1, time.monotonic() - began)
                self._free += 1
                self._hand_out()

    def _enter(self) -> None:
        caller, turn = CALLER.get(), Future[None]()
        with self._lock:
            jobs, gone = self._line.offer([turn], caller.client, caller.deadline, time.monotonic())
            self._hand_out()
        for job in gone:
            job.payload.set_exception(Busy("others have waited for less: come again later", self._line.retry_after()))
        try:
            wait_for(turn)
        except BaseException:
            with self._lock:
                self._line.abandon(jobs)
                if turn.done() and turn.exception() is None:  # it came at the last moment
                    self._free += 1
                    self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._free and len(self._line):
            batch, late = self._line.take(time.monotonic())
            for job in late:
                job.payload.set_exception(TooLate("its turn came after its deadline"))
            for job in batch:
                self._free -= 1
                job.payload.set_result(None)
        QUEUE.labels(self.name).set(len(self._line))


def _settle(job: Job[tuple[T, Future[R]]], result: R) -> None:
    if not job.payload[1].done():
        job.payload[1].set_result(result)


def _fail(job: Job[tuple[T, Future[R]]], error: BaseException) -> None:
    if not job.payload[1].done():
        job.payload[1].set_exception(error)
