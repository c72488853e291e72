"""Shards made on this machine: in this process, or by worker processes beside it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from persona.batch.types import Open, ShardRecord
from persona.batch.working import DEATHS, Outcome, Worker, close_made, died
from persona.settings import Settings
from persona.workers import begin_worker, worker_context

_AHEAD = 2  # shards that a worker has: one under way, one so that it need not wait
_SECONDS_TO_CLOSE = 10.0


@dataclass(frozen=True)
class LocalExecutor:
    """Makes shards with so many worker processes, each of which opens once; with one, in this process itself.

    A worker that dies is replaced; a shard that three of them died of is an error that names it. Workers ignore
    Ctrl-C, and end when this process does, however it ends.
    """

    settings: Settings
    open: Open
    workers: int = 1

    def run(self, out: Path, shards: Sequence[int]) -> Generator[ShardRecord, None, None]:
        """As `Executor`."""
        if self.workers == 1:
            yield from self._here(out, shards)
            return
        crew = _Crew(Worker(self.open, out, self.settings), min(self.workers, len(shards)))
        try:
            yield from crew.make(shards)
            crew.dismiss()
        finally:
            crew.end()

    def _here(self, out: Path, shards: Sequence[int]) -> Iterator[ShardRecord]:
        make = self.open(out, self.settings) if shards else None
        try:
            for shard in shards:
                assert make is not None
                yield make(shard)
        finally:
            close_made(make)


@dataclass
class _Member:
    """A worker process, the pipe to it, and the shards it was given: the first of them is under way."""

    process: BaseProcess
    pipe: Connection
    shards: deque[int] = field(default_factory=deque)

    def give(self, shard: int) -> None:
        self.shards.append(shard)
        self._send(shard)

    def dismiss(self) -> None:
        self._send(None)

    def _send(self, told: int | None) -> None:
        with suppress(OSError):  # it has died, which the end of its pipe tells
            self.pipe.send(told)

    def end(self) -> None:
        self.process.kill()  # a shard half made does not matter, see `Make`
        self.process.join()
        self.pipe.close()


class _Crew:
    """The worker processes of one call."""

    def __init__(self, worker: Worker, size: int) -> None:
        self._worker, self._size = worker, size
        self._context = worker_context(worker.module)
        self._members: list[_Member] = []
        self._deaths: Counter[int] = Counter()

    def make(self, shards: Sequence[int]) -> Iterator[ShardRecord]:
        todo = deque(shards)
        self._hand_out(todo)
        while any(member.shards for member in self._members):
            ready = wait([member.pipe for member in self._members])
            for member in [member for member in self._members if member.pipe in ready]:
                outcome = self._outcome(member, todo)
                self._hand_out(todo)  # before what is yielded takes its time
                if isinstance(outcome, Exception):
                    raise outcome
                if outcome is not None:
                    yield outcome

    def dismiss(self) -> None:
        """Let the workers close what they opened."""
        for member in self._members:
            member.dismiss()
        for member in self._members:
            member.process.join(_SECONDS_TO_CLOSE)

    def end(self) -> None:
        """End all workers at once, whatever they do."""
        for member in self._members:
            member.end()

    def _hand_out(self, todo: deque[int]) -> None:
        for length in range(_AHEAD):  # everybody the first, then everybody the next
            while todo and len(self._members) < self._size:
                self._members.append(self._hire())
            for member in self._members:
                if todo and len(member.shards) <= length:
                    member.give(todo.popleft())

    def _hire(self) -> _Member:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_work, args=(there, self._worker), daemon=True)
        process.start()
        there.close()  # so that the pipe ends when the worker does
        return _Member(process, here)

    def _outcome(self, member: _Member, todo: deque[int]) -> Outcome | None:
        """What a worker made of its first shard; None where it died, and its shards are to be made by others."""
        try:
            outcome: Outcome = member.pipe.recv()
        except (EOFError, OSError):
            return self._bury(member, todo)
        member.shards.popleft()
        return outcome

    def _bury(self, member: _Member, todo: deque[int]) -> Outcome | None:
        member.end()
        self._members.remove(member)
        if not member.shards:
            return None
        begun = member.shards[0]
        self._deaths[begun] += 1
        if self._deaths[begun] == DEATHS:
            return died(begun, f"exit code {member.process.exitcode}")
        todo.extendleft(reversed(member.shards))
        return None


def _work(pipe: Connection, worker: Worker) -> None:
    """The life of a worker process."""
    begin_worker()
    with suppress(EOFError, OSError):  # its parent was killed: it is about to end, too
        for shard in iter(pipe.recv, None):
            pipe.send(worker(shard))
        worker.close()
