"""Users: stored, replaced, listed and erased as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import text

from persona.errors import NotFound
from persona.store import Event, Generation, Preference, Profile, Store, Traits
from persona.store.base import Base

FULL = Profile(
    id="ada@example.org",
    traits=Traits(
        skin_tone=7, undertone="warm", face_shape="heart", body_shape="pear", age_band="25-34",
        size_top="M", size_bottom="38", size_shoe=38.5,
    ),
    preferences=(
        Preference(facet="style", value="smart", weight=0.5),
        Preference(facet="colour", value="green", weight=1),
        Preference(facet="colour", value="pink", weight=-1),
    ),
    consents={"personalisation": True, "photos": False},
    source="demo",
)  # fmt: skip


def generation(name: str, user: str | None, picture: str) -> Generation:
    made = {"model": "garment-64@1", "condition_digest": "c" * 64, "seed": 1, "category": "dress"}
    at = datetime(2025, 5, 4, tzinfo=UTC)
    return Generation.model_validate({"id": name, "picture": picture * 64, "user_id": user, "created_at": at, **made})


def test_a_profile_comes_back_as_it_was(store: Store) -> None:
    assert store.put_user(FULL)
    assert store.get_user(FULL.id) == FULL
    assert list(store.get_user(FULL.id).preferences) == list(FULL.preferences)


def test_a_profile_replaces_the_one_before(store: Store) -> None:
    store.put_user(FULL)
    later = Profile(id=FULL.id, preferences=FULL.preferences[::-1][:2], consents={"photos": True})
    assert not store.put_user(later)
    assert store.get_user(FULL.id) == later
    assert store.count_users() == 1


def test_consents_keep_the_time_of_their_answer(store: Store) -> None:
    times = []
    for granted in (True, True, False):
        store.put_user(Profile(id="u", consents={"photos": granted}))
        with store._reading() as session:
            times.append(session.execute(text("SELECT changed_at FROM consents")).scalar())
    assert times[0] == times[1] != times[2]


def test_an_unknown_user(store: Store) -> None:
    with pytest.raises(NotFound, match="'nobody' is not stored"):
        store.get_user("nobody")
    with pytest.raises(NotFound, match="'nobody' is not stored"):
        store.delete_user("nobody")
    assert store.users(["nobody"]) == []


def test_ids_come_in_order_and_in_pages(store: Store) -> None:
    names = ["B", "a", "a-b", "a.b", "aB", "b", "Z", "1"]
    store.bulk_users(Profile(id=name) for name in names)
    in_order = sorted(names)  # by bytes, on both databases
    assert store.user_ids() == in_order
    assert store.user_ids(limit=3) == in_order[:3]
    assert store.user_ids(limit=3, after=in_order[2]) == in_order[3:6]
    assert [profile.id for profile in store.users(["b", "nobody", "a"])] == ["b", "a"]


def test_a_bulk_of_users(store: Store) -> None:
    store.put_user(FULL)
    profiles = [FULL.model_copy(update={"id": f"u{n}"}) for n in range(200)]
    done = store.bulk_users([*profiles, Profile(id="u7"), Profile(id=FULL.id)])
    assert (done.added, done.updated) == (200, 2)
    assert store.get_user("u7") == Profile(id="u7")
    assert store.get_user(FULL.id) == Profile(id=FULL.id)
    assert store.users([p.id for p in profiles if p.id != "u7"]) == [p for p in profiles if p.id != "u7"]


def test_erasing_a_user_erases_everything_of_theirs(filled: Store, an_event: Callable[..., Event]) -> None:
    filled.put_user(FULL.model_copy(update={"id": "u1"}))
    filled.add_generations([generation("g1", "u1", "a"), generation("g2", "u1", "b"), generation("g3", "u2", "b")])
    filled.add_events([an_event("1"), an_event("2", generation_id="g1"), an_event("3", user_id="u2")])
    filled.add_events([an_event("4", user_id="u2", generation_id="g1")])
    for user in ("u1", "u2"):
        filled.put_condition(user, "taste@1", filled.event_watermark(user), np.ones(4), {})

    assert filled.delete_user("u1") == ["a" * 64]  # the other picture is also u2's

    with pytest.raises(NotFound):
        filled.get_user("u1")
    assert filled.history("u1") == []
    assert filled.generations("u1") == []
    assert filled.get_condition("u1", "taste@1") is None
    assert [event.key for event in filled.history("u2")] == ["3"]  # an event on what was erased went with it
    assert filled.get_condition("u2", "taste@1") is None
    with filled._reading() as session:
        for table in Base.metadata.sorted_tables:
            if "user_id" in table.c:
                assert "u1" not in session.scalars(text(f"SELECT user_id FROM {table.name}")).all()


def test_a_picture_that_an_item_shows_is_kept(filled: Store) -> None:
    filled.add_generations([generation("g1", "u1", "a")])
    filled.put_items([filled.get_item("i1").model_copy(update={"picture": "a" * 64})])
    assert filled.delete_user("u1") == []


def test_a_new_profile_drops_what_was_made_from_the_old_one(filled: Store) -> None:
    filled.put_condition("u1", "taste@1", 0, np.ones(4), {})
    filled.put_user(FULL.model_copy(update={"id": "u1"}))
    assert filled.get_condition("u1", "taste@1") is None
