"""Liked styles count in the taste in garments as long as they are in force, and are never recommended among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from persona.errors import BadInput
from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.recommend.recommender import VISUAL
from persona.store import Agreement, Event, NamedStyle, Profile

from .drawn import garment

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
AGREED = Agreement(licence="by agreement", source="mia", consent=True, given_at=BEGAN)
EVERYTHING = {"mode": "retrieve", "count": 100}


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate({**EVERYTHING, **asked}))


def did(number: int, item: str, type: str = "like") -> Event:
    at = BEGAN + timedelta(hours=number)
    return Event.model_validate({"key": f"ana-{number}", "user_id": "ana", "item_id": item, "type": type, "at": at})


def learn(recommender: Recommender, like: str = "dress-green-0", name: str = "style-mia", **fields: Any) -> None:
    """A style whose content is a garment's."""
    model = recommender.visual.version
    assert model.startswith(VISUAL)
    names, vectors = recommender.store.item_vectors(model)
    content = vectors[names.index(like)]
    stated = {"title": "Mia", "agreement": AGREED, "model": "style@1", "weights": (1.0,), "learnt_at": BEGAN}
    style = NamedStyle.model_validate({"id": name, **stated, **fields})
    recommender.store.put_style(style, np.ones((1, 8), np.float32), model, content)


@pytest.fixture
def ana(recommender: Recommender) -> str:
    """A user who likes one red hat."""
    recommender.store.put_user(Profile(id="ana"))
    recommender.store.add_events([did(1, "hat-red-0")])
    recommender.refresh()
    return "ana"


def scores(answer: Recommendation) -> dict[str, float]:
    return {item.item_id: item.score for item in answer.items}


def test_a_liked_style_changes_what_is_recommended(recommender: Recommender, ana: str) -> None:
    learn(recommender)
    before = ask(recommender, user_id=ana)
    recommender.store.add_events([did(2, "style-mia")])
    after = ask(recommender, user_id=ana)
    assert scores(after) != scores(before)
    assert scores(after).keys() == scores(before).keys()  # the style itself is no garment
    told = [reason for item in after.items for reason in item.reasons if reason.item_id == "style-mia"]
    assert told
    assert {reason.text for reason in told} == {"because you liked the style Mia"}


def test_the_content_of_a_style_decides(recommender: Recommender, ana: str) -> None:
    learn(recommender, "dress-green-0", "green")
    learn(recommender, "shoes-black-0", "black")
    at = {"type": "like", "at": BEGAN}
    green, black = (ask(recommender, profile={}, history=[{"item_id": name, **at}]) for name in ("green", "black"))
    assert scores(green) != scores(black)


def test_a_retired_style_counts_no_more(recommender: Recommender, ana: str) -> None:
    before = ask(recommender, user_id=ana)
    learn(recommender)
    recommender.store.add_events([did(2, "style-mia")])
    liked = ask(recommender, user_id=ana)
    recommender.store.retire_style("style-mia")
    after = ask(recommender, user_id=ana)
    assert scores(after) == scores(before) != scores(liked)
    assert not any(reason.item_id == "style-mia" for item in after.items for reason in item.reasons)
    with pytest.raises(BadInput, match=r"history.0.item_id: the catalogue has no item 'style-mia'"):
        ask(recommender, profile={}, history=[{"item_id": "style-mia", "type": "like", "at": BEGAN}])


def test_consent_that_ends_is_seen_without_any_event(recommender: Recommender, ana: str) -> None:
    """The stored vector knows the style; fifty events hide that one fewer counts."""
    recommender.store.put_user(Profile(id="mia", consents={"photos": True}))
    learn(recommender, owner="mia")
    garments = [f"{kind}-{colour}-0" for kind in ("hat", "dress", "pants") for colour in ("red", "blue", "white")] * 7
    worn = [did(number, name) for number, name in enumerate(garments, 2)]
    recommender.store.add_events([*worn, did(70, "style-mia")])
    liked = ask(recommender, user_id=ana)
    recommender.store.put_user(Profile(id="mia", consents={"photos": False}))
    refused = ask(recommender, user_id=ana)
    assert scores(refused) != scores(liked)
    recommender.store.put_user(Profile(id="mia", consents={"photos": True}))
    assert scores(ask(recommender, user_id=ana)) == scores(liked)


def test_a_style_learnt_anew_is_read_anew(recommender: Recommender, ana: str) -> None:
    learn(recommender)
    recommender.store.add_events([did(2, "style-mia")])
    before = ask(recommender, user_id=ana)
    recommender.store.retire_style("style-mia")
    learn(recommender, "shoes-black-0")
    assert scores(ask(recommender, user_id=ana)) != scores(before)


def test_an_import_shows_up_beside_a_liked_style(recommender: Recommender, ana: str) -> None:
    learn(recommender)
    new = garment(recommender.pictures, "hat", "red", 5)
    recommender.store.put_items([new])
    recommender.store.add_events([did(2, new.id), did(3, "style-mia")])
    ask(recommender, user_id=ana)
    assert new.id in recommender.table.index


def test_who_refuses_personalisation_has_no_styles_either(recommender: Recommender, ana: str) -> None:
    recommender.store.put_user(Profile(id="ana", consents={"personalisation": False}))
    before = ask(recommender, user_id=ana)
    learn(recommender)
    recommender.store.add_events([did(2, "style-mia")])
    assert scores(ask(recommender, user_id=ana)) == scores(before)
