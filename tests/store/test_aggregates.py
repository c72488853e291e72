"""What analysts read of tastes and days: equal to a plain sum over the events, whatever happened on the way there."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from persona.store import Event, Item, Profile, Rights, Store, Traits, aggregates, retention
from persona.store.aggregates import Refreshed
from persona.store.records import EVENT_TYPES, FACETS
from persona.store.warehouse import Warehouse

MakeEvent = Callable[..., Event]
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")
WEIGHTS = {"view": 0.25, "like": 1, "save": 1, "cart": 1.5, "purchase": 2, "dislike": -1, "hide": -1}
PLURALS = {"view": "views", "like": "likes", "save": "saves", "cart": "carts", "purchase": "purchases",
           "dislike": "dislikes", "hide": "hides"}  # fmt: skip
LOOK = Item(id="look", domain="look", category="party", rights=RIGHTS, look={"products": []})
USERS, ITEMS = ("u1", "u2", "u3"), ("i1", "i2", "i3", "look")
TABLES = "users", "items", "analysis_marks"


def garment(name: str, colour: str | None = "green", pattern: str | None = "plain") -> Item:
    return Item(id=name, category="dress", colour=colour, pattern=pattern, rights=RIGHTS)  # type: ignore[arg-type]


def user(name: str, allowed: bool = True) -> Profile:
    return Profile(id=name, consents={"analytics": allowed})


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a handful of events takes several transactions and pages."""
    for name, value in (("EVENTS_AT_ONCE", 4), ("USERS_AT_ONCE", 2), ("_PAGE", 3)):
        monkeypatch.setattr(aggregates, name, value)


def furnish(store: Store) -> None:
    """An empty store with three users, three garments and a look."""
    with store._writing() as session:
        for table in TABLES:
            session.execute(text(f"DELETE FROM {table}"))
    store.bulk_users(user(name) for name in USERS)
    store.put_items([garment("i1"), garment("i2", "red", "striped"), garment("i3", None, None), LOOK])


@pytest.fixture
def furnished(store: Store) -> Store:
    furnish(store)
    return store


def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(store._engine).query(sql) as found:
        return [tuple(str(value) if hasattr(value, "year") else value for value in row)
                for page in found.pages for row in page]  # fmt: skip


def by_hand(store: Store) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    """Tastes, months and days of items by one plain loop over events and items, all of them read as analysts do."""
    facets = {row[0]: row for row in rows(store, f"SELECT item_id, domain, {', '.join(FACETS)} FROM dim_item")}
    tastes: defaultdict[Any, Counter[str]] = defaultdict(Counter)
    months: defaultdict[Any, float] = defaultdict(float)
    counts: Counter[Any] = Counter()
    for user_id, item_id, kind, month in rows(store, "SELECT user_id, item_id, type, month FROM fct_event"):
        if facets[item_id][1] != "garment":
            continue
        counts[user_id] += 1
        for facet, value in zip(FACETS, facets[item_id][2:], strict=True):
            if value is not None:
                tastes[user_id][f"{facet}={value}"] += WEIGHTS[kind]  # type: ignore[assignment]
                months[user_id, month, facet, value] += WEIGHTS[kind]
    days: Counter[Any] = Counter()
    with store._engine.connect() as connection:  # of everybody, also of those whom analysts do not see
        for item_id, kind, at in connection.execute(text("SELECT item_id, type, at FROM events")):
            days[item_id, str(at)[:10], PLURALS[kind]] += 1
    return {user_id: (counts[user_id], dict(taste)) for user_id, taste in tastes.items()}, dict(months), dict(days)


def stored(store: Store) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    """The same, as it was made."""
    names = [f"{facet}={value}" for facet, values in FACETS.items() for value in values]
    with store._engine.connect() as connection:
        vectors = connection.execute(text("SELECT user_id, events, vector FROM user_tastes")).all()
    tastes = {
        user_id: (events, dict(zip(names, np.frombuffer(vector, "<f4").tolist(), strict=True)))
        for user_id, events, vector in vectors
    }
    of_months = rows(store, "SELECT user_id, month, facet, value, weight FROM agg_user_taste_month")
    months = {row[:4]: row[4] for row in of_months}
    columns = list(PLURALS.values())
    days: dict[Any, int] = {}
    for item_id, day, *counts in rows(store, f"SELECT item_id, day, {', '.join(columns)} FROM agg_item_day"):
        assert any(counts)
        days |= {(item_id, day, name): count for name, count in zip(columns, counts, strict=True) if count}
    return tastes, months, days


