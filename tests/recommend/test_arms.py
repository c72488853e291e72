"""An A/B split: shares as set, users where they were, models loaded once, and each arm answering by its own."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from persona.arms import DEFAULT, Split, arms_of
from persona.errors import BadInput
from persona.gan import GarmentModel, Prior
from persona.gan.networks import Generator
from persona.metrics import ANSWERS, EVENTS
from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.serve.run import serve
from persona.settings import Arm, Settings
from persona.store import Event, Profile
from persona.store.records import CATEGORIES
from persona.taste.model import TasteModel

USERS = [f"user-{number}" for number in range(20_000)]
AT = datetime(2025, 5, 1, tzinfo=UTC)


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate(asked))


@pytest.mark.parametrize("shares", [{"a": 1.0, "b": 1.0}, {"a": 0.9, "b": 0.1}, {"x": 3, "y": 2, "z": 0.5}])
def test_arms_have_the_shares_that_were_set(shares: dict[str, float]) -> None:
    split, total = Split(shares), sum(shares.values())
    found = Counter(map(split.of, USERS))
    expected = [shares[name] / total * len(USERS) for name in shares]
    assert chisquare([found[name] for name in shares], expected).pvalue > 0.001


def test_users_stay_where_they_are() -> None:
    before = {user: Split({"a": 0.5, "b": 0.5}).of(user) for user in USERS}
    assert before == {user: Split({"b": 2, "a": 2}).of(user) for user in USERS}  # the order and the scale are nothing
    moved = [user for user in USERS if Split({"a": 0.6, "b": 0.4}).of(user) != before[user]]
    assert {before[user] for user in moved} == {"b"}
    assert 0.08 < len(moved) / len(USERS) < 0.12
    assert "".join(before[user] for user in USERS[:8]) == "aaaaaaab"  # in every process, and after every release
    assert {Split({"only": 0.1}).of(user) for user in USERS} == {"only"}


def test_an_arm_without_its_models_is_named_with_those_that_are_there(settings: Settings) -> None:
    assert arms_of(settings) == {DEFAULT: Arm()}
    wrong = settings.model_copy(update={"arms": {"b": Arm(generator="garment-99")}})
    with pytest.raises(
        BadInput, match=r"arms.b.generator: there is no model folder .*garment-99; there are garment-64"
    ):
        Recommender.open(wrong)


@pytest.fixture
def split(settings: Settings, models: Path, tmp_path: Path) -> Iterator[Recommender]:
    """Two arms and a half: b draws by another generator, c ranks by another taste too."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    torch.manual_seed(7)
    visual = GarmentModel.load(models / "garment-64").visual
    prior = Prior.fit(np.random.default_rng(1).normal(size=(200, 64)).astype(np.float32), np.arange(200) % 17, 17)
    GarmentModel(Generator(32, 17, width=0.25), prior, CATEGORIES, visual).save(
        folder / "garment-other", width=0.25, card="a test's", metrics={}
    )
    taste = TasteModel.load(models / "taste-garment")
    torch.nn.init.normal_(taste.out.weight, std=0.2)
    taste.save(folder / "taste-other", card="a test's", metrics={})
    arms = {
        "a": Arm(),
        "b": Arm(generator="garment-other"),
        "c": Arm(taste="taste-other", generator="garment-other"),
    }
    opened = Recommender.open(settings.model_copy(update={"models": folder, "arms": arms}))
    yield opened
    opened.store.close()


def user_of(recommender: Recommender, arm: str) -> str:
    """A stored user in an arm, who likes something."""
    name = next(user for user in USERS if recommender._split.of(user) == arm)
    recommender.store.put_user(Profile(id=name))
    recommender.store.add_events([Event(key=name, user_id=name, item_id="dress-red-0", type="like", at=AT)])
    return name


def test_each_arm_answers_by_its_own_models(split: Recommender) -> None:
    answers = {arm: ask(split, user_id=user_of(split, arm), seed=1) for arm in "abc"}
    assert {arm: answer.arm for arm, answer in answers.items()} == {"a": "a", "b": "b", "c": "c"}
    a, b, c = answers.values()
    assert a.taste_model == b.taste_model != c.taste_model
    assert a.generator_model != b.generator_model == c.generator_model
    assert a.items == b.items
    assert [item.score for item in b.items] != [item.score for item in c.items]
    assert a.generated[0].picture != b.generated[0].picture
    assert {made.model for made in b.generated} == {b.generator_model}
    assert {answer.rec_id for answer in answers.values()} == {a.rec_id, b.rec_id, c.rec_id}


def test_arms_share_what_they_have_in_common(split: Recommender) -> None:
    a, b, c = (split._arms[name] for name in "abc")
    assert a._taste is b._taste is not c._taste
    assert a._generator is not b._generator is c._generator
    assert a._catalogue is b._catalogue is not c._catalogue
    assert a.table is c.table
    assert len({id(getattr(arm, part)) for arm in (a, b, c) for part in ("store", "pictures", "_visual")}) == 3
    b.refresh()
    assert a._catalogue is b._catalogue
    assert a.table is c.table


def test_an_inline_profile_keeps_its_arm_whatever_it_does(split: Recommender) -> None:
    arms = set()
    for weight in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        profile = {"preferences": [{"facet": "colour", "value": "red", "weight": weight}]}
        plain = ask(split, profile=profile, mode="retrieve", outfit=False)
        history = [{"item_id": "hat-red-0", "type": "like", "at": AT}]
        assert ask(split, profile=profile, history=history, mode="retrieve", outfit=False).arm == plain.arm
        arms.add(plain.arm)
    assert len(arms) > 1


def test_a_new_event_and_an_erasure_reach_every_arm(split: Recommender) -> None:
    user = user_of(split, "c")
    made = ask(split, user_id=user).generated[0]
    split.store.add_events([Event(key="g", user_id=user, generation_id=made.generation_id, type="like", at=AT)])
    assert ask(split, user_id=user).watermark == 2
    split.erase(user)
    assert made.picture not in split.pictures
    assert all(arm._generations == {} for arm in split._arms.values())


def test_arms_are_counted_apart(split: Recommender) -> None:
    user = user_of(split, "b")

    def answers() -> float:
        return ANSWERS.labels("b", "retrieve", "none")._value.get()

    def events(attributed: str) -> float:
        return EVENTS.labels("b", "save", attributed)._value.get()

    before = answers(), events("yes"), events("no")
    answer = ask(split, user_id=user, mode="retrieve", outfit=False)
    ask(split, user_id=user, mode="retrieve", validate_only=True)  # is no answer
    saved = Event(key="s", user_id=user, item_id="hat-red-0", type="save", at=AT, rec_id=answer.rec_id)
    split.add_events([saved, saved, saved.model_copy(update={"key": "t", "rec_id": None})])
    split.add_events([saved])  # sent again
    assert (answers(), events("yes"), events("no")) == (before[0] + 1, before[1] + 1, before[2] + 1)


def test_without_arms_there_is_the_default_one(recommender: Recommender) -> None:
    assert ask(recommender, profile={}, mode="retrieve").arm == DEFAULT


def test_a_server_with_a_wrong_arm_does_not_begin(settings: Settings) -> None:
    wrong = settings.model_copy(update={"arms": {"a": Arm(), "b": Arm(taste="taste-99")}, "port": 0})
    with pytest.raises(BadInput, match=r"arms.b.taste: there is no model folder"):
        serve(wrong)
