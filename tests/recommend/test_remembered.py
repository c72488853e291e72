"""People who are remembered are answered as if they were not, whatever happened meanwhile, in whichever process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from persona.errors import NotFound
from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.recommend.remembered import Remembered
from persona.settings import Settings
from persona.store import Event, Profile, Store

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
USERS = ("ana", "ben")
ITEMS = ("hat-red-0", "dress-green-0", "shoes-black-0", "dress-red-0")


@pytest.fixture(params=["sqlite", "postgres"])
def two(request: pytest.FixtureRequest, settings: Settings) -> Iterator[tuple[Recommender, Recommender]]:
    """Two services with stores of their own over one database, as two processes have."""
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres")()
        with Store.open(settings.url) as stocked, Store.open(url) as empty:
            empty.put_items(stocked.items())
        settings = settings.model_copy(update={"database_url": url})
    one, other = Recommender.open(settings), Recommender.open(settings)
    for user in USERS:
        one.store.put_user(Profile(id=user))
    yield one, other
    one.close()
    other.close()


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate({"mode": "retrieve", "outfit": False, **asked}))


def anew(recommender: Recommender, **asked: Any) -> Recommendation:
    """The answer of one who remembers nobody."""
    kept, recommender.main._readings = recommender.main._readings, Remembered()
    try:
        return ask(recommender, **asked)
    finally:
        recommender.main._readings = kept


class Life:
    """What users do, one thing after the other, in a service of their own."""

    def __init__(self, recommender: Recommender, seed: int) -> None:
        self.service, self.random, self.number = recommender, random.Random(seed), 0

    def do(self, act: str, user: str) -> None:
        """Do one of `ACTS` as this user."""
        self.number += 1
        getattr(self, act)(user)

    def event(self, user: str, **subject: Any) -> None:
        """Like, view or hide something."""
        kind = self.random.choice(["like", "view", "hide", "purchase"])
        at = BEGAN + timedelta(hours=self.number)
        event = {"key": f"{self.number}", "user_id": user, "type": kind, "at": at, **(subject or self.item())}
        self.service.store.add_events([Event.model_validate(event)])

    def item(self) -> dict[str, str]:
        """Something of the catalogue."""
        return {"item_id": self.random.choice(ITEMS)}

    def generated(self, user: str) -> None:
        """Do something with a garment that was made for somebody, maybe for another."""
        whom = self.random.choice(USERS)
        made = ask(self.service, user_id=whom, mode="generate", generate=1, seed=self.number).generated
        self.event(user, generation_id=made[0].generation_id)

    def profile(self, user: str) -> None:
        """Say what one likes, or that one wants nothing to be learned."""
        preference = {"facet": "colour", "value": self.random.choice(["red", "green"]), "weight": 1.0}
        consents = {"personalisation": self.random.random() < 0.7}
        stated = {"id": user, "preferences": [preference], "consents": consents}
        self.service.store.put_user(Profile.model_validate(stated))

    def erase(self, user: str) -> None:
        """Be erased, and come back as a stranger."""
        self.service.erase(user)
        self.service.store.put_user(Profile(id=user))

    def refresh(self, user: str) -> None:
        """Count anew."""
        self.service.refresh()


ACTS = ("event", "event", "event", "generated", "profile", "erase", "refresh")


@pytest.mark.parametrize("seed", range(3))
def test_every_answer_is_what_it_would_be_without_memory(two: tuple[Recommender, Recommender], seed: int) -> None:
    one, other = two
    life = Life(one, seed)
    for _ in range(12):
        life.do(life.random.choice(ACTS), life.random.choice(USERS))
        for user in USERS:
            for service in two:
                for asked in ({}, {"explain": False, "count": 3}, {"exclude": ITEMS[:2]}, {"explore": 0.5}):
                    assert ask(service, user_id=user, **asked) == anew(service, user_id=user, **asked)
                    assert ask(service, user_id=user, **asked) == anew(service, user_id=user, **asked)
    assert len(other.main._readings) > 0  # or nothing was tested


def test_who_is_erased_elsewhere_is_forgotten(two: tuple[Recommender, Recommender]) -> None:
    one, other = two
    ask(other, user_id="ana")
    one.erase("ana")
    with pytest.raises(NotFound, match="no user 'ana'"):
        ask(other, user_id="ana")


def test_an_answer_does_not_change_what_is_remembered(recommender: Recommender) -> None:
    recommender.store.put_user(Profile(id="ana"))
    plain = ask(recommender, user_id="ana", count=100)
    for asked in ({"exclude": ITEMS}, {"price_max": 1.0}, {"season": "winter"}, {"generated": True}, {"seed": 5}):
        ask(recommender, user_id="ana", **asked)
    assert ask(recommender, user_id="ana", count=100) == plain


def test_the_memory_is_bounded_and_keeps_whom_was_asked_for_last(recommender: Recommender) -> None:
    recommender.store.put_user(Profile(id="ana"))
    ask(recommender, user_id="ana")
    (reading, size) = next(iter(recommender.main._readings._readings.values()))
    memory = Remembered(most_bytes=3 * size)
    for number in range(3):
        memory.keep(number, reading)
    assert memory.find(0) is reading
    memory.keep(3, reading)
    memory.keep(3, reading)  # once more, as two threads may
    assert [memory.find(number) is not None for number in range(4)] == [True, False, True, True]
    long = replace(reading, person=replace(reading.person, events=[None] * 10_000))  # type: ignore[list-item]
    memory.keep("long", long)
    assert len(memory) == 0  # one that alone takes more than all may is not kept
    memory.keep(0, reading)
    memory.clear()
    assert memory.find(0) is None
    assert memory._held == 0