def weighty(tastes: dict[Any, Any]) -> dict[Any, Any]:
    """Tastes without what weighs nothing."""
    return {of: (events, {name: w for name, w in taste.items() if w}) for of, (events, taste) in tastes.items()}


def assert_right(store: Store) -> None:
    wanted, found = by_hand(store), stored(store)
    assert weighty(found[0]) == weighty(wanted[0])
    assert found[1] == wanted[1]
    assert found[2] == wanted[2]
    tops_of = f"SELECT user_id, events, {', '.join(f'top_{facet}' for facet in FACETS)} FROM dim_user"
    for user_id, events, *tops in rows(store, tops_of):
        count, taste = wanted[0].get(user_id, (0, {}))
        assert events == count
        for facet, top in zip(FACETS, tops, strict=True):
            best = max(FACETS[facet], key=lambda value: taste.get(f"{facet}={value}", 0))
            assert top == (best if taste.get(f"{facet}={best}", 0) > 0 else None)


times = st.datetimes(datetime(2024, 11, 28), datetime(2025, 2, 3), timezones=st.just(UTC))
acts = st.lists(
    st.tuples(st.sampled_from(USERS), st.sampled_from(ITEMS), st.sampled_from(EVENT_TYPES), times), max_size=9
)
steps = st.one_of(
    st.tuples(st.just("add"), acts),
    st.tuples(st.just("purge"), times),
    st.tuples(st.just("erase"), st.sampled_from(USERS)),
    st.tuples(st.just("allow"), st.tuples(st.sampled_from(USERS), st.booleans())),
    st.tuples(st.just("recolour"), st.tuples(st.sampled_from(ITEMS[:3]), st.sampled_from(["red", "blue", None]))),
    st.tuples(st.just("kill"), st.integers(0, 40)),
    st.tuples(st.just("refresh"), st.booleans()),
)


class Killed(BaseException):
    """What nobody catches, as when a process ends."""


def kill(store: Store, after: int) -> None:
    """Begin a refresh, and end it before one of its statements."""
    left = iter(range(after))

    def count(*_: object) -> None:
        if next(left, None) is None:
            raise Killed

    event.listen(store._engine, "before_cursor_execute", count)
    try:
        store.refresh_analysis()
    except Killed:
        pass
    finally:
        event.remove(store._engine, "before_cursor_execute", count)


def take(store: Store, step: tuple[str, Any], number: int) -> None:
    what, of = step
    known = store.known_users(USERS)
    if what == "add":
        done = [act for act in of if act[0] in known]
        store.add_events([Event(key=f"{number}-{n}", user_id=u, item_id=i, type=t, at=at)
                          for n, (u, i, t, at) in enumerate(done)])  # fmt: skip
    elif what == "purge":
        list(store.purge_events(of))
    elif what == "erase" and of in known:
        store.delete_user(of)
        store.put_user(user(of))
    elif what == "allow":
        store.put_user(user(*of))
    elif what == "recolour":
        store.put_items([garment(*of)])
    elif what == "kill":
        kill(store, of)
    elif what == "refresh":
        store.refresh_analysis(rebuild=of)


