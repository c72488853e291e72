"""A bounded line of jobs that wait for a worker: fair between clients, with deadlines. No threads, no clock of its own.

Everybody else's time comes in as `now`, in seconds on any one clock, so that every order of events can be tried out.
`persona.batcher` puts threads around it.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from persona.errors import Busy, TooLate

T = TypeVar("T")

SHORTEST_RETRY = 0.1  # seconds; nobody is told to come again sooner
_NEWEST = 0.3  # weight of the last batch in the pace: it is forgotten within some ten


@dataclass(frozen=True)
class Job(Generic[T]):
    """One thing to do. client: who asked; deadline: until when it is wanted, None for as long as it takes."""

    number: int
    payload: T = field(repr=False)
    client: str
    arrived: float
    deadline: float | None

    def late(self, now: float) -> bool:
        """Whether nobody wants it any more."""
        return self.deadline is not None and self.deadline <= now


class Line(Generic[T]):
    """Jobs in the order in which they are to be done: of the clients each in turn, of a client first come first served.

    batch: jobs taken at once at most. wait: seconds that a job stands in line for others to go with, at most, and only
    while others come so fast that one may be expected in half of them. most: jobs that may wait; more are only let in
    to an empty line.
    """

    def __init__(self, batch: int, wait: float, most: int) -> None:
        self.batch, self.wait, self.most = batch, wait, most
        self._clients: OrderedDict[str, deque[Job[T]]] = OrderedDict()  # whose turn is next, first
        self._numbers = count()
        self._pace: float | None = None  # seconds a job, as measured
        self._gap, self._last = math.inf, -math.inf  # seconds between offers of late, and when the last one came
        self._closed = False

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def offer(
        self, payloads: Sequence[T], client: str, deadline: float | None, now: float
    ) -> tuple[list[Job[T]], list[Job[T]]]:
        """Let jobs in, all or none: (the jobs, those of others that had to leave for them).

        Where the line is full, the last jobs of whoever has more in it than this client would have make room. Raises
        TooLate past the deadline, and Busy where there is no room, where the line is so long that the deadline would
        pass, and after `close`.
        """
        if deadline is not None and deadline <= now:
            raise TooLate("the time that was left for this request is over: allow more of it")
        if self._closed:
            raise Busy("this server is stopping: send the request again, to another", SHORTEST_RETRY)
        left = None if deadline is None else deadline - now
        if len(self) and left is not None and self.seconds_until(client, len(payloads)) > left:
            raise Busy("so much is waiting that this would not be ready in time: come again later", self.retry_after())
        gone = self._make_room(len(payloads), client)
        jobs = [Job(next(self._numbers), payload, client, now, deadline) for payload in payloads]
        if jobs:
            self._clients.setdefault(client, deque()).extend(jobs)
            self._note_gap(now)
        return jobs, gone

    def abandon(self, jobs: Sequence[Job[T]]) -> None:
        """Forget jobs that nobody waits for any more; those that were taken already are no error."""
        for client in {job.client for job in jobs} & self._clients.keys():
            unwanted = {job.number for job in jobs}
            self._keep(client, deque(job for job in self._clients[client] if job.number not in unwanted))

    def due(self, now: float) -> float | None:
        """Seconds until there is a batch to take, 0 for now; None while nobody waits."""
        if not self._clients:
            return None
        if self._closed or len(self) >= self.batch or self._gap > self.wait / 2:
            return 0.0
        oldest = min(jobs[0].arrived for jobs in self._clients.values())
        return max(0.0, oldest + self.wait - now)

    def take(self, now: float) -> tuple[list[Job[T]], list[Job[T]]]:
        """The next batch, of one job at least where any is wanted, and the late ones before it: (batch, late)."""
        batch: list[Job[T]] = []
        late: list[Job[T]] = []
        while self._clients and len(batch) < self.batch:
            client, jobs = self._clients.popitem(last=False)
            job = jobs.popleft()
            (late if job.late(now) else batch).append(job)
            if jobs:
                self._clients[client] = jobs  # at the end: the others come first
                if job.late(now):
                    self._clients.move_to_end(client, last=False)
        return batch, late

    def done(self, jobs: int, seconds: float) -> None:
        """Learn the pace from a batch that was done."""
        new = seconds / max(jobs, 1)
        self._pace = new if self._pace is None else (1 - _NEWEST) * self._pace + _NEWEST * new

    def seconds_until(self, client: str, jobs: int) -> float:
        """How long it will take until so many more jobs of a client are done, by the pace of late; 0 while unknown."""
        own = len(self._clients.get(client, ())) + jobs
        others = sum(min(len(theirs), own) for name, theirs in self._clients.items() if name != client)
        return (own + others) * (self._pace or 0.0)

    def retry_after(self) -> float:
        """Seconds until the line will be empty, by the pace of late."""
        return max(SHORTEST_RETRY, len(self) * (self._pace or 0.0))

    def close(self) -> list[Job[T]]:
        """Let nobody in any more. Returns those that wait: they stay in line."""
        self._closed = True
        return [job for jobs in self._clients.values() for job in jobs]

    def _note_gap(self, now: float) -> None:
        gap = min(now - self._last, 2 * self.wait)  # a pause counts once: after it a few fast ones show a crowd again
        self._gap = gap if math.isinf(self._gap) else (1 - _NEWEST) * self._gap + _NEWEST * gap
        self._last = now

    def _make_room(self, jobs: int, client: str) -> list[Job[T]]:
        """Jobs put out of a full line for this many of a client's. Raises Busy, changing nothing."""
        lengths = {name: len(theirs) for name, theirs in self._clients.items()}
        excess, own = len(self) + jobs - self.most, lengths.get(client, 0) + jobs
        if excess <= 0 or not lengths:
            return []
        leaving: list[str] = []
        for _ in range(excess):
            longest = max(lengths, key=lambda name: lengths[name])
            if lengths[longest] <= own or longest == client:
                raise Busy("as much is waiting as may wait: come again later", self.retry_after())
            lengths[longest] -= 1
            leaving.append(longest)
        gone = [self._clients[name].pop() for name in leaving]
        for name in set(leaving):
            self._keep(name, self._clients[name])
        return gone

    def _keep(self, client: str, jobs: deque[Job[T]]) -> None:
        if jobs:
            self._clients[client] = jobs
        else:
            del self._clients[client]
