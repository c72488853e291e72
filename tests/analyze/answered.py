"""A store where users were shown things and did something with some of them, and what came of it counted plainly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from persona.store import Event, Generation, Item, Profile, Rights, Store, Traits
from persona.store.recommendations import ShownAnswer

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")
BANDS = ("18-24", "25-34", None)
TYPES = ("view", "like", "save", "cart", "purchase", "dislike")
ITEMS = [f"i{n}" for n in range(12)]


@dataclass(frozen=True)
class Answered:
    """What is in the store."""

    users: list[Profile]
    answers: list[ShownAnswer]
    events: list[Event]


def fill(store: Store, users: int = 120, seed: int = 0, *, things: int = 4, arms: Sequence[str] = "ab") -> Answered:
    """Fill an empty store: users of whom nine in ten let analysts see them, two answers to each, and events that name
    the answer, or a wrong one, or none, or came before it."""
    rng = np.random.default_rng(seed)
    people = [_user(rng, f"u{number:04}") for number in range(users)]
    store.bulk_users(people)
    store.put_items([Item(id=name, category="dress", rights=RIGHTS) for name in ITEMS])
    made = [_generation(user.id, number) for user in people for number in range(2)]
    store.add_generations(made)
    answers = [_answer(rng, user.id, arms[n % len(arms)], k, things) for n, user in enumerate(people) for k in range(2)]
    store.add_recommendations(answers)
    events = [_event(rng, answers, number) for number in range(users * 8)]
    store.bulk_events(events)
    return Answered(people, answers, events)


def rates(filled: Answered, types: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """By arm and user: the share of what was shown that one of these things was done with."""
    shown: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for answer, _, done in outcomes(filled):
        shown[answer.arm, answer.user_id].append(any(kind in types for kind in done))
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (arm, user), hits in shown.items():
        found[arm][user] = sum(hits) / len(hits)
    return dict(found)


def outcomes(filled: Answered) -> list[tuple[ShownAnswer, dict[str, Any], set[str]]]:
    """Each thing that was shown to a user whom analysts see, with what was done with it, one by one."""
    seen = {user.id for user in filled.users if user.consents.get("analytics")}
    return [
        (answer, thing, {event.type for event in filled.events if _matches(event, answer, thing)})
        for answer in filled.answers if answer.user_id in seen
        for thing in answer.shown
    ]  # fmt: skip


def _matches(event: Event, answer: ShownAnswer, thing: dict[str, Any]) -> bool:
    subject = (event.item_id, event.generation_id) == (thing.get("item_id"), thing.get("generation_id"))
    return subject and event.rec_id == answer.id and event.user_id == answer.user_id and event.at >= answer.at


def _user(rng: np.random.Generator, name: str) -> Profile:
    traits = Traits(age_band=BANDS[rng.integers(3)])
    return Profile(id=name, traits=traits, consents={"analytics": bool(rng.random() < 0.9)})


def _generation(user: str, number: int) -> Generation:
    made = {"model": "garment-64@1", "condition_digest": "c" * 64, "seed": 1, "category": "dress"}
    name = f"g-{user}-{number}"
    return Generation.model_validate({"id": name, "picture": "a" * 64, "user_id": user, "created_at": BEGAN, **made})


def _answer(rng: np.random.Generator, user: str, arm: str, number: int, things: int) -> ShownAnswer:
    names = rng.choice(ITEMS, things, replace=False)
    real = [{"rank": n + 1, "item_id": str(name), "category": "dress", "score": 0.5} for n, name in enumerate(names)]
    drawn = {"rank": 1, "generation_id": f"g-{user}-{number}", "category": "dress", "score": 0.1}
    at = BEGAN + timedelta(days=number, minutes=int(rng.integers(600)))
    models = {"arm": arm, "cold_start": "none", "taste_model": "taste@1", "generator_model": "garment-64@1"}
    return ShownAnswer(id=f"r-{user}-{number}", user_id=user, at=at, shown=(*real, drawn), **models)


def _event(rng: np.random.Generator, answers: list[ShownAnswer], number: int) -> Event:
    answer = answers[rng.integers(len(answers))]
    thing = answer.shown[rng.integers(len(answer.shown))]
    named = rng.choice([answer.id, answers[0].id, ""], p=[0.8, 0.1, 0.1])
    told = {"item_id": thing.get("item_id"), "generation_id": thing.get("generation_id"), "rec_id": str(named) or None}
    at = answer.at + timedelta(minutes=float(rng.integers(-20, 200)))
    kind = str(rng.choice(TYPES, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]))
    return Event.model_validate({"key": f"e{number}", "user_id": answer.user_id, "type": kind, "at": at, **told})
