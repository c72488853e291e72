"""Lists and neighbours as they are answered: the types that the API documents and the client reads."""

from __future__ import annotations

from pydantic import Field

from persona.recommend.types import Price
from persona.store.records import (
    Category,
    Colour,
    Event,
    Generation,
    Identifier,
    Pattern,
    Profile,
    Record,
    Season,
    Sha256,
    Style,
)

MOST_COMPARED = 100_000  # users that one is held against at most: a second or so


class ListedItem(Record):
    """A garment of the catalogue, as it is shown."""

    item_id: Identifier = Field(description="of the catalogue", examples=["demo-0007"])
    category: Category = Field(description="what it is")
    colour: Colour | None = Field(default=None, description="name of the measured main colour")
    pattern: Pattern | None = Field(default=None, description="null where it is unsure")
    style: Style | None = Field(default=None, description="null where it is unknown")
    seasons: tuple[Season, ...] = Field(default=(), description="when it is worn; empty: all year")
    price: Price | None = Field(default=None, description="in the catalogue's currency")
    title: str = Field(default="", description="for people")
    picture: Sha256 | None = Field(default=None, description="sha256 of the picture file")
    generated: bool = Field(default=False, description="the picture was made by a model: label it so wherever shown")
    licence: str = Field(description="of the picture", examples=["CC0-1.0"])
    active: bool = Field(default=True, description="false: it is not recommended")
    url: str | None = Field(default=None, description="where the picture is", examples=["/i/5f0c...e1.webp"])


class SimilarItem(ListedItem):
    """A garment that is like another."""

    rank: int = Field(ge=1, description="1 is nearest")
    similarity: float = Field(ge=-1, le=1, description="cosine of the two item vectors")


class SimilarItems(Record):
    """What is like an item."""

    item_id: Identifier = Field(description="that was asked about")
    taste_model: str = Field(description="version whose item vectors were compared")
    items: tuple[SimilarItem, ...] = Field(description="nearest first")


class SimilarUser(Record):
    """A user whose taste is like another's."""

    user_id: Identifier = Field(description="who allows `analytics`")
    rank: int = Field(ge=1, description="1 is nearest")
    similarity: float = Field(ge=-1, le=1, description="cosine of the two condition vectors")


class SimilarUsers(Record):
    """Whose taste is like a user's."""

    user_id: Identifier = Field(description="that was asked about")
    taste_model: str = Field(description="version whose condition vectors were compared")
    compared: int = Field(ge=0, description=f"users it was compared with, at most {MOST_COMPARED:,}")
    users: tuple[SimilarUser, ...] = Field(description="nearest first; none for a user of whom nothing is known")


class ListPage(Record):
    """A page of a list. Whatever is added meanwhile, what was there is met once."""

    next: str | None = Field(description="the `cursor` of the next page; null at the end")


class ItemPage(ListPage):
    """Garments of the catalogue, those that are not recommended too, in the order of their ids."""

    items: tuple[ListedItem, ...] = Field(description="of this page")


class UserPage(ListPage):
    """Users, in the order of their ids."""

    users: tuple[Profile, ...] = Field(description="of this page")


class EventPage(ListPage):
    """What a user did, newest first."""

    events: tuple[Event, ...] = Field(description="of this page")


class MadeGarment(Generation):
    """A picture that was made for a user."""

    url: str = Field(description="where the picture is", examples=["/i/5f0c...e1.webp"])


class GenerationPage(ListPage):
    """What was made for a user, newest first."""

    generations: tuple[MadeGarment, ...] = Field(description="of this page: label them as generated wherever shown")
