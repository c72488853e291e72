"""The batcher with real threads, and what can go wrong: errors, a hung device, a dead thread, shutdown in flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from persona import batcher as module
from persona.batcher import Batcher, Places
from persona.caller import CALLER, Caller
from persona.errors import Busy, TooLate


@contextmanager
def asking(client: str = "test", seconds: float | None = None) -> Iterator[None]:
    before = CALLER.set(Caller(client, None if seconds is None else time.monotonic() + seconds))
    try:
        yield
    finally:
        CALLER.reset(before)


def squares(seen: list[int]) -> Callable[[Sequence[int]], list[int]]:
    def work(numbers: Sequence[int]) -> list[int]:
        seen.append(len(numbers))
        if any(number < 0 for number in numbers):
            raise ValueError("negative")
        time.sleep(0.002)
        return [number * number for number in numbers]

    return work


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def sizes() -> list[int]:
    return []


@pytest.fixture
def batcher(sizes: list[int]) -> Iterator[Batcher[int, int]]:
    made = Batcher("test", squares(sizes), batch=8, wait=0.002, most=100)
    yield made
    made.close()


class Gate:
    """Work that hangs until it is let go. seen: every payload that it was given."""

    def __init__(self) -> None:
        self.open, self.entered, self.seen = threading.Event(), threading.Event(), list[int]()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.seen += numbers
        self.entered.set()
        assert self.open.wait(20)
        return list(numbers)


def test_everybody_gets_their_own(batcher: Batcher[int, int], sizes: list[int]) -> None:
    def ask(number: int) -> list[int]:
        with asking(f"client-{number % 5}", 20):
            return batcher.results([number, number + 1])

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(400))) == [[n * n, (n + 1) ** 2] for n in range(400)]
    assert max(sizes) == 8
    assert sum(sizes) == 800


def test_an_error_reaches_only_whose_it_is(batcher: Batcher[int, int]) -> None:
    def ask(number: int) -> int | str:
        try:
            return batcher.results([number])[0]
        except ValueError as error:
            return str(error)

    numbers = [-1 if n % 7 == 0 else n for n in range(60)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, numbers)) == ["negative" if n < 0 else n * n for n in numbers]


def test_a_dead_worker_thread_is_replaced(sizes: list[int]) -> None:
    def work(numbers: Sequence[int]) -> list[int]:
        if 13 in numbers:
            raise SystemExit("the thread ends")
        return list(numbers)

    batcher = Batcher("test", work, batch=1, wait=0.0, most=10)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(batcher.results, [number]) for number in (1, 13, 2)]
        assert asked[0].result(5) == [1]
        with pytest.raises(RuntimeError, match="died"):
            asked[1].result(5)
        assert asked[2].result(5) == [2]
    assert batcher.results([3]) == [3]
    assert batcher.healthy
    batcher.close()


def test_results_that_do_not_fit_are_an_error() -> None:
    batcher = Batcher("test", lambda numbers: list(numbers)[1:], batch=4, wait=0.0, most=10)
    with pytest.raises(RuntimeError, match="0 results for 1 jobs"):
        batcher.results([1])
    batcher.close()


def test_a_hung_device(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    batcher = Batcher("test", gate, batch=1, wait=0.0, most=3)
    monkeypatch.setattr(module, "HUNG", 0.1)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.results, [1])
        assert gate.entered.wait(5)

        def ask(number: int) -> str:
            with asking(seconds=0.4):
                try:
                    return f"{batcher.results([number])}"
                except (TooLate, Busy) as error:
                    return type(error).__name__

        began = time.monotonic()
        answers = list(pool.map(ask, range(10, 16)))
        assert time.monotonic() - began < 3
        assert sorted(set(answers)) == ["Busy", "TooLate"]  # three waited in vain, the others were not let in
        assert answers.count("TooLate") == 3
        assert not batcher.healthy
        gate.open.set()
        assert first.result(5) == [1]
    assert batcher.results([2]) == [2]
    assert batcher.healthy
    assert gate.seen == [1, 2]  # those who had gone cost nothing
    batcher.close()


def test_shutdown_finishes_what_was_accepted() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, batch=2, wait=0.0, most=10)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.results, [0])
        assert gate.entered.wait(5)
        others = [pool.submit(batcher.results, [n]) for n in range(1, 6)]
        until(lambda: len(batcher._line) == 5)
        closing = pool.submit(batcher.close)
        until(lambda: batcher._closed)
        with pytest.raises(Busy, match="stopping"):
            batcher.results([9])
        gate.open.set()
        closing.result(5)
        assert [one.result(5) for one in (first, *others)] == [[n] for n in range(6)]


def test_shutdown_does_not_wait_for_ever() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, batch=1, wait=0.0, most=10)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(batcher.results, [n]) for n in range(2)]
        assert gate.entered.wait(5)
        until(lambda: len(batcher._line) == 1)
        batcher.close(0.05)
        for one in asked:
            with pytest.raises(Busy, match="stopped"):
                one.result(5)
        gate.open.set()


def test_clients_take_turns() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, batch=1, wait=0.0, most=50)

    def ask(client: str, numbers: list[int]) -> None:
        with asking(client):
            batcher.results(numbers)

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, "greedy", list(range(20)))]
        assert gate.entered.wait(5)
        asked.append(pool.submit(ask, "modest", [100, 101]))
        until(lambda: len(batcher._line) == 21)
        gate.open.set()
        for one in asked:
            one.result(5)
    assert gate.seen.index(101) <= 5
    batcher.close()


def test_places_are_bounded_fair_and_in_time() -> None:
    places, at_once, most = Places("test", 2, 4), 0, 0
    lock = threading.Lock()

    def ask(number: int) -> str:
        nonlocal at_once, most
        try:
            with asking(f"{number % 3}", 5), places.taken():
                with lock:
                    at_once += 1
                    most = max(most, at_once)
                time.sleep(0.02)
                with lock:
                    at_once -= 1
            return "done"
        except Busy:
            return "busy"

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    assert most == 2
    assert answers.count("done") >= 6
    assert answers.count("busy") >= 1
    with places.taken(), places.taken(), asking(seconds=0.05), pytest.raises(TooLate), places.taken():
        raise AssertionError("there was no place")
    with places.taken(), places.taken():  # whoever left did not keep one
        pass
