"""Databases that go away, hang, lock, fill up or come back: told in words, and nothing lost or half stored."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from persona.caller import within
from persona.errors import NoRoom, Unavailable
from persona.store import Event, Item, Profile, Rights, Store

from .proxy import Proxy

CHECKOUT = Path(__file__).resolve().parents[2]
MakeEvent = Callable[..., Event]
ITEM = Item(id="i1", category="dress", rights=Rights(licence="CC0-1.0", source="https://example.org"))


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    """The way to PostgreSQL, to be disturbed."""
    with Proxy(postgres_url) as between:
        yield between


@pytest.fixture
def far(proxy: Proxy) -> Iterator[Store]:
    """A store at the end of it, with user u1 and item i1."""
    with Store.open(proxy.url) as store:
        _furnish(store)
        yield store


def _furnish(store: Store) -> None:
    store.put_user(Profile(id="u1"))
    store.put_items([ITEM])


def _everything(store: Store, event: Event) -> list[Callable[[], object]]:
    return [
        lambda: store.user_stamp("u1"), lambda: store.get_user("u1"), lambda: store.history("u1"),
        lambda: store.add_events([event]), lambda: store.put_user(Profile(id="u2")),
    ]  # fmt: skip


def test_a_server_that_goes_away_is_told_and_found_again(proxy: Proxy, far: Store, an_event: MakeEvent) -> None:
    far.add_events([an_event("before")])
    proxy.cut()
    for ask in _everything(far, an_event("lost")):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer") as told:
            ask()
        assert time.monotonic() - began < 2
        assert "SELECT" not in str(told.value)
        assert "events" not in str(told.value)
    proxy.restore()
    back = time.monotonic()
    assert far.user_stamp("u1") is not None
    assert far.add_events([an_event("after")]).added == 1
    assert time.monotonic() - back < 5
    assert [event.key for event in far.history("u1")] == ["before", "after"]


def test_connections_that_broke_unseen_are_replaced(proxy: Proxy, far: Store) -> None:
    """All of those in the pool are dead, as after a restart between two requests."""
    barrier = threading.Barrier(4)

    def hold() -> None:
        with far._reading() as session:
            session.execute(text("SELECT 1"))
            barrier.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.cut()
    proxy.restore()
    assert far.user_stamp("u1") is not None  # at once, although they were in use a moment ago
    assert far.get_user("u1").id == "u1"


def test_a_server_that_breaks_off_a_transaction_keeps_nothing_of_it(
    proxy: Proxy, far: Store, an_event: MakeEvent
) -> None:
    with pytest.raises(Unavailable), far._writing() as session:  # noqa: PT012
        session.execute(text("DELETE FROM users"))
        proxy.cut()
        session.execute(text("SELECT 1"))
    proxy.restore()
    assert far.user_ids() == ["u1"]


def test_nobody_waits_past_the_deadline_for_a_server_that_hangs(proxy: Proxy, far: Store, an_event: MakeEvent) -> None:
    proxy.hangs = True
    for ask in _everything(far, an_event("lost")):
        began = time.monotonic()
        with within(0.5), pytest.raises(Unavailable):
            ask()
        assert time.monotonic() - began < 3  # a connection is given a second at least
    proxy.hangs = False
    with within(5):
        assert far.get_user("u1").id == "u1"


def test_a_slow_network_only_takes_longer(proxy: Proxy, far: Store, an_event: MakeEvent) -> None:
    proxy.delay = 0.02
    with within(10):
        assert far.add_events([an_event("slow")]).added == 1
        assert far.user_stamp("u1") is not None
        assert len(far.history("u1")) == 1


def test_a_writer_waits_for_others_no_longer_than_it_may(filled: Store, an_event: MakeEvent) -> None:
    with filled._writing(alone=True) as session:
        session.execute(text("SELECT 1"))  # SQLite begins with the first statement
        began = time.monotonic()
        with within(0.3), pytest.raises(Unavailable):
            filled.add_events([an_event("1")])
        assert 0.2 < time.monotonic() - began < 2
        with within(5):
            assert filled.get_user("u1").id == "u1"  # readers do not wait
    with within(5):
        assert filled.add_events([an_event("1")]).added == 1


def test_a_database_that_takes_no_changes_says_so(sqlite_url: str, an_event: MakeEvent) -> None:
    with Store.open(sqlite_url) as store:
        _furnish(store)
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(Unavailable, match="takes no changes"):
            store.add_events([an_event("1")])
        assert store.get_user("u1").id == "u1"


def test_a_file_that_is_gone_is_told_and_one_that_is_put_back_is_read(sqlite_url: str, an_event: MakeEvent) -> None:
    with Store.open(sqlite_url) as store:
        _furnish(store)
        file = Path(str(store._engine.url.database))
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = file.read_bytes()
        store.put_user(Profile(id="u2"))
        for part in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            part.unlink()
        for ask in _everything(store, an_event("lost")):
            with pytest.raises(Unavailable):
                ask()
        assert not file.exists()  # no empty one was made in its place
        file.write_bytes(copy)
        assert store.user_ids() == ["u1"]  # the one that was put back, not the one that was removed
        file.unlink()
        file.touch()
        with pytest.raises(Unavailable):
            store.get_user("u1")


def test_a_full_database_is_told_and_stays_whole(sqlite_url: str, an_event: MakeEvent) -> None:
    with Store.open(sqlite_url) as store:
        _furnish(store)
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        stored = 0
        with pytest.raises(NoRoom, match="no room"):  # noqa: PT012
            for number in range(1000):
                store.add_events([an_event(f"{number}-{'x' * 80}")])
                stored += 1
        assert store.count_events() == stored
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert store.add_events([an_event("more")]).added == 1


FULL = """
import resource, sys
from datetime import UTC, datetime
from persona.errors import NoRoom
from persona.store import Event, Store
store, acknowledged = Store.open(sys.argv[1]), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    while True:
        store.add_events([Event(key=f"k{acknowledged}", user_id="u1", item_id="i1", type="view",
                                at=datetime(2025, 1, 1, tzinfo=UTC))])
        acknowledged += 1
except NoRoom:
    print(acknowledged, store.count_events(), flush=True)
"""


def test_a_disk_that_takes_no_more_loses_nothing(sqlite_url: str, an_event: MakeEvent) -> None:
    """The system refuses to let any file grow further, in the middle of writing."""
    with Store.open(sqlite_url) as store:
        _furnish(store)
        file = Path(str(store._engine.url.database))
        most = file.stat().st_size + 200_000
        done = subprocess.run(
            [sys.executable, "-c", FULL, sqlite_url, str(most)],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            check=True,
        )
        acknowledged, counted = map(int, done.stdout.split())
        assert acknowledged == counted == store.count_events() > 0
        with store._reading() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
        assert store.add_events([an_event("more")]).added == 1


def test_an_error_of_ours_is_not_blamed_on_the_database(filled: Store) -> None:
    with pytest.raises(Exception, match="nonsense"), filled._reading() as session:
        session.execute(text("SELECT nonsense"))
    with filled._reading() as session:
        assert session.scalar(text("SELECT 1")) == 1
