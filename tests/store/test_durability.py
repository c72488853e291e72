"""What was acknowledged is there after kill -9, once; threads share a store; writers wait for one another."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import pytest
from sqlalchemy import text

from persona.store import Event, Profile, Store, events

CHECKOUT = Path(__file__).resolve().parents[2]

# Forks a writer for each line that it reads, which saves importing everything a thousand times. A writer sends events
# one after the other from that number on, and says the number of each once it is acknowledged, until it is killed.
FORKS = """
import os, sys
from datetime import UTC, datetime
from persona.store import Event, Store
for line in sys.stdin:
    if pid := os.fork():
        print("writer", pid, flush=True)
        os.waitpid(pid, 0)
        print("killed", flush=True)
        continue
    store = Store.open(sys.argv[1], check_revision=False)
    for number in range(int(line), 10_000_000):
        at = datetime(2025, 1, 1, 0, 0, number % 60, tzinfo=UTC)
        store.add_events([Event(key=f"k{number}", user_id="u1", item_id="i1", type="view", at=at)])
        os.write(1, b"%d\\n" % number)  # whole or not at all
"""


def test_no_acknowledged_event_is_lost_or_doubled(filled: Store) -> None:
    check_kills(filled, 12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_acknowledged_event_is_lost_or_doubled_in_a_thousand_kills(filled: Store) -> None:
    check_kills(filled, 1000)


def check_kills(store: Store, kills: int) -> None:
    """Kill a writer so many times, each at another moment of its work, and compare what it said with what is there."""
    acknowledged = [number for said in _killed(store.url, kills) for number in said]
    stored = Counter(event.key for event in store.history("u1", limit=10_000_000))
    assert len(acknowledged) > kills
    assert set(stored.values()) == {1}
    assert {f"k{number}" for number in acknowledged} <= stored.keys()
    assert len(stored) <= len(set(acknowledged)) + kills  # at most one at each kill was stored and not acknowledged yet
    if not store._postgres:
        with store._reading() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"


def _killed(url: str, kills: int) -> Iterator[list[int]]:
    """What each writer said until it was killed; the next sends the last one again, as an unsure client does."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", FORKS, url]
    chance, last = random.Random(0), 0
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as forks:
        assert forks.stdin
        assert forks.stdout
        for _ in range(kills):
            forks.stdin.write(f"{last}\n")
            forks.stdin.flush()
            pid = int(forks.stdout.readline().split()[1])
            said = [int(forks.stdout.readline()) for _ in range(chance.randrange(1, 5))]
            time.sleep(chance.uniform(0, 0.008))  # somewhere in the midst of the next ones
            os.kill(pid, signal.SIGKILL)
            said += [int(line) for line in iter(forks.stdout.readline, "killed\n")]
            last = said[-1]
            yield said
        forks.stdin.close()


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
