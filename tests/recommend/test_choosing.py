"""What a request may ask of the real items: price, rights, variety and chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.store import Item, Profile
from persona.taste.rank import EXPLORATION, intra_list_diversity

GREEN = {"facet": "colour", "value": "green", "weight": 1.0}
LIKED = [{"item_id": "dress-green-0", "type": "like", "at": "2025-05-01T00:00:00Z"}]
ALL = {"mode": "retrieve", "count": 100}


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate({"profile": {"preferences": [GREEN]}, **asked}))


def names(answer: Recommendation) -> list[str]:
    return [item.item_id for item in answer.items]


@pytest.fixture
def relabel(recommender: Recommender) -> Callable[[Callable[[Item], dict[str, Any]]], None]:
    """Changes the fields of every item that a function of it names."""

    def change(changed: Callable[[Item], dict[str, Any]]) -> None:
        items = recommender.store.items()
        recommender.store.put_items([item.model_copy(update=changed(item)) for item in items])
        recommender.refresh()

    return change


def test_prices_bound_what_is_shown(recommender: Recommender, relabel: Any) -> None:
    cost = {"dress": 49.99, "shoes": 80.0, "hat": 15.0}  # the others tell none
    relabel(lambda item: {"price": cost.get(item.category)})
    assert len(ask(recommender, **ALL).items) == 36
    shown = {kind: ask(recommender, **ALL, **bound) for kind, bound in {
        "least": {"price_min": 49.99}, "most": {"price_max": 49.99}, "both": {"price_min": 15, "price_max": 49.99},
        "free": {"price_min": 0}, "any": {"price_max": 1e300}, "dear": {"price_min": 1e300},
        "none": {"price_min": 20, "price_max": 30},
    }.items()}  # fmt: skip
    kinds = {kind: {item.category for item in answer.items} for kind, answer in shown.items()}
    assert kinds == {
        "least": {"dress", "shoes"}, "most": {"dress", "hat"}, "both": {"dress", "hat"},
        "free": {"dress", "shoes", "hat"}, "any": {"dress", "shoes", "hat"}, "dear": set(), "none": set(),
    }  # fmt: skip
    assert len(shown["least"].items) == 12
    outfit = shown["least"].outfit
    assert outfit is not None
    assert {piece.category for piece in outfit.pieces if piece.item_id} <= {"dress", "shoes"}


def test_rights_bound_what_is_shown(recommender: Recommender, relabel: Any) -> None:
    made, bought = {"licence": "Apache-2.0", "generated": True}, {"licence": "shop", "generated": False}
    rights = {"dress": made, "shoes": bought}
    relabel(lambda item: {"rights": item.rights.model_copy(update=rights.get(item.category, {}))})
    generated = ask(recommender, **ALL, generated=True)
    assert {item.category for item in generated.items} == {"dress"}
    photos = ask(recommender, **ALL, generated=False)
    assert len(photos.items) == 30
    assert not any(item.generated for item in photos.items)
    under = ask(recommender, **ALL, licences=["Apache-2.0", "shop", "nobody's"])
    assert {item.category for item in under.items} == {"dress", "shoes"}
    assert ask(recommender, **ALL, licences=["nobody's"]).items == ()
    assert names(ask(recommender, **ALL, licences=["shop"], generated=True)) == []


def test_an_outfit_is_not_filled_with_what_the_rights_leave_out(recommender: Recommender, relabel: Any) -> None:
    relabel(lambda item: {"active": item.category in ("dress", "hat")})  # no shoes: they are generated
    filled, photos = (ask(recommender, **ALL, generated=given).outfit for given in (None, False))
    assert filled is not None
    assert any(piece.generated for piece in filled.pieces)
    assert photos is None


def test_enough_are_found_under_every_filter_at_once(recommender: Recommender, relabel: Any) -> None:
    relabel(lambda item: {"price": 20.0 if item.colour in ("green", "red", "blue") else 90.0})
    asked = {"price_max": 30, "licences": ["CC0-1.0"], "generated": False, "exclude": ["dress-red-0"]}
    answer = ask(recommender, **asked, category="dress", mode="retrieve", count=2, diversity=0.5, explore=0.5)
    assert sorted(names(answer)) == ["dress-blue-0", "dress-green-0"]


def test_diversity_widens_the_choice(recommender: Recommender) -> None:
    rows, plain = recommender.table.index, ask(recommender, mode="retrieve", count=6)
    vectors = recommender._catalogue.vectors
    variety = [
        intra_list_diversity(vectors[[rows[name] for name in names(ask(recommender, count=6, diversity=weight))]])
        for weight in (0.0, 0.5, 1.0)
    ]
    assert variety[0] < variety[1] <= variety[2]
    various = ask(recommender, mode="retrieve", count=6, diversity=0.5)
    assert various.items[0] == plain.items[0]
    assert [item.rank for item in various.items] == [1, 2, 3, 4, 5, 6]
    assert ask(recommender, mode="retrieve", count=6, diversity=0) == plain
    everything = ask(recommender, **ALL, diversity=0.5)
    assert sorted(names(everything)) == sorted(names(ask(recommender, **ALL)))


def test_exploration_draws_by_the_seed(recommender: Recommender) -> None:
    asked: dict[str, Any] = {"history": LIKED, "mode": "retrieve", "count": 6, "outfit": False}
    plain = ask(recommender, **asked)
    assert ask(recommender, **asked, explore=0).items == plain.items
    drawn = [ask(recommender, **asked, explore=1, seed=seed) for seed in range(8)]
    assert len({tuple(names(answer)) for answer in drawn}) > 4
    assert ask(recommender, **asked, explore=1, seed=3) == drawn[3]
    assert all(answer.cold_start == "none" for answer in drawn)
    for answer in drawn:  # what chance brought says so, what taste brought does not
        explored = {item.item_id for item in answer.items if item.reasons[0].kind == "explore"}
        assert explored == set(names(answer)) - set(names(plain))
        assert all(len(item.reasons) > 1 for item in answer.items if item.item_id in explored)


def test_strangers_explore_unless_told(recommender: Recommender) -> None:
    asked: dict[str, Any] = {"profile": {}, "mode": "retrieve", "seed": 5, "outfit": False}
    assert ask(recommender, **asked).items == ask(recommender, **asked, explore=EXPLORATION).items
    still = ask(recommender, **{**asked, "seed": 6}, explore=0)
    assert still.items == ask(recommender, **asked, explore=0).items
    prior = recommender._catalogue.prior
    assert [item.score for item in still.items] == pytest.approx(np.sort(prior)[::-1][:12].tolist(), abs=1e-5)


def test_who_refuses_is_not_explored(recommender: Recommender) -> None:
    for name in ("ben", "cleo"):
        recommender.store.put_user(Profile(id=name, consents={"personalisation": False}))
    ben, cleo = (
        recommender.recommend(RecommendationRequest(user_id=name, mode="retrieve", explore=1.0))
        for name in ("ben", "cleo")
    )
    assert ben.items == cleo.items
