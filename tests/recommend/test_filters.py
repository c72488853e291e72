"""Conditions on items: the same as a plain reading of them in Python, bounded, and named where they are wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from persona.recommend import RecommendationRequest, Recommender
from persona.recommend.catalogue import Catalogue
from persona.recommend.filters import DEEPEST, MOST_CONDITIONS, UNKNOWABLE, VALUES, Filter, passes
from persona.store import Item
from persona.store.records import CATEGORIES, COLOURS, PATTERNS, SEASONS, STYLES, Rights
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.table import ItemTable

TASTE = TasteModel(TasteConfig(width=16, heads=2))
LICENCES, OWNERS = ("CC0-1.0", "all rights reserved"), ("shop-a", "shop-b")


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


numbers = st.integers(0, 100) | st.floats(0, 100, allow_nan=False).map(lambda x: round(x, 2))
items = st.builds(
    dict,
    category=st.sampled_from(CATEGORIES),
    colour=maybe(st.sampled_from(COLOURS)),
    pattern=maybe(st.sampled_from(PATTERNS)),
    style=maybe(st.sampled_from(STYLES)),
    seasons=st.lists(st.sampled_from(SEASONS), unique=True),
    price=maybe(numbers),
    lab=maybe(st.tuples(numbers, st.just(0.0), st.just(0.0))),
    owner=maybe(st.sampled_from(OWNERS)),
    rights=st.builds(Rights, licence=st.sampled_from(LICENCES), source=st.just("a test"), generated=st.booleans()),
)
words = {
    **{name: st.sampled_from(values) for name, values in VALUES.items()},
    "licence": st.sampled_from(LICENCES) | st.text("ab", max_size=3),
    "owner": st.sampled_from(OWNERS),
    "item_id": st.integers(0, 9).map(lambda n: f"item-{n}"),
    "generated": st.booleans(),
}


def on_words(field: str) -> st.SearchStrategy[dict[str, Any]]:
    values = maybe(words[field]) if field in UNKNOWABLE else words[field]
    return st.lists(values, min_size=1, max_size=4).map(lambda chosen: {"field": field, "in": chosen})


def on_numbers(field: str) -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.lists(numbers, min_size=2, max_size=2).map(sorted)
    both = bounds.map(lambda two: {"field": field, "min": two[0], "max": two[1]})
    one = st.tuples(st.sampled_from(["min", "max"]), numbers).map(lambda pair: {"field": field, pair[0]: pair[1]})
    return both | one


leaves = st.one_of(*map(on_words, words), *map(on_numbers, ("price", "lightness", "popularity")))
conditions = st.recursive(
    leaves,
    lambda part: st.lists(part, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([{"all": parts}, {"any": parts}, {"not": parts[0]}])
    ),
    max_leaves=8,
).filter(lambda tree: deep(tree) <= DEEPEST)


def deep(tree: dict[str, Any]) -> int:
    parts = tree.get("all") or tree.get("any") or ([tree["not"]] if "not" in tree else [])
    return 1 + max(map(deep, parts), default=0)


def holds(tree: dict[str, Any], item: Item, popularity: float) -> bool:
    """What the description of a condition says, word for word."""
    if "all" in tree:
        return all(holds(part, item, popularity) for part in tree["all"])
    if "any" in tree:
        return any(holds(part, item, popularity) for part in tree["any"])
    if "not" in tree:
        return not holds(tree["not"], item, popularity)
    if tree["field"] == "season":
        return not item.seasons or bool(set(item.seasons) & set(tree["in"]))
    value = {
        "item_id": item.id, "licence": item.rights.licence, "generated": item.rights.generated,
        "lightness": item.lab[0] if item.lab else None, "popularity": popularity,
    }.get(tree["field"], getattr(item, tree["field"], None))  # fmt: skip
    if "in" in tree:
        return value in tree["in"]
    return value is not None and tree.get("min", -np.inf) <= value <= tree.get("max", np.inf)


@settings(deadline=None, max_examples=300)
@given(st.lists(items, min_size=1, max_size=10), st.lists(st.integers(0, 5), min_size=10, max_size=10), conditions)
def test_a_condition_holds_for_the_items_that_python_says(
    given_items: list[dict[str, Any]], popularity: list[int], tree: dict[str, Any]
) -> None:
    shop = [Item(id=f"item-{n}", **fields) for n, fields in enumerate(given_items)]
    counts = np.array(popularity[: len(shop)], np.float32)
    table = ItemTable.of(shop, np.zeros((len(shop), 64), np.float32), counts)
    wanted = Filter.model_validate_json(json.dumps(tree), strict=True)
    found = passes(wanted, Catalogue.of(table, TASTE))
    assert found.dtype == bool
    assert found.tolist() == [holds(tree, item, count) for item, count in zip(shop, popularity)]
    again = Filter.model_validate(wanted.model_dump(mode="json"))  # as a stored request is read again
    assert again == wanted


RED = {"field": "colour", "in": ["red"]}
WRONG: dict[str, Any] = {
    "exactly one of": {},
    "exactly one of all, any": {"all": [RED], "any": [RED]},
    "go with a field": {"all": [RED], "min": 3},
    "price is a number": {"field": "price", "in": ["80"]},
    "price is a number: give min": {"field": "price"},
    "takes in": {"field": "colour", "min": 3},
    "'mauve' is no colour": {"field": "colour", "in": ["mauve"]},
    "'monsoon' is no season": {"field": "season", "in": ["monsoon"]},
    "None is no value of category": {"field": "category", "in": [None]},
    "'yes' is no value of generated; give true or false": {"field": "generated", "in": ["yes"]},
    "True is no value of colour": {"field": "colour", "in": [True]},
    "min: 50 is above max 20": {"field": "price", "min": 50, "max": 20},
    "finite": {"field": "price", "min": float("nan")},
    "Input should be 'item_id'": {"field": "__class__", "in": ["x"]},
    "Extra inputs": {"field": "colour", "in": ["red"], "eval": "1"},
    "at least 1 item": {"all": []},
    "should have at least 1 item": {"field": "colour", "in": []},
    "at most 64": {"all": [{"any": [RED] * 20}] * 4},
}


@pytest.mark.parametrize(("says", "wanted"), WRONG.items(), ids=WRONG)
def test_wrong_conditions_are_refused_by_name(says: str, wanted: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=says):
        RecommendationRequest.model_validate({"profile": {}, "filter": wanted})


def test_conditions_are_bounded_in_depth_and_number() -> None:
    tree: dict[str, Any] = RED
    for _ in range(DEEPEST - 1):
        tree = {"not": tree}
    assert Filter.model_validate(tree).depth == DEEPEST
    with pytest.raises(ValidationError, match="deep at most"):
        Filter.model_validate({"not": tree})
    wide = {"all": [RED] * (MOST_CONDITIONS - 1)}
    assert Filter.model_validate(wide).size == MOST_CONDITIONS
    with pytest.raises(ValidationError, match="at most 64"):
        Filter.model_validate({"not": wide})


def test_a_filter_bounds_items_outfits_and_what_is_made(recommender: Recommender) -> None:
    wanted = {"all": [{"field": "colour", "in": ["red", "green"]}, {"not": {"field": "category", "in": ["hat"]}}]}
    asked = {"profile": {"preferences": [{"facet": "category", "value": "hat", "weight": 1}]}, "count": 100}
    answer = recommender.recommend(RecommendationRequest.model_validate({**asked, "filter": wanted, "generate": 6}))
    assert len(answer.items) == 10
    shown = {item.item_id for item in answer.items}
    assert all(name.split("-")[-2] in ("red", "green") and not name.startswith("hat") for name in shown)
    assert len(answer.generated) == 6
    assert "hat" not in {made.category for made in answer.generated}
    assert answer.outfit is not None
    assert {piece.item_id for piece in answer.outfit.pieces} <= shown


def test_what_nothing_passes_gives_nothing(recommender: Recommender) -> None:
    nothing = {"field": "owner", "in": ["nobody"]}
    answer = recommender.recommend(RecommendationRequest.model_validate({"profile": {}, "filter": nothing}))
    assert (answer.items, answer.generated, answer.outfit) == ((), (), None)


def test_a_stranger_is_drawn_what_passes(recommender: Recommender) -> None:
    wanted = {"profile": {}, "mode": "generate", "generate": 8, "filter": {"field": "category", "in": ["dress", "hat"]}}
    answer = recommender.recommend(RecommendationRequest.model_validate(wanted))
    assert {made.category for made in answer.generated} == {"dress", "hat"}
