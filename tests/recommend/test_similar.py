"""Neighbours: of an item by its vector, of a user by theirs, and nobody who did not agree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from persona.errors import BadInput, NotFound
from persona.recommend import RecommendationRequest, Recommender, similar
from persona.store import Event, Profile, pages

from .drawn import garment

AT = datetime(2025, 5, 1, tzinfo=UTC)
YES = {"analytics": True}


def put(recommender: Recommender, user: str, *liked: str, **given: Any) -> None:
    """A user who liked these, and got a recommendation, by which their taste was read."""
    recommender.store.put_user(Profile.model_validate({"id": user, "consents": YES, **given}))
    recommender.store.add_events(
        [Event(key=f"{user}-{item}", user_id=user, item_id=item, type="like", at=AT) for item in liked]
    )
    recommender.recommend(RecommendationRequest(user_id=user, mode="retrieve", outfit=False))


def test_similar_items_are_the_nearest_by_their_vectors(recommender: Recommender) -> None:
    found = recommender.similar_items("dress-red-0", 7)
    vectors, ids = recommender._catalogue.vectors, recommender.table.ids
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearness = dict(zip(ids, (units @ units[ids.index("dress-red-0")]).tolist()))
    wanted = sorted((name for name in ids if name != "dress-red-0"), key=lambda name: -nearness[name])[:7]
    assert [item.item_id for item in found.items] == wanted
    assert [item.similarity for item in found.items] == pytest.approx([nearness[n] for n in wanted], abs=1e-4)
    assert [item.rank for item in found.items] == list(range(1, 8))
    assert found.taste_model.startswith("taste-garment@")
    hats = recommender.similar_items("dress-red-0", 100, "hat").items
    assert {item.category for item in hats} == {"hat"}
    assert len(hats) == 6


def test_items_that_are_not_shown_are_not_similar_to_any(recommender: Recommender) -> None:
    nearest = recommender.similar_items("dress-red-0", 1).items[0].item_id
    hidden = recommender.store.get_item(nearest).model_copy(update={"active": False})
    recommender.store.put_items([hidden])
    recommender.refresh()
    assert nearest not in {item.item_id for item in recommender.similar_items("dress-red-0", 100).items}
    assert recommender.similar_items(nearest, 1).items  # but something is similar to it


def test_a_new_item_has_neighbours_at_once_and_an_unknown_one_none(recommender: Recommender) -> None:
    recommender.store.put_items([garment(recommender.pictures, "dress", "red", 3)])
    assert recommender.similar_items("dress-red-3", 3).items[0].category == "dress"
    with pytest.raises(NotFound):
        recommender.similar_items("nothing", 3)


def test_similar_users_are_the_nearest_by_their_vectors(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "READ_AT_ONCE", 2)  # several steps
    for number, liked in enumerate(["hat-red-0", "hat-green-0", "dress-blue-0", "shoes-black-0", "pants-white-0"]):
        put(recommender, f"u{number}", liked)
    put(recommender, "ana", "hat-red-0")
    found = recommender.similar_users("ana", 3)
    model = found.taste_model
    vectors = {f"u{n}": recommender.store.get_condition(f"u{n}", model) for n in range(5)}
    own = recommender.store.get_condition("ana", model)

    def nearness(user: str) -> float:
        stored = vectors[user]
        assert stored is not None
        assert own is not None
        return float(stored.vector @ own.vector / np.linalg.norm(stored.vector) / np.linalg.norm(own.vector))

    wanted = sorted(vectors, key=lambda user: -nearness(user))[:3]
    assert [user.user_id for user in found.users] == wanted
    assert found.users[0].user_id == "u0"
    assert found.users[0].similarity == pytest.approx(1, abs=1e-4)
    assert found.compared == 5


@pytest.mark.parametrize(
    "profile",
    [
        {"consents": {}},
        {"consents": {"analytics": False}},
        {"consents": {"analytics": True, "personalisation": False}},
        {"consents": YES, "traits": {"age_band": "under-18"}},
    ],
    ids=["no word", "analytics refused", "personalisation refused", "a child"],
)
def test_nobody_is_found_or_asked_for_who_did_not_agree(recommender: Recommender, profile: dict[str, Any]) -> None:
    put(recommender, "ana", "hat-red-0")
    put(recommender, "ben", "hat-red-0")
    assert [user.user_id for user in recommender.similar_users("ana", 9).users] == ["ben"]
    recommender.store.put_user(Profile.model_validate({"id": "ben", **profile}))
    if profile["consents"].get("personalisation", True):
        recommender.recommend(RecommendationRequest(user_id="ben", mode="retrieve", outfit=False))
    else:  # one that was read before the refusal, and left by another process
        vector = np.ones(64, np.float32)
        recommender.store.put_condition("ben", recommender.similar_users("ana", 1).taste_model, 2, vector, {})
    found = recommender.similar_users("ana", 9)
    assert (found.users, found.compared) == ((), 0)
    with pytest.raises(BadInput, match="has not allowed analytics") as refused:
        recommender.similar_users("ben", 9)
    assert refused.value.code == "no_consent"


def test_who_is_unknown_to_us_is_like_nobody(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    put(recommender, "ana", "hat-red-0")
    put(recommender, "new")
    assert recommender.similar_users("new", 5).users == ()
    with pytest.raises(NotFound):
        recommender.similar_users("nobody", 5)
    for number in range(6):
        put(recommender, f"u{number}", "hat-red-0")
    monkeypatch.setattr(similar, "MOST_COMPARED", 4)
    assert recommender.similar_users("ana", 9).compared == 4
