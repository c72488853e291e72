"""The line as a state machine: any order of offers, time passing, takes and abandonments keeps its promises."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from persona.errors import Busy, TooLate
from persona.queueing import Job, Line

BATCH, WAIT, MOST = 3, 2.0, 7
CLIENTS = st.sampled_from(["a", "b", "c"])


def seconds(least: int, most: int) -> st.SearchStrategy[float]:
    """In eighths, which add up exactly."""
    return st.integers(8 * least, 8 * most).map(lambda eighths: eighths / 8)


class Lines(RuleBasedStateMachine):
    """Against a plain model: what was let in, and how each left."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Line[str] = Line(BATCH, WAIT, MOST)
        self.now = 0.0
        self.waiting: dict[int, Job[str]] = {}
        self.left: set[int] = set()
        self.closed = False

    def _leave(self, jobs: list[Job[str]]) -> None:
        for job in jobs:
            assert self.waiting.pop(job.number) is job  # nobody leaves twice, nobody who was not there
            self.left.add(job.number)

    @rule(client=CLIENTS, count=st.integers(0, 9), patience=st.none() | seconds(-1, 9))
    def offer(self, client: str, count: int, patience: float | None) -> None:
        deadline = None if patience is None else self.now + patience
        payloads = [f"{client}-{self.now}-{n}" for n in range(count)]
        empty = not self.waiting
        own = sum(job.client == client for job in self.waiting.values())
        try:
            jobs, gone = self.line.offer(payloads, client, deadline, self.now)
        except TooLate:
            assert patience is not None
            assert patience <= 0
        except Busy:
            assert self.line.retry_after() > 0
            assert self.closed or not empty  # an empty line lets everybody in
        else:
            assert not self.closed
            assert [job.payload for job in jobs] == payloads
            assert all(job.client != client for job in gone)
            assert not ({job.number for job in jobs} & (self.waiting.keys() | self.left))
            self._leave(gone)
            self.waiting |= {job.number: job for job in jobs}
            assert len(self.waiting) <= MOST or empty
            for other in {job.client for job in gone}:  # who had to make room still has as much as who came
                assert sum(job.client == other for job in self.waiting.values()) >= own + count

    @rule(seconds=seconds(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        before = dict(self.waiting)
        batch, late = self.line.take(self.now)
        assert len(batch) <= BATCH
        assert all(job.late(self.now) for job in late)
        assert not any(job.late(self.now) for job in batch)
        self._leave(batch + late)
        if len(batch) < BATCH:
            assert not self.waiting  # nobody was left standing for nothing
        self._taken_fairly(batch, before)

    def _taken_fairly(self, batch: list[Job[str]], before: dict[int, Job[str]]) -> None:
        for client in {job.client for job in before.values()}:
            taken = [job.number for job in batch if job.client == client]
            rest = [job.number for job in self.waiting.values() if job.client == client]
            assert taken == sorted(taken)
            assert not (taken and rest) or max(taken) < min(rest)  # of a client, first come first served
            for other in {job.client for job in batch}:
                more = sum(job.client == other for job in batch)
                assert not rest or more <= len(taken) + 1  # each in turn

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        numbers = data.draw(st.sets(st.sampled_from(sorted(self.waiting))))
        jobs = [self.waiting[number] for number in numbers]
        self.line.abandon(jobs)
        self._leave(jobs)
        self.line.abandon(jobs)  # again is no error

    @rule(jobs=st.integers(1, 9), seconds=seconds(0, 100))
    def done(self, jobs: int, seconds: float) -> None:
        self.line.done(jobs, seconds)

    @rule()
    def close(self) -> None:
        assert {job.number for job in self.line.close()} == set(self.waiting)
        self.closed = True

    @invariant()
    def says_what_waits(self) -> None:
        assert len(self.line) == len(self.waiting)
        due = self.line.due(self.now)
        if not self.waiting:
            assert due is None
        elif self.closed or len(self.waiting) >= BATCH:
            assert due == 0
        else:
            oldest = min(job.arrived for job in self.waiting.values())
            assert due in (0, pytest.approx(max(0, oldest + WAIT - self.now)))


TestLines = Lines.TestCase
TestLines.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_line_that_is_too_long_is_said_to_be_so_at_once() -> None:
    line: Line[int] = Line(2, 0.0, 100)
    line.done(1, 1.0)
    line.offer(range(10), "a", None, 0.0)
    with pytest.raises(Busy) as busy:
        line.offer([0], "a", 5.0, 0.0)
    assert busy.value.retry_after == pytest.approx(10)
    line.offer([0], "b", 5.0, 0.0)  # another client's turn comes second


def test_one_client_cannot_fill_the_line() -> None:
    line: Line[int] = Line(2, 0.0, 10)
    line.offer(range(10), "greedy", None, 0.0)
    _, gone = line.offer(range(3), "modest", None, 0.0)
    assert [job.payload for job in gone] == [9, 8, 7]
    with pytest.raises(Busy):
        line.offer([0], "greedy", None, 0.0)
    batch, _ = line.take(1.0)
    assert [job.client for job in batch] == ["greedy", "modest"]


def test_only_who_comes_in_a_crowd_waits_for_others() -> None:
    line: Line[int] = Line(8, 2.0, 100)
    for now in (0.0, 10.0, 20.0):  # one at a time
        line.offer([0], "a", None, now)
        assert line.due(now) == 0
        line.take(now)
    now = 20.0
    while line.due(now) in (None, 0):  # one after another, within less than half the wait
        line.take(now)
        now += 0.5
        line.offer([0], "a", None, now)
        assert now < 30
    assert line.due(now) == 2.0
    assert line.due(now + 2) == 0
