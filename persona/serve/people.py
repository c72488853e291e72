"""Profiles and their histories as the gallery tells of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from persona.recommend import Recommender
from persona.recommend.types import RankedItem
from persona.serve import tastes
from persona.serve.changes import Done
from persona.store.records import EventType, Item, Profile, Traits

MOST_PEOPLE, LOOKED_AT = 12, 500
GOOD: tuple[EventType, ...] = ("like", "save", "cart", "purchase")
VERBS = {
    "view": "looked at", "like": "liked", "save": "saved", "cart": "put in the basket", "purchase": "bought",
    "dislike": "not for them", "hide": "hidden",
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A profile on the first page."""

    profile: Profile
    name: str
    likes: str
    dislikes: str
    pictures: tuple[str, ...]  # of what they liked last
    generated: bool  # one of the pictures was made by a model


@dataclass(frozen=True)
class Past:
    """Something a person did, with the picture of what they did it to."""

    verb: str
    good: bool
    title: str
    picture: str | None
    generated: bool


@dataclass(frozen=True)
class Montage:
    """Pictures of the catalogue for the top of the first page."""

    pictures: tuple[str, ...]
    generated: bool


def shown(recommender: Recommender, mine: list[str]) -> list[Person]:
    """The profiles to choose from: those made in this browser first, then the demo's, then any."""
    store = recommender.store
    known = {profile.id: profile for profile in store.users([*mine, *store.user_ids(limit=LOOKED_AT)])}
    first = sorted(known.values(), key=lambda p: (p.id not in mine, p.source != "demo", p.id))
    return [_person(recommender, profile) for profile in first[:MOST_PEOPLE]]


def montage(recommender: Recommender, most: int = 6) -> Montage:
    """Some things of the catalogue, as different from each other as taking them evenly makes them."""
    pictured = [item for item in recommender.table.items if item.picture]
    taken = pictured[:: max(1, len(pictured) // most)][:most]
    return Montage(tuple(item.picture or "" for item in taken), any(item.rights.generated for item in taken))


def history(recommender: Recommender, user_id: str, most: int = 8) -> list[Past]:
    """The last things a person did, newest first."""
    return [
        _thing(recommender, event.item_id, event.generation_id, event.type)
        for event in reversed(recommender.store.history(user_id, limit=most))
    ]


def done_to(recommender: Recommender, done: Done) -> Past | None:
    """What a person just did something to; None for a change of tastes."""
    return _thing(recommender, done.item_id, done.generation_id) if done.item_id or done.generation_id else None


def last_words(recommender: Recommender, user_id: str) -> dict[str, str]:
    """What a person last said of each item or generated garment: id to "like" (or better), "dislike" or "hide"."""
    words: dict[str, str] = {}
    for event in recommender.store.history(user_id):
        if event.type != "view":
            words[event.item_id or event.generation_id or ""] = "like" if event.type in GOOD else event.type
    return words


def name_of(user_id: str) -> str:
    """An id as a name: ana.3f09ab, made here, and demo-ana are Ana, demo-01 is Demo 01, an app's u1 stays u1."""
    words = re.sub(r"^demo-(?=[a-z])|\.[0-9a-f]{6}$", "", user_id)
    plain = words == user_id and not words.isalpha() and "-" not in words
    return words if plain else words.replace("-", " ").title()


def slug(name: str) -> str:
    """A name as the beginning of an id."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-") or "you"


def values_of(trait: str) -> tuple[str, ...]:
    """What a trait may be, besides unknown."""
    literal, _ = get_args(Traits.model_fields[trait].annotation)
    return get_args(literal)


def title_of(recommender: Recommender, item_id: str | None, generation_id: str | None = None) -> str:
    """What to call an item or a generated garment in a sentence."""
    if generation_id:
        return f"the generated {recommender.store.get_generation(generation_id).category}"
    return f"the {title(_item(recommender, item_id or '')).lower()}"


def title(item: Item | RankedItem) -> str:
    """An item's own title, or its colour and category."""
    return item.title or " ".join(filter(None, [item.colour, item.category])).capitalize()


def _person(recommender: Recommender, profile: Profile) -> Person:
    likes, dislikes = tastes.summary(profile)
    pasts = history(recommender, profile.id, most=20)
    liked = list({past.picture: past for past in pasts if past.good and past.picture}.items())[:3]
    made = any(past.generated for _, past in liked)
    return Person(profile, name_of(profile.id), likes, dislikes, tuple(filter(None, dict(liked))), made)


def _thing(recommender: Recommender, item_id: str | None, generation_id: str | None, type: EventType = "view") -> Past:
    verb, good = VERBS[type], type in GOOD
    if generation_id:
        generation = recommender.store.get_generation(generation_id)
        return Past(verb, good, generation.category.capitalize(), generation.picture, generated=True)
    item = _item(recommender, item_id or "")
    return Past(verb, good, title(item), item.picture, item.rights.generated)


def _item(recommender: Recommender, item_id: str) -> Item:
    """An item from the table in memory, or from the store when it is no longer (or not yet) in the table."""
    place = recommender.table.index.get(item_id)
    if place is not None:
        return recommender.table.items[place]
    return recommender.store.get_item(item_id)
