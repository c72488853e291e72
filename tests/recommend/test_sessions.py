"""What a stored user does now counts now, and leaves nothing behind; answers are named, and plans change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from persona.errors import BadInput, NotFound
from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.store import Event, Profile

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
LATER = "2025-06-01T10:00:00Z"
GREEN = {"facet": "colour", "value": "green", "weight": 1.0}


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate({"user_id": "ana", **asked}))


def done(type: str, item_id: str | None = None, at: str = LATER, **more: Any) -> dict[str, Any]:
    return {"type": type, "item_id": item_id, "at": at, **more}


@pytest.fixture
def ana(recommender: Recommender) -> Recommender:
    """A service with one user, who liked one thing."""
    recommender.store.put_user(Profile.model_validate({"id": "ana", "preferences": [GREEN]}))
    like = Event(key="1", user_id="ana", item_id="dress-green-0", type="like", at=BEGAN)
    recommender.store.add_events([like])
    return recommender


def test_a_session_counts_like_stored_events_and_is_not_stored(ana: Recommender) -> None:
    before = ask(ana, seed=5)
    session = [done("like", "hat-yellow-0"), done("hide", "pants-red-0")]
    during = ask(ana, seed=5, session=session)
    assert during.items != before.items
    assert "pants-red-0" not in {item.item_id for item in ask(ana, count=100, session=session).items}
    assert during == ask(ana, seed=5, session=session)
    assert (during.watermark, during.user_id) == (before.watermark, "ana")
    assert during.rec_id != before.rec_id
    assert ask(ana, session=session).seed != ask(ana).seed
    assert len(ana.store.history("ana")) == 1
    assert ask(ana, seed=5) == before  # neither a vector nor a reason of the session stayed behind

    stored = [Event(key=f"s{n}", user_id="ana", **event) for n, event in enumerate(session)]
    ana.store.add_events([event.model_copy(update={"at": datetime.fromisoformat(LATER)}) for event in stored])
    assert ask(ana, seed=5).items == during.items
    assert [made.picture for made in ask(ana, seed=5).generated] == [made.picture for made in during.generated]


def test_a_session_comes_after_the_history_whatever_its_clock_says(ana: Recommender) -> None:
    early = (BEGAN - timedelta(days=30)).isoformat()
    assert "dress-green-0" in {item.item_id for item in ask(ana, count=100).items}
    hidden = ask(ana, count=100, session=[done("hide", "dress-green-0", at=early)])
    assert "dress-green-0" not in {item.item_id for item in hidden.items}


def test_a_session_of_who_refused_personalisation_only_hides(ana: Recommender) -> None:
    ana.store.put_user(Profile(id="ana", consents={"personalisation": False}))
    plain = ask(ana, seed=1, count=100)
    during = ask(ana, seed=1, count=100, session=[done("like", "hat-yellow-0"), done("hide", "pants-red-0")])
    assert during.cold_start == "popularity"
    assert {item.item_id for item in plain.items} - {item.item_id for item in during.items} == {"pants-red-0"}
    scores = {item.item_id: item.score for item in plain.items}
    assert all(item.score == scores[item.item_id] for item in during.items)


def test_a_session_names_what_does_not_exist_and_whose_it_is(ana: Recommender) -> None:
    with pytest.raises(BadInput, match=r"session.1.item_id: .*'nothing'"):
        ask(ana, session=[done("like", "hat-yellow-0"), done("like", "nothing")])
    with pytest.raises(BadInput, match=r"session.0.generation_id"):
        ask(ana, session=[done("like", generation_id="g-none")])
    with pytest.raises(ValueError, match="session: goes with user_id only"):
        RecommendationRequest.model_validate({"profile": {}, "session": [done("like", "hat-yellow-0")]})


def test_a_generated_picture_in_a_session_counts(ana: Recommender) -> None:
    before = ask(ana, seed=5)
    liked = done("like", generation_id=before.generated[0].generation_id)
    assert [i.score for i in ask(ana, seed=5, session=[liked]).items] != [i.score for i in before.items]


def test_feedback_on_a_generated_picture_changes_the_taste_and_the_answer(ana: Recommender) -> None:
    """The vector itself, and by it the next answer, by a like in another way than by a dislike."""
    model, made = ask(ana).taste_model, ask(ana, seed=5).generated[0]
    before = ana.store.get_condition("ana", model)
    scores = {}
    for number, type in enumerate(("like", "dislike")):
        at = BEGAN + timedelta(days=1 + number)
        event = Event(key=type, user_id="ana", generation_id=made.generation_id, type=type, at=at, rec_id="r-1")
        ana.store.add_events([event])
        again = ask(ana, seed=5)
        after = ana.store.get_condition("ana", model)
        assert before is not None
        assert after is not None
        assert not np.allclose(after.vector, before.vector)
        scores[type] = [item.score for item in again.items]
        before = after
    assert scores["like"] != scores["dislike"]


def test_what_an_answer_is_called_comes_back_with_events(ana: Recommender) -> None:
    answer = ask(ana)
    assert len(answer.rec_id) <= 64
    bought = Event(key="2", user_id="ana", item_id="hat-red-0", type="cart", at=BEGAN, rec_id=answer.rec_id)
    assert ana.add_events([bought]).added == 1
    assert {event.key: event.rec_id for event in ana.store.history("ana")} == {"1": None, "2": answer.rec_id}
    assert ana.add_events([bought]).duplicates == 1
    ask(ana, session=[done("like", "hat-yellow-0", rec_id=answer.rec_id)])


def test_a_plan_says_what_would_be_done_and_does_nothing(ana: Recommender) -> None:
    pictures = sorted(ana.pictures.root.rglob("*.webp"))
    asked = {"count": 5, "generate": 3, "category": "dress", "filter": {"field": "colour", "in": ["red", "green"]}}
    plan = ask(ana, **asked, validate_only=True)
    assert (plan.items, plan.generated, plan.outfit) == ((), (), None)
    assert plan.plan is not None
    assert plan.plan.model_dump() == {"candidates": 2, "items": 2, "generate": 3, "outfit": True}
    assert sorted(ana.pictures.root.rglob("*.webp")) == pictures
    assert ana.store.generations("ana") == []
    assert ana.store.get_condition("ana", plan.taste_model) is None
    answer = ask(ana, **asked)
    assert answer.plan is None
    assert (len(answer.items), len(answer.generated)) == (2, 3)
    same = ("seed", "watermark", "cold_start", "arm", "taste_model", "generator_model", "user_id")
    assert [getattr(plan, name) for name in same] == [getattr(answer, name) for name in same]
    assert plan.rec_id != answer.rec_id


@pytest.mark.parametrize("cold_start", ["profile", "popularity"])
def test_a_plan_knows_how_an_answer_would_be_ranked(recommender: Recommender, cold_start: str) -> None:
    preferences = [GREEN] if cold_start == "profile" else []
    asked = {"profile": {"preferences": preferences}, "mode": "retrieve", "count": 3, "outfit": False}
    plan = ask(recommender, user_id=None, **asked, validate_only=True)
    assert plan.cold_start == ask(recommender, user_id=None, **asked).cold_start == cold_start
    assert plan.plan is not None
    assert plan.plan.model_dump() == {"candidates": 36, "items": 3, "generate": 0, "outfit": False}


def test_a_plan_refuses_what_an_answer_would(ana: Recommender) -> None:
    with pytest.raises(NotFound):
        ask(ana, user_id="nobody", validate_only=True)
    with pytest.raises(BadInput, match=r"session\.0"):
        ask(ana, session=[done("like", "nothing")], validate_only=True)
