"""What models made: condition vectors, generations and the register of models."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona.errors import BadInput, Conflict, NotFound
from persona.store import Event, Generation, ModelVersion, Reason, Store

NOON = datetime(2025, 5, 4, 12, tzinfo=UTC)


def generation(name: str, user: str | None = "u1", minute: int = 0, picture: str = "a") -> Generation:
    return Generation(
        id=name, picture=picture * 64, user_id=user, model="garment-64@3f9a", condition_digest="c" * 64, seed=2**63 - 1,
        category="dress", created_at=NOON + timedelta(minutes=minute), reasons=(
            Reason(kind="preference", text="You like green", weight=0.5, facet="colour", value="green"),
            Reason(kind="event", text="You liked a dress", weight=0.25, item_id="i1"),
        ),
    )  # fmt: skip


def test_a_condition_comes_back_as_it_was(filled: Store) -> None:
    vector = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    made_from = {"events": ["1", "2"], "preferences": 3, "share": 0.25}
    assert filled.get_condition("u1", "taste@1") is None
    filled.put_condition("u1", "taste@1", 0, vector, made_from)
    found = filled.get_condition("u1", "taste@1")
    assert found is not None
    np.testing.assert_array_equal(found.vector, vector)
    assert (found.watermark, found.made_from, found.stale) == (0, made_from, False)
    assert abs(found.made_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert filled.get_condition("u1", "taste@2") is None


def test_a_condition_is_stale_once_the_user_did_something(filled: Store, an_event: Callable[..., Event]) -> None:
    filled.put_condition("u1", "taste@1", filled.event_watermark("u1"), np.ones(4), {})
    filled.add_events([an_event("1", user_id="u2")])
    assert not _stale(filled)
    filled.add_events([an_event("2")])
    assert _stale(filled)
    filled.put_condition("u1", "taste@1", filled.event_watermark("u1"), np.ones(4), {})
    assert not _stale(filled)


def _stale(store: Store) -> bool:
    found = store.get_condition("u1", "taste@1")
    assert found is not None
    return found.stale


def test_conditions_that_cannot_be(filled: Store) -> None:
    with pytest.raises(NotFound, match="'u9' is not stored"):
        filled.put_condition("u9", "taste@1", 0, np.ones(4), {})
    for vector in (np.ones((2, 2)), np.array([1, np.inf])):
        with pytest.raises(BadInput, match="vector: "):
            filled.put_condition("u1", "taste@1", 0, vector, {})
    assert filled.get_condition("u1", "taste@1") is None


def test_generations_come_back_as_they_were(filled: Store) -> None:
    made = [
        generation("g1"),
        generation("g2", minute=2, picture="b"),
        generation("g3", minute=1),
        generation("g4", None),
    ]
    features = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)
    assert filled.add_generations(made, features) == 4
    assert filled.add_generations([generation("g5", "u2")]) == 1
    assert filled.get_generation("g1") == made[0]
    assert filled.get_generation("g4").user_id is None
    assert filled.generations("u1") == [made[1], made[2], made[0]]
    assert filled.generations("u1", limit=1) == [made[1]]
    found = filled.generation_features(["g3", "g1", "g5", "none"])
    assert found.keys() == {"g1", "g3"}
    np.testing.assert_array_equal(found["g3"], features[2])


def test_the_generation_of_a_picture_is_the_first_one(filled: Store) -> None:
    filled.add_generations([generation("g2", minute=1), generation("g1", minute=2)])
    assert filled.generation_of_picture("a" * 64) == generation("g2", minute=1)
    assert filled.generation_of_picture("b" * 64) is None


def test_the_same_generation_again(filled: Store) -> None:
    filled.add_generations([generation("g1")])
    assert filled.add_generations([generation("g1", minute=5), generation("g2"), generation("g2")]) == 1
    assert filled.get_generation("g1") == generation("g1")
    with pytest.raises(Conflict, match=r"generations\[1\]\.id: 'g1' is stored with another picture"):
        filled.add_generations([generation("g3"), generation("g1", picture="b")])
    with pytest.raises(NotFound):
        filled.get_generation("g3")


def test_a_generation_for_nobody_known(filled: Store) -> None:
    with pytest.raises(BadInput, match=r"generations\[1\]\.user_id: 'u9' is not known"):
        filled.add_generations([generation("g1"), generation("g2", "u9")])
    with pytest.raises(BadInput, match="features: shape"):
        filled.add_generations([generation("g1")], np.zeros((2, 64)))
    with pytest.raises(NotFound, match="'g1' is not stored"):
        filled.get_generation("g1")


def test_models_are_registered_once_each(store: Store) -> None:
    first = ModelVersion(name="taste", version="1", kind="taste", metrics={"hr": 0.09}, registered_at=NOON)
    second = ModelVersion(name="garment-64", version="1", kind="gan", registered_at=NOON + timedelta(hours=1))
    store.put_model(second)
    store.put_model(first)
    later = first.model_copy(
        update={"metrics": {"hr": 0.1, "by": [1, None]}, "registered_at": NOON + timedelta(days=1)}
    )
    store.put_model(later)
    assert store.models() == [later.model_copy(update={"registered_at": NOON}), second]