@pytest.mark.parametrize("many", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_whatever_happened_the_tables_are_what_the_events_say(
    store: Store, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=many)
    @given(st.lists(steps, max_size=10))
    def property_(taken: list[tuple[str, Any]]) -> None:
        furnish(store)
        for number, step in enumerate(taken):
            take(store, step, number)
        store.refresh_analysis()
        assert_right(store)
        assert store.refresh_analysis().users == 0  # nothing is left to do
        before = stored(store)
        store.refresh_analysis(rebuild=True)
        assert stored(store) == before

    property_()


def test_a_refresh_tells_what_it_did(furnished: Store, an_event: MakeEvent) -> None:
    told: list[tuple[str, int, int]] = []
    furnished.add_events([an_event(f"k{n}", minute=n * 60 * 24, user_id=f"u{1 + n % 3}") for n in range(6)])
    done = furnished.refresh_analysis(lambda *what: told.append(what))
    assert done == Refreshed(events=6, users=3, months=3, days=6, watermark=done.watermark)
    assert told == [("events", 4, 6), ("events", 6, 6), ("users", 2, 3), ("users", 3, 3)]
    assert furnished.refresh_analysis() == Refreshed(watermark=done.watermark)
    furnished.add_events([an_event("late", minute=-60 * 24 * 70, user_id="u1")])
    assert furnished.refresh_analysis() == Refreshed(1, 1, 2, 1, done.watermark + 1)  # from its month on


def test_users_whom_analysts_do_not_see_have_no_taste_made(furnished: Store, an_event: MakeEvent) -> None:
    furnished.put_user(user("u1", allowed=False))
    furnished.put_user(Profile(id="u2", traits=Traits(age_band="under-18"), consents={"analytics": True}))
    furnished.add_events([an_event(f"k{n}", user_id=f"u{n}") for n in (1, 2, 3)])
    furnished.refresh_analysis()
    assert set(stored(furnished)[0]) == {"u3"}
    furnished.put_user(user("u1"))
    furnished.put_user(user("u3", allowed=False))
    furnished.refresh_analysis()
    assert set(stored(furnished)[0]) == {"u1"}


def test_two_refreshes_at_once_share_the_work(furnished: Store, an_event: MakeEvent) -> None:
    furnished.bulk_users(user(f"m{n}") for n in range(20))
    furnished.add_events([an_event(f"k{n}", minute=n, user_id=f"m{n % 20}") for n in range(60)])
    done: list[Refreshed] = []
    others = [threading.Thread(target=lambda: done.append(furnished.refresh_analysis())) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert sum(one.events for one in done) == 60
    assert_right(furnished)


def test_an_event_that_is_committed_late_is_not_passed_over(
    postgres_url: str, an_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is lower than that of one which is there already."""
    with Store.open(postgres_url) as store:
        furnish(store)
        with store._writing() as slow:
            values = "'slow', 'u1', 'i1', 'like', '2025-01-01Z'"
            slow.execute(text(f"INSERT INTO events (key, user_id, item_id, type, at) VALUES ({values})"))
            store.add_events([an_event("fast", user_id="u2")])
            refreshing = threading.Thread(target=store.refresh_analysis)
            refreshing.start()
            refreshing.join(0.2)
            assert refreshing.is_alive()
        refreshing.join()
        assert_right(store)
        assert set(stored(store)[0]) == {"u1", "u2"}


@pytest.fixture
def at_work(furnished: Store) -> Iterator[list[BaseException]]:
    """Somebody who writes all the while; what went wrong for them."""
    wrong: list[BaseException] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                furnished.put_user(user(f"w{number % 7}"))
                events = [Event(key=f"w{number}", user_id=f"w{number % 7}", item_id="i1", type="like",
                                at=datetime(2025, 1, 1, tzinfo=UTC))]  # fmt: skip
                furnished.add_events(events)
                if number % 5 == 0:
                    furnished.delete_user(f"w{number % 7}")
        except BaseException as error:
            wrong.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    yield wrong
    stop.set()
    writer.join()


def test_it_runs_beside_writers(furnished: Store, at_work: list[BaseException]) -> None:
    for _ in range(6):
        furnished.refresh_analysis()
    assert at_work == []


def test_weights_are_plain_json(furnished: Store, an_event: MakeEvent) -> None:
    furnished.add_events([an_event("k1"), an_event("k2", 1, type="view"), an_event("k3", 2, item_id="i3", type="hide")])
    furnished.refresh_analysis()
    with furnished._engine.connect() as connection:
        (weights,) = connection.execute(text("SELECT weights FROM taste_months")).scalars()
    told = json.loads(weights) if isinstance(weights, str) else weights
    assert told == {"category=dress": 0.25, "colour=green": 1.25, "pattern=plain": 1.25}
