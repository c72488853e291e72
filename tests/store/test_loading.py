"""Users by the thousand in plain columns: the same rows as record by record, whole or not at all, and resumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import create_engine, event, text

from persona.errors import BadInput, Conflict
from persona.store import Event, Item, Preference, Profile, Rights, Store, Traits
from persona.store.loading import Loaded, NewUsers

DAY = datetime(2025, 5, 4, 10, 30, 0, 250_000, tzinfo=UTC)
KINDS = "TABLES", "SEQUENCES"
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")


def new_users(*names: str, source: str = "simulated") -> NewUsers:
    """Each states two things and does two."""
    return NewUsers(
        ids=names,
        source=source,  # type: ignore[arg-type]
        consents=("personalisation", "training"),
        traits={"age_band": ["25-34", *[None] * (len(names) - 1)]},
        stated=[(name, *what) for name in names for what in (("colour", "green", 0.8, 0), ("style", "smart", -0.2, 1))],
        done=[(f"{name}-{n}", name, f"i{n + 1}", kind) for name in names for n, kind in enumerate(("like", "hide"))],  # type: ignore[misc]
        at=np.array([DAY.timestamp() + n for _ in names for n in range(2)]),
        since=np.full(len(names), DAY.timestamp()),
    )


def test_what_is_loaded_reads_as_if_it_had_been_added(filled: Store) -> None:
    assert filled.load_users(new_users("n1", "n2")) == Loaded(users=2, events=4, known=0)
    stated = (
        Preference(facet="colour", value="green", weight=0.8),
        Preference(facet="style", value="smart", weight=-0.2),
    )
    consents = {"personalisation": True, "training": True}
    told = {"preferences": stated, "consents": consents, "source": "simulated"}
    first, second = filled.users(["n1", "n2"])
    assert first == Profile(id="n1", traits=Traits(age_band="25-34"), **told)  # type: ignore[arg-type]
    assert second == Profile(id="n2", **told)  # type: ignore[arg-type]
    liked, hidden = filled.history("n1")
    assert liked == Event(key="n1-0", user_id="n1", item_id="i1", type="like", at=DAY)
    assert (hidden.type, hidden.item_id) == ("hide", "i2")
    assert filled.add_events([liked]).duplicates == 1  # stored alike to the last byte
    (member,) = (one for page in filled.members(["n1"]) for one in page)
    assert member.events == 2
    assert member.watermark == filled.event_watermark("n1") == filled.event_watermark("n2") - 2


def test_users_who_are_there_stay_as_they_are_with_their_events(filled: Store) -> None:
    filled.put_user(Profile(id="n1", traits=Traits(skin_tone=3)))
    assert filled.load_users(new_users("n1", "n2")) == Loaded(users=1, events=2, known=1)
    assert filled.users(["n1"])[0] == Profile(id="n1", traits=Traits(skin_tone=3))
    assert filled.history("n1") == []
    assert filled.load_users(new_users("n1", "n2")) == Loaded(users=0, events=0, known=2)
    assert filled.known_users(["n2", "u1", "nobody"]) == {"n2", "u1"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ids": ["n 1"]}, "ids"),
        ({"source": "rumour"}, "source"),
        ({"consents": ["everything"]}, "consents"),
        ({"traits": {"age_band": ["old"]}}, "age_band"),
        ({"stated": [("n1", "colour", "loud", 0.5, 0)]}, "preferences"),
        ({"stated": [("u1", "colour", "green", 0.5, 0)]}, "user_id"),
        ({"done": [("k", "n1", "i1", "stare")], "at": np.zeros(1)}, "events.type"),
        ({"done": [("k\x00", "n1", "i1", "like")], "at": np.zeros(1)}, "events.key"),
        ({"done": [("k", "u1", "i1", "like")], "at": np.zeros(1)}, "user_id"),
        ({"done": [("k", "n1", "i99", "like")], "at": np.zeros(1)}, "item_id"),
        ({"at": np.array([0.0, 4e9])}, "events.at"),
        ({"at": np.array([0.0, np.nan])}, "events.at"),
        ({"at": np.zeros(1)}, "events.at"),
        ({"since": np.array([np.nan])}, "since"),
    ],
)
def test_bad_columns_are_named_and_nothing_is_stored(filled: Store, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as raised:
        filled.load_users(replace(new_users("n1"), **wrong))  # type: ignore[arg-type]
    assert raised.value.field == field
    assert filled.count_users() == 3
    assert filled.count_events() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"done": [("k", "n1", "i1", "like"), ("k", "n1", "i2", "like")]},
        {"stated": [("n1", "colour", "green", 1.5, 0)]},
        {"stated": [("n1", "colour", "green", 0.5, 0), ("n1", "colour", "green", 0.6, 1)]},
        {"ids": ["n1", "n1"], "traits": {"age_band": [None, None]}, "since": np.zeros(2)},
    ],
)  # fmt: skip
def test_the_database_s_own_constraints_hold(filled: Store, wrong: dict[str, object]) -> None:
    with pytest.raises(Conflict, match="nothing was stored"):
        filled.load_users(replace(new_users("n1"), **wrong))  # type: ignore[arg-type]
    assert filled.count_users() == 3
    assert filled.load_users(new_users("n1")) == Loaded(users=1, events=2, known=0)


def test_looks_for_references_are_back_after_a_load(filled: Store) -> None:
    filled.load_users(new_users("n1"))
    filled.delete_user("n1")
    assert filled.count_events() == 0  # what the load left out was a check, not what erasure rests on


def test_a_role_that_may_not_leave_out_checks_loads_all_the_same(postgres_url: str) -> None:
    as_admin(postgres_url, "CREATE ROLE loader", *(f"GRANT ALL ON ALL {of} IN SCHEMA public TO loader" for of in KINDS))
    try:
        with Store.open(postgres_url) as store:
            event.listen(store._engine, "begin", lambda connection: connection.exec_driver_sql("SET ROLE loader"))
            store.put_items(Item(id=f"i{n}", category="dress", rights=RIGHTS) for n in (1, 2))
            assert store.load_users(new_users("n1")) == Loaded(1, 2, 0)
            assert store.load_users(replace(new_users("n2"), done=[], at=np.zeros(0))) == Loaded(1, 0, 0)
    finally:
        as_admin(postgres_url, "DROP OWNED BY loader", "DROP ROLE loader")


def as_admin(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_load_is_settled(filled: Store) -> None:
    """After which PostgreSQL knows how much there is."""
    filled.load_users(new_users("n1", "n2"))
    filled.settle()
    if filled.url.startswith("postgresql"):
        engine = create_engine(filled.url)
        with engine.connect() as connection:
            known = connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'events'"))
        engine.dispose()
        assert known == filled.count_events() > 0
