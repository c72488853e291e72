"""When and what for: season, weather and occasion move the ranking, the outfit and what is drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.recommend.context import COLD, UNFIT, Context, suitability

GREEN = {"facet": "colour", "value": "green", "weight": 1.0}


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    asked = {"profile": {"preferences": [GREEN]}, "count": 100, "seed": 3, **asked}
    return recommender.recommend(RecommendationRequest.model_validate(asked))


def mean_place(answer: Recommendation, category: str) -> float:
    return float(np.mean([item.rank for item in answer.items if item.category == category]))


@pytest.mark.parametrize(
    ("month", "north", "south"), [(1, "winter", "summer"), (4, "spring", "autumn"), (9, "autumn", "spring")]
)
def test_the_month_and_the_hemisphere_tell_the_season(month: int, north: str, south: str) -> None:
    at = datetime(2025, month, 15, tzinfo=UTC)
    assert Context(at=at).season == north
    assert Context(at=at, hemisphere="south").season == south
    assert Context().season is None


def test_a_context_that_says_nothing_changes_nothing(recommender: Recommender) -> None:
    assert ask(recommender, context={}).items == ask(recommender).items


def test_the_cold_brings_coats_and_takes_none_away(recommender: Recommender) -> None:
    cold, hot = (ask(recommender, context={"temperature": degrees}) for degrees in (-5, 35))
    assert len(cold.items) == len(hot.items) == 36
    assert mean_place(cold, "outwear") < mean_place(hot, "outwear")
    assert mean_place(hot, "dress") < mean_place(cold, "dress")
    assert cold.outfit is not None
    assert hot.outfit is not None
    assert "outer" in {piece.slot for piece in cold.outfit.pieces}
    assert "outer" not in {piece.slot for piece in hot.outfit.pieces}
    assert {made.category for made in cold.generated}.isdisjoint({"dress", "shorts", "t-shirt", "skirt", "top", "polo"})


def test_the_season_of_the_time_moves_what_is_worn_in_it(recommender: Recommender) -> None:
    january = {"at": "2025-01-15T12:00:00Z"}
    north, south = ask(recommender, context=january), ask(recommender, context={**january, "hemisphere": "south"})
    assert mean_place(north, "outwear") < mean_place(south, "outwear")


def test_the_occasion_moves_what_is_worn_to_it(recommender: Recommender) -> None:
    wedding, everyday = (ask(recommender, context={"occasion": name}) for name in ("wedding", "everyday"))
    assert mean_place(wedding, "dress") < mean_place(everyday, "dress")
    assert mean_place(everyday, "t-shirt") < mean_place(wedding, "t-shirt")


def test_what_moved_up_says_so_and_the_shares_stay_shares(recommender: Recommender) -> None:
    answer = ask(recommender, context={"temperature": 0, "occasion": "work"})
    told = [item for item in answer.items if any(reason.kind == "context" for reason in item.reasons)]
    assert told
    assert all("suits 0 °C and work" in {reason.text for reason in item.reasons} for item in told)
    assert all(sum(reason.weight for reason in item.reasons) <= 1.001 for item in answer.items)
    silent = ask(recommender, context={"temperature": 0, "occasion": "work"}, explain=False)
    assert [item.item_id for item in silent.items] == [item.item_id for item in answer.items]


def test_the_effects_are_those_that_are_written_down(recommender: Recommender) -> None:
    catalogue = recommender._catalogue
    coats, dresses = catalogue.of_category("outwear"), catalogue.of_category("dress")
    freezing = suitability(Context(temperature=-30), catalogue)
    assert set(freezing[coats].tolist()) == {0.0}
    assert set(freezing[dresses].tolist()) == {UNFIT}
    assert suitability(Context(temperature=14 - 10), catalogue)[dresses][0] == pytest.approx(UNFIT / 2)
    assert Context(temperature=COLD - 1).cold
    assert not Context(temperature=COLD).cold


def test_a_season_asked_for_is_still_a_condition(recommender: Recommender) -> None:
    answer = ask(recommender, season="summer", context={"temperature": 0})
    assert {item.item_id for item in answer.items} == {item.item_id for item in ask(recommender, season="summer").items}
