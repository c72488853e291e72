"""What was shown is stored once, of those only who may be known, and goes with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from persona.store import Profile, Store
from persona.store.recommendations import ShownAnswer

AT = datetime(2025, 5, 4, 10, tzinfo=UTC)


def answer(name: str, user: str = "u1", *things: dict[str, Any]) -> ShownAnswer:
    models = {"arm": "a", "cold_start": "profile", "taste_model": "taste@1", "generator_model": "garment-64@1"}
    return ShownAnswer(id=name, user_id=user, at=AT, shown=things, **models)


def rows(store: Store, what: str) -> list[tuple[Any, ...]]:
    with store._reading() as session:
        return [tuple(row) for row in session.execute(text(what))]


def test_an_answer_is_stored_once_and_read_thing_by_thing(filled: Store) -> None:
    filled.put_user(Profile(id="u1", consents={"analytics": True}))
    things = {"rank": 1, "item_id": "i1", "category": "dress", "score": 0.25}, {
        "rank": 1, "generation_id": "g-1", "category": "hat", "score": -1.5,
    }  # fmt: skip
    assert filled.add_recommendations([answer("r-1", "u1", *things), answer("r-2", "u2")]) == {"r-1", "r-2"}
    assert filled.add_recommendations([answer("r-1", "u1"), answer("r-3", "u1", things[0])]) == {"r-1", "r-3"}
    seen = "SELECT rec_id, user_id, rank, origin, item_id, generation_id, category, score FROM fct_recommendation"
    assert rows(filled, f"{seen} ORDER BY rec_id, origin") == [
        ("r-1", "u1", 1, "generated", None, "g-1", "hat", -1.5),
        ("r-1", "u1", 1, "retrieved", "i1", None, "dress", 0.25),
        ("r-3", "u1", 1, "retrieved", "i1", None, "dress", 0.25),
    ]  # u2 has not allowed analytics
    assert filled.add_recommendations([]) == frozenset()


def test_nothing_is_stored_of_who_is_not_there_or_refuses_to_be_known(filled: Store) -> None:
    filled.put_user(Profile(id="u2", consents={"personalisation": False, "analytics": True}))
    mixed = [answer("r-1"), answer("r-2", "u2"), answer("r-3", "nobody")]
    assert filled.add_recommendations(mixed) == {"r-1"}
    assert rows(filled, "SELECT id FROM recommendations") == [("r-1",)]


@pytest.mark.parametrize("consent", [True, False])
def test_it_goes_with_the_user(filled: Store, consent: bool) -> None:
    filled.put_user(Profile(id="u1", consents={"analytics": consent}))
    filled.add_recommendations([answer("r-1"), answer("r-2", "u2")])
    filled.delete_user("u1")
    assert rows(filled, "SELECT id FROM recommendations") == [("r-2",)]
    assert filled.add_recommendations([answer("r-1")]) == frozenset()  # written late
