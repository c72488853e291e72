"""Nothing is made twice at the same time, an error is its maker's alone, and what is cleared is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from persona.caller import CALLER, Caller
from persona.errors import TooLate
from persona.recommend.memo import Memo


def test_many_threads_that_ask_for_one_thing_have_it_made_once() -> None:
    memo: Memo[int, str] = Memo(10)
    made: list[int] = []

    def make(keys: Sequence[int]) -> list[str]:
        made.extend(keys)
        time.sleep(0.02)
        return [str(key) for key in keys]

    with ThreadPoolExecutor(16) as pool:
        asked = [[n % 4, (n + 1) % 4, n % 4] for n in range(64)]
        assert list(pool.map(lambda keys: memo.get_all(keys, make), asked)) == [[str(k) for k in ks] for ks in asked]
    assert sorted(made) == [0, 1, 2, 3]


def test_a_maker_that_fails_poisons_nothing() -> None:
    memo: Memo[str, int] = Memo(10)
    first, go = threading.Event(), threading.Event()

    def fail() -> int:
        first.set()
        assert go.wait(5)
        raise ValueError("mine alone")

    with ThreadPoolExecutor(4) as pool:
        failing = pool.submit(memo.get, "key", fail)
        assert first.wait(5)
        others = [pool.submit(memo.get, "key", lambda: 7) for _ in range(3)]
        go.set()
        with pytest.raises(ValueError, match="mine alone"):
            failing.result(5)
        assert [other.result(5) for other in others] == [7, 7, 7]


def test_who_waits_for_another_waits_until_the_deadline() -> None:
    memo: Memo[str, int] = Memo(10)
    first, go = threading.Event(), threading.Event()

    def slow() -> int:
        first.set()
        assert go.wait(5)
        return 1

    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(memo.get, "key", slow)
        assert first.wait(5)
        before = CALLER.set(Caller("test", time.monotonic() + 0.05))
        with pytest.raises(TooLate):
            memo.get("key", slow)
        CALLER.reset(before)
        go.set()
        assert making.result(5) == 1


def test_what_is_cleared_while_it_is_made_is_not_kept() -> None:
    memo: Memo[str, int] = Memo(10)

    def make_and_clear() -> int:
        memo.clear()
        return 1

    assert memo.get("key", make_and_clear) == 1
    assert memo.get("key", lambda: 2) == 2


def test_the_values_used_last_are_kept() -> None:
    memo: Memo[int, int] = Memo(2)
    for key in (1, 2, 1, 3):
        memo.get(key, lambda: 0)
    assert memo.get(1, lambda: 9) == 0
    assert memo.get(2, lambda: 9) == 9
