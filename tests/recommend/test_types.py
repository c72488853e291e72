"""What may be asked, and that the document of the API says what everything is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from persona.recommend.types import Recommendation, RecommendationRequest

EVENT = {"item_id": "a", "type": "like", "at": "2025-05-04T10:00:00Z"}
WRONG: dict[str, dict[str, Any]] = {
    "exactly one of user_id and profile": {},
    "exactly one of user_id": {"user_id": "u", "profile": {}},
    "goes with profile only": {"user_id": "u", "history": []},
    "category": {"user_id": "u", "category": "sock"},
    "season": {"user_id": "u", "season": "monsoon"},
    "mode": {"user_id": "u", "mode": "guess"},
    "count": {"user_id": "u", "count": 0},
    "generate": {"user_id": "u", "generate": 17},
    "seed": {"user_id": "u", "seed": -1},
    "the same facet and value": {"profile": {"preferences": [{"facet": "colour", "value": "red", "weight": 1}] * 2}},
    "than or equal to 1": {"profile": {"preferences": [{"facet": "colour", "value": "red", "weight": 2}]}},
    "exactly one of item_id and generation_id": {"profile": {}, "history": [{**EVENT, "generation_id": "g"}]},
    "lies in the future": {"profile": {}, "history": [{**EVENT, "at": "2999-01-01T00:00:00Z"}]},
    "timezone": {"profile": {}, "history": [{**EVENT, "at": "2025-05-04T10:00:00"}]},
    "price_min: 50 is above price_max 20": {"user_id": "u", "price_min": 50, "price_max": 20},
    "greater than or equal to 0": {"user_id": "u", "price_max": -1},
    "finite": {"user_id": "u", "price_min": float("nan")},
    "at least 1 item": {"user_id": "u", "licences": []},
    "less than or equal to 1": {"user_id": "u", "diversity": 1.1},
    "explore": {"user_id": "u", "explore": -0.1},
    "Extra inputs": {"user_id": "u", "colour": "red"},
}


@pytest.mark.parametrize(("says", "request_"), WRONG.items(), ids=WRONG)
def test_wrong_requests_are_refused_by_name(says: str, request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=says):
        RecommendationRequest.model_validate(request_)


def test_the_examples_are_valid() -> None:
    for example in RecommendationRequest.model_json_schema()["examples"]:
        RecommendationRequest.model_validate(example)


@pytest.mark.parametrize("model", [RecommendationRequest, Recommendation])
def test_every_field_is_described(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization")
    ours = {"RankedItem", "GeneratedItem", "Outfit", "OutfitPiece", "InlineProfile", "InlineEvent"}
    parts = [schema, *(part for name, part in schema.get("$defs", {}).items() if name in ours)]
    bare = [f"{part['title']}.{name}" for part in parts for name, field in part["properties"].items()
            if "description" not in field]  # fmt: skip
    assert not bare
