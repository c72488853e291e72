"""What `persona bench analyze` times is what it says: a day's events of some users, and queries that find somebody."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from persona.cli.bench_analyze import QUERIES, a_day, query_seconds
from persona.store import Item, Profile, Rights, Store, Traits
from persona.store.warehouse import Warehouse

RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")


def test_a_day_is_of_some_of_the_users(sqlite_store: Store) -> None:
    sqlite_store.put_items([Item(id="i1", category="dress", colour="green", rights=RIGHTS)])
    traits = Traits(age_band="25-34", skin_tone=3)
    consents = {"analytics": True}
    sqlite_store.bulk_users(
        Profile(id=f"simulated-0-{n:06d}", traits=traits, consents=consents, source="simulated")  # type: ignore[arg-type]
        for n in range(100)
    )
    assert sqlite_store.bulk_events(a_day(sqlite_store, 100)).added == 19
    assert sqlite_store.refresh_analysis().events == 19
    acted = Counter(event.user_id for _, events in sqlite_store.histories() for event in events)
    assert 8 < len(acted) < 20
    with closing(Warehouse.open(sqlite_store.url)) as warehouse:
        wanted = {"age_band": "25-34", "skin_tone": 3, "top_colour": "green"}
        with warehouse.query(QUERIES[1], wanted) as found:
            top = [row for page in found.pages for row in page]
        with warehouse.query(QUERIES[0], wanted) as found:
            assert [row for page in found.pages for row in page] == [(len(top),)]
        assert [len(each) for each in query_seconds(warehouse, 3)] == [2, 1]
    assert 0 < len(top) <= len(acted)
