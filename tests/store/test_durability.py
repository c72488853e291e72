"""What was acknowledged is there after kill -9, once; threads share a store; writers wait for one another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from persona.store import Event, Profile, Store, events

CHECKOUT = Path(__file__).resolve().parents[2]

# Sends events one after the other and says the number of each once it is acknowledged, until it is killed.
WRITER = """
import sys
from datetime import UTC, datetime
from persona.store import Event, Store
store = Store.open(sys.argv[1], check_revision=False)
for number in range(int(sys.argv[2]), 100_000):
    at = datetime(2025, 1, 1, 0, 0, number % 60, tzinfo=UTC)
    store.add_events([Event(key=f"k{number}", user_id="u1", item_id="i1", type="view", at=at)])
    print(number, flush=True)
"""


def test_no_acknowledged_event_is_lost_or_doubled(filled: Store) -> None:
    acknowledged: list[int] = []
    for kill_after in (1, 7, 20):
        start = (
            acknowledged[-1] if acknowledged else 0
        )  # the last one is sent again, as a client that is not sure would
        acknowledged += _write_until_killed(filled.url, start, kill_after)
    stored = Counter(event.key for event in filled.history("u1", limit=100_000))
    assert set(stored.values()) == {1}
    assert {f"k{number}" for number in acknowledged} <= stored.keys()
    assert len(stored) <= len(set(acknowledged)) + 3  # at most one at each kill was stored and not yet acknowledged
    if not filled._postgres:
        with filled._reading() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"


def _write_until_killed(url: str, start: int, kill_after: int) -> list[int]:
    command = [sys.executable, "-c", WRITER, url, str(start)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(kill_after)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
    return [int(line) for line in said if line.endswith("\n")]


def test_sqlite_is_set_to_lose_nothing(sqlite_store: Store) -> None:
    with sqlite_store._reading() as session:
        values = [session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert values == ["wal", 2, 1]  # 2: FULL


def test_threads_share_a_store(filled: Store, an_event: Callable[..., Event]) -> None:
    """Eight threads send the same events in different orders, while others read and change profiles."""
    events = [an_event(str(n), minute=n, user_id=f"u{n % 3 + 1}", item_id=f"i{n % 4 + 1}") for n in range(40)]

    def send(turn: int) -> int:
        rotated = events[turn * 5 :] + events[: turn * 5]
        added = sum(filled.add_events(rotated[start : start + 4]).added for start in range(0, 40, 4))
        filled.put_user(Profile(id=f"u{turn % 3 + 1}"))
        assert len(dict(filled.histories())) == 3
        return added

    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(send, range(8)))
    assert sum(added) == 40
    assert filled.count_events() == 40


def test_erasing_while_events_arrive(filled: Store, an_event: Callable[..., Event]) -> None:
    """The user is there with all that was acknowledged since, or is gone with all of it."""

    def send(number: int) -> None:
        filled.put_user(Profile(id="u1"))
        filled.bulk_events([an_event(str(number), minute=number)], lambda *_: None)

    def erase(_: int) -> None:
        if "u1" in filled.user_ids():
            filled.delete_user("u1")

    with ThreadPoolExecutor(6) as threads:
        jobs = [threads.submit(erase if n % 4 == 3 else send, n) for n in range(48)]
        for job in jobs:
            if job.exception() is not None:
                assert "nothing to erase" in str(job.exception())
    filled.put_user(Profile(id="u1"))
    filled.delete_user("u1")
    assert filled.count_events() == 0


def test_a_number_that_is_seen_later_is_a_higher_one(filled: Store, an_event: Callable[..., Event]) -> None:
    """A second batch of one user waits for the first, so a watermark cannot pass over an event still on its way."""
    with ThreadPoolExecutor(1) as threads:
        with filled._writing() as session:
            events._write(session, [an_event("first")], events._raise)
            second = threads.submit(filled.add_events, [an_event("second")])
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
        assert second.result(timeout=10).added == 1
    assert [event.key for event in filled.history("u1")] == ["first", "second"]
