"""What is taken together, in the answers: at once, for whoever asks, told as a reason, and gone with its people."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.recommend.recommender import LOOK_EVERY
from persona.recommend.tally import FILE
from persona.settings import Settings
from persona.store import Event, Profile
from persona.taste.cooccurrence import NEUTRAL, Fusion
from persona.taste.history import HistoryEntry

from .drawn import garment

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
STRONG = Fusion((0.0, 50.0, 50.0, 50.0), scale=0.1)  # more than any score of the small model
CAUSE, FOLLOWS = "hat-yellow-0", "shoes-red-0"  # who likes the first buys the second
WithFusion = Callable[[Fusion], Recommender]


@pytest.fixture
def fused(recommender: Recommender, settings: Settings) -> WithFusion:
    """The same service under another fusion."""

    def make(fusion: Fusion) -> Recommender:
        taste = copy(recommender.main.taste)
        taste.config = replace(taste.config, fusion=fusion)
        parts = recommender.store, recommender.pictures, recommender.visual
        return Recommender(*parts, {"default": (taste, recommender.main.generator)}, tally=settings.home / FILE)

    return make


@pytest.fixture
def crowd(recommender: Recommender) -> list[str]:
    """Five people who like the one and then buy the other."""
    names = [f"c{number}" for number in range(5)]
    for name in names:
        put_user(recommender, name)
        do(recommender, name, ("like", CAUSE), ("purchase", FOLLOWS))
    return names


def put_user(recommender: Recommender, user: str, **consents: bool) -> None:
    recommender.store.put_user(Profile.model_validate({"id": user, "consents": consents}))


def do(recommender: Recommender, user: str, *done: tuple[str, str]) -> None:
    first = len(recommender.store.history(user))
    recommender.store.add_events(
        [
            Event(key=f"{user}-{n}", user_id=user, item_id=item, type=kind, at=BEGAN + timedelta(hours=n))  # type: ignore[arg-type]
            for n, (kind, item) in enumerate(done, first)
        ]
    )


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate({"mode": "retrieve", "outfit": False, **asked}))


def test_a_new_event_changes_the_next_answer_at_once(fused: WithFusion, crowd: list[str]) -> None:
    service = fused(STRONG)
    put_user(service, "ana")
    do(service, "ana", ("like", "dress-green-0"))
    before = ask(service, user_id="ana", count=100)
    do(service, "ana", ("like", CAUSE))  # no refresh, no training
    after = ask(service, user_id="ana", count=100)
    assert after.items[0].item_id == FOLLOWS
    scores = ({item.item_id: item.score for item in answer.items} for answer in (before, after))
    old, new = (score[FOLLOWS] for score in scores)
    assert new > old + 10


def test_what_is_taken_together_is_the_reason(fused: WithFusion, crowd: list[str]) -> None:
    service = fused(STRONG)
    history = [
        {"item_id": item, "type": kind, "at": BEGAN + timedelta(hours=n)}
        for n, (kind, item) in enumerate([("purchase", CAUSE), ("like", "dress-green-0")])
    ]
    first = ask(service, profile={}, history=history).items[0]
    assert first.item_id == FOLLOWS
    assert (first.reasons[0].kind, first.reasons[0].item_id) == ("event", CAUSE)
    assert first.reasons[0].text.startswith("because you bought ")
    assert first.reasons[0].weight > 0.9


def test_inline_and_stored_histories_are_treated_alike(fused: WithFusion, crowd: list[str]) -> None:
    service = fused(STRONG)
    put_user(service, "ana")
    do(service, "ana", ("view", CAUSE), ("like", "dress-green-0"), ("hide", "hat-red-0"))
    history = [{"item_id": e.item_id, "type": e.type, "at": e.at} for e in service.store.history("ana")]
    assert ask(service, profile={}, history=history, seed=3).items == ask(service, user_id="ana", seed=3).items


def test_without_counts_or_weights_answers_are_as_before(
    recommender: Recommender, fused: WithFusion, crowd: list[str], settings: Settings
) -> None:
    recommender.refresh()
    asked: dict[str, Any] = {"profile": {}, "history": [{"item_id": CAUSE, "type": "like", "at": BEGAN}], "seed": 1}
    plain = ask(recommender, **asked).items
    assert ask(fused(NEUTRAL), **asked).items == plain
    assert not (settings.home / FILE).exists()
    for name in crowd:
        put_user(recommender, name, personalisation=False)
    service = fused(STRONG)
    recommender.refresh()  # what is popular does not come from them either
    assert service.counted == (0, 0)
    assert ask(service, **asked).items == ask(recommender, **asked).items
    assert ask(service, profile={}, seed=1).items == ask(recommender, profile={}, seed=1).items


@pytest.mark.parametrize("kind", ["dislike", "hide"])
def test_a_dislike_is_followed_by_nothing(fused: WithFusion, crowd: list[str], kind: str) -> None:
    history = [{"item_id": CAUSE, "type": kind, "at": BEGAN}]
    asked: dict[str, Any] = {"profile": {}, "history": history, "seed": 1, "count": 100}
    assert ask(fused(STRONG), **asked).items == ask(fused(NEUTRAL), **asked).items


def test_a_generated_garment_in_the_history_is_passed_over(fused: WithFusion, crowd: list[str]) -> None:
    service = fused(STRONG)
    put_user(service, "ana")
    made = ask(service, user_id="ana", mode="generate", generate=1).generated[0]
    do(service, "ana", ("like", CAUSE))
    event = {"key": "made", "user_id": "ana", "generation_id": made.generation_id, "type": "like"}
    service.store.add_events([Event.model_validate({**event, "at": BEGAN + timedelta(hours=9)})])
    first = ask(service, user_id="ana").items[0]
    assert (first.item_id, first.reasons[0].item_id) == (FOLLOWS, CAUSE)
    again = ask(service, user_id="ana", mode="generate", generate=1).generated[0]
    assert again.reasons


def test_withdrawn_consent_is_honoured_at_the_next_refresh(fused: WithFusion, crowd: list[str]) -> None:
    service = fused(STRONG)
    assert service.counted == (5, 2)
    for name in crowd[1:]:
        put_user(service, name, personalisation=False)
    service.refresh()
    assert service.counted == (1, 2)
    put_user(service, crowd[0], personalisation=False)
    service.refresh()
    assert service.counted == (0, 0)


def test_erasing_takes_the_pairs_along_at_once(fused: WithFusion, crowd: list[str], settings: Settings) -> None:
    service = fused(STRONG)
    asked: dict[str, Any] = {"profile": {}, "history": [{"item_id": CAUSE, "type": "like", "at": BEGAN}]}
    assert ask(service, **asked).items[0].item_id == FOLLOWS
    for name in crowd:
        service.erase(name)
    assert service.counted == (0, 0)
    assert not any(f'"{name}"'.encode() in (settings.home / FILE).read_bytes() for name in crowd)
    assert not service.main.catalogue.companions.bonus([HistoryEntry("like", BEGAN, service.table.index[CAUSE])]).any()
    service.refresh()
    assert service.counted == (0, 0)
    assert ask(service, **asked, seed=1).items == ask(fused(NEUTRAL), **asked, seed=1).items


def test_an_imported_item_keeps_the_others_counts(fused: WithFusion, crowd: list[str]) -> None:
    service = fused(STRONG)
    new = garment(service.pictures, "dress", "red").model_copy(update={"id": "a-new-one"})  # the first by its id
    service.store.put_items([new])
    service.refresh()
    companions = service.main.catalogue.companions
    assert companions is not None
    pairs = companions.counts.counts.tocoo()
    named = {(service.table.ids[j], service.table.ids[i]) for j, i in zip(pairs.row, pairs.col)}
    assert named == {(CAUSE, FOLLOWS), (FOLLOWS, CAUSE)}
    assert len(companions.counts) == len(service.table)


def test_another_process_counts_and_this_one_takes_it_up(fused: WithFusion, crowd: list[str]) -> None:
    service, nightly = fused(STRONG), fused(STRONG)
    do(nightly, "c0", ("like", "dress-red-0"))
    nightly.refresh()
    assert service.counted == (5, 2)
    service._looked -= LOOK_EVERY + 1
    ask(service, profile={}, history=[{"item_id": CAUSE, "type": "like", "at": BEGAN}])
    for _ in range(200):  # it does so in the background
        if service.counted == nightly.counted:
            break
        time.sleep(0.05)
    assert service.counted == nightly.counted == (5, 6)


def test_scores_are_the_encoders_and_the_bonus(fused: WithFusion, crowd: list[str]) -> None:
    asked: dict[str, Any] = {"profile": {}, "history": [{"item_id": CAUSE, "type": "like", "at": BEGAN}], "count": 100}
    service = fused(Fusion((0, 2, 0, 0), scale=0.5))
    plain, with_bonus = (
        {item.item_id: item.score for item in ask(s, **asked).items} for s in (fused(NEUTRAL), service)
    )
    # five pairs of weight 1 x 2, from an item of weight 5 to one of weight 10, told by a like
    score = 5 * 2 / (6**0.3 * 11**0.2)
    assert np.isclose(with_bonus[FOLLOWS] - plain[FOLLOWS], 2 * np.log1p(score / 0.5), atol=1e-3)
    assert all(with_bonus[name] == plain[name] for name in plain if name != FOLLOWS)
