"""A small company that analysts look at, in both databases: some hundred users, what they were shown and did."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, insert

from persona.analyze import AnalystStore, open_store
from persona.store import Event, Item, Preference, Profile, Rights, Store, Traits
from persona.store.base import Base
from persona.store.records import COLOURS, FACETS, Generation

USERS, ITEMS, MONTHS = 240, 40, 4
BEGAN = datetime(2025, 1, 3, 9, 30, tzinfo=UTC)
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")
KINDS = ["view", "like", "save", "cart", "purchase", "dislike", "hide"]


def fill(url: str) -> None:
    """Store the company. Every sixth user has not allowed `analytics`, and u5 is a child."""
    rng = np.random.default_rng(7)
    with Store.open(url) as store:
        store.bulk_users(_profile(number, rng) for number in range(USERS))
        store.put_items(_item(number) for number in range(ITEMS))
        store.add_generations([_generation(number) for number in range(USERS)])
        store.bulk_events(_events(rng))
        store.put_user(_profile(1, rng))  # so that u1 has a history
        store.put_condition("u1", "taste@1", 1, np.ones(64, np.float32), {})
    _aggregate(url, rng)


def _profile(number: int, rng: np.random.Generator) -> Profile:
    bands = ["18-24", "25-34", "35-44", None]
    return Profile(
        id=f"u{number}",
        traits=Traits.model_validate(
            {
                "age_band": "under-18" if number == 5 else bands[number % 4],
                "skin_tone": None if number % 11 == 0 else int(rng.integers(1, 11)),
                "face_shape": "oval",
                "size_top": "M",
                "body_shape": str(rng.choice(["pear", "apple"])),
            }
        ),
        preferences=(Preference(facet="colour", value="green", weight=0.5),) if number % 3 else (),
        consents={"analytics": number % 6 != 0, "personalisation": True, "training": number % 4 == 0},
    )


def _item(number: int) -> Item:
    told = {
        "category": ["dress", "shirt", "shoes"][number % 3],
        "colour": COLOURS[number % 5] if number < 39 else "pink",
        "owner": f"o{number % 4}",
    }
    garment = {"id": f"i{number}", "rights": RIGHTS, "pattern": "plain", "style": "smart", **told}
    return Item.model_validate(garment | ({"owner": None} if number % 10 == 0 else {}))


def _generation(number: int) -> Generation:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Generation(
        id=f"g{number}", picture=digest, user_id=f"u{number}" if number % 20 else None, model=f"garment@{number % 2}",
        condition_digest=digest, seed=number, category="dress", created_at=BEGAN,
    )  # fmt: skip


def _events(rng: np.random.Generator) -> Iterator[Event]:
    """On what was shown in the answer r<user>, and on anything else."""
    for number in range(USERS):
        first = int(rng.integers(0, 80))
        for count in range(12):
            at = BEGAN + timedelta(days=first + int(rng.integers(0, 28 * MONTHS - 80)), minutes=count)
            shown = count % 3 == 0
            thing = {"item_id": f"i{(number + count) % ITEMS}"}
            if shown and count > 5 and number % 20:
                thing = {"generation_id": f"g{number}"}
            yield Event.model_validate(
                {
                    "key": f"e{number}-{count}",
                    "user_id": f"u{number}",
                    "type": str(rng.choice(KINDS)),
                    "at": at,
                    **thing,
                }
                | ({"rec_id": f"r{number}"} if shown else {})
            )


def _aggregate(url: str, rng: np.random.Generator) -> None:
    """What `persona analyze refresh` and the endpoint would leave, with numbers that are made up."""
    tables = Base.metadata.tables
    names = [f"u{number}" for number in range(USERS)]
    taste = {"first_at": BEGAN, "last_at": BEGAN, "top_pattern": None, "top_style": "smart", "vector": bytes(4 * 37)}
    tastes = [
        {
            "user_id": name,
            "events": int(rng.integers(1, 90)),
            "top_category": "dress",
            "top_colour": COLOURS[n % 2],
            **taste,
        }
        for n, name in enumerate(names)
    ]
    values = [f"{facet}={value}" for facet in FACETS for value in FACETS[facet][:2]]
    months = [
        {"user_id": name, "month": date(2025, 1 + month, 1), "events": 3,
         "weights": {value: float(rng.integers(-2, 5)) for value in values}}
        for name in names for month in range(2)
    ]  # fmt: skip
    counted = ("views", "likes", "saves", "carts", "purchases", "dislikes", "hides")
    days = [
        {"item_id": f"i{item}", "day": date(2025, 1, 3 + day), **{name: int(rng.integers(0, 9)) for name in counted}}
        for item in range(ITEMS - 1) for day in range(3)
    ]  # fmt: skip
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(tables["user_tastes"]), tastes)
        connection.execute(insert(tables["taste_months"]), months)
        connection.execute(insert(tables["item_days"]), days)
        connection.execute(insert(tables["recommendations"]), [_answer(number) for number in range(USERS)])
    engine.dispose()


def _answer(number: int) -> dict[str, object]:
    things = [
        {"rank": n + 1, "item_id": f"i{(number + 3 * n) % ITEMS}", "category": "dress", "score": 0.5} for n in range(3)
    ]
    made = [{"rank": 1, "generation_id": f"g{number}", "category": "dress", "score": 0.25}] if number % 20 else []
    of = {"arm": "a", "cold_start": "none", "taste_model": "taste@1", "generator_model": "garment@1"}
    at = BEGAN + timedelta(days=30)  # some did what they did before it
    return {"id": f"r{number}", "user_id": f"u{number}", "at": at, **of, "shown": things + made}


@pytest.fixture(scope="session")
def company_file(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company in SQLite, to be copied."""
    path = tmp_path_factory.mktemp("company") / "company.db"
    shutil.copy(migrated_sqlite, path)
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def company_postgres(request: pytest.FixtureRequest) -> str:
    """The company in PostgreSQL, for tests that only read."""
    url = str(request.getfixturevalue("new_postgres")())
    fill(url)
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def company_url(request: pytest.FixtureRequest) -> str:
    """The company in each database, for tests that only read."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('company_file')}"
    return str(request.getfixturevalue("company_postgres"))


@pytest.fixture
def company(company_url: str) -> Iterator[AnalystStore]:
    """The company as an analyst opens it."""
    with open_store(company_url) as opened:
        yield opened
