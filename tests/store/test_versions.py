"""How profiles were: a version for each change of what is said, none for what is no change, whichever way it comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from persona.store import Preference, Profile, Store, Traits

Put = Callable[[Store, Profile], object]
GREEN = Preference(facet="colour", value="green", weight=1)
PINK = Preference(facet="colour", value="pink", weight=-0.5)


def young(**more: Any) -> Profile:
    return Profile(id="u", traits=Traits(age_band="18-24", skin_tone=3), preferences=(GREEN, PINK), **more)


def versions(store: Store) -> list[dict[str, Any]]:
    told = {name: list(part) if hasattr(part, "__next__") else part for name, part in store.export_user("u", str)}
    return [version.model_dump() for version in told["versions"]]


def since(store: Store) -> datetime:
    with store._reading() as session:
        return session.scalar(text("SELECT valid_from FROM users WHERE id = 'u'"))  # type: ignore[no-any-return]


@pytest.fixture(params=["put", "bulk"])
def put(request: pytest.FixtureRequest) -> Put:
    """The two ways into the store: an app's and a file's."""
    return Store.put_user if request.param == "put" else lambda store, profile: store.bulk_users([profile])


def test_a_change_keeps_how_it_was(store: Store, put: Put) -> None:
    put(store, young())
    put(store, young().model_copy(update={"traits": Traits(age_band="25-34")}))
    put(store, young().model_copy(update={"traits": Traits(age_band="25-34"), "preferences": (PINK,)}))
    first, second = versions(store)
    assert (first["traits"]["age_band"], first["traits"]["skin_tone"]) == ("18-24", 3)
    assert first["stated"] == {"colour=green": 1.0, "colour=pink": -0.5}
    assert (second["traits"]["age_band"], second["traits"]["skin_tone"]) == ("25-34", None)
    assert first["valid_from"] < first["valid_to"] == second["valid_from"] < second["valid_to"]
    put(store, young())  # back again is a change too
    assert [version["stated"] for version in versions(store)][2:] == [{"colour=pink": -0.5}]


def test_what_is_no_change_keeps_nothing(store: Store, put: Put) -> None:
    put(store, young())
    began = since(store)
    put(store, young())
    put(store, young(consents={"analytics": True, "photos": False}))
    put(store, young(consents={"analytics": False}, source="demo"))
    put(store, young().model_copy(update={"preferences": (PINK, GREEN)}))  # in another order
    assert versions(store) == []
    assert since(store) == began
    put(store, young().model_copy(update={"preferences": (GREEN.model_copy(update={"weight": 0.5}), PINK)}))
    assert len(versions(store)) == 1
    assert since(store) != began


def test_the_stretches_of_time_meet(store: Store, put: Put) -> None:
    for band in ("18-24", "25-34", "25-34", "35-44"):
        put(store, young(consents={"analytics": True}).model_copy(update={"traits": Traits(age_band=band)}))
    with store._reading() as session:
        told = "SELECT age_band, valid_from, valid_to FROM dim_user_history ORDER BY valid_from"
        rows = session.execute(text(told)).all()
    assert [row.age_band for row in rows] == ["18-24", "25-34", "35-44"]
    assert [row.valid_to for row in rows] == [*(row.valid_from for row in rows[1:]), None]
