"""What a recommendation request asks for and what it gets: the types that the API documents and every door shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from persona.recommend.context import Context
from persona.recommend.filters import Filter
from persona.store.records import (
    Category,
    Colour,
    Event,
    EventType,
    Identifier,
    NoNul,
    Past,
    Preference,
    Profile,
    Reason,
    RecId,
    Record,
    Season,
    Sha256,
    Traits,
)
from persona.taste.rank import EXPLORATION

Mode = Literal["retrieve", "generate", "both"]
ColdStart = Literal["none", "profile", "segment", "popularity"]
Slot = Literal["top", "bottom", "dress", "outer", "shoes"]
SCORE_DIGITS = 5  # scores are told to so many decimals: the last digits of a sum differ between machines
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Licence = Annotated[str, Field(min_length=1, max_length=128), NoNul]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
MOST_EVENTS = 500  # of an inline history; the taste model reads the last 50

_PREFERENCE: dict[str, Any] = {"facet": "colour", "value": "green", "weight": 1.0}
_EVENT: dict[str, Any] = {"item_id": "demo-0007", "type": "like", "at": "2025-05-04T10:00:00Z"}
_PROFILE: dict[str, Any] = {"traits": {"age_band": "25-34"}, "preferences": [_PREFERENCE]}
_STORED_REQUEST: dict[str, Any] = {"user_id": "u1", "count": 12, "generate": 4}
_FILTER: dict[str, Any] = {"all": [{"field": "price", "max": 80}, {"not": {"field": "colour", "in": ["red"]}}]}
_CONTEXT: dict[str, Any] = {"at": "2025-05-04T18:00:00+02:00", "temperature": 12, "occasion": "evening"}
_INLINE_REQUEST: dict[str, Any] = {
    "profile": _PROFILE,
    "history": [_EVENT],
    "mode": "retrieve",
    "category": "dress",
    "seed": 7,
}


class InlineProfile(Record):
    """Someone who is not stored: traits and preferences, valid for this one request."""

    traits: Traits = Field(default=Traits(), description="what is known of the person; everything may be left out")
    preferences: tuple[Preference, ...] = Field(
        default=(), max_length=200, description="stated likes and dislikes", examples=[[_PREFERENCE]]
    )

    @model_validator(mode="after")
    def _no_preference_twice(self) -> InlineProfile:
        self.as_profile("inline")
        return self

    def as_profile(self, user_id: str) -> Profile:
        """The same as a stored profile would be, under an id that is never stored."""
        return Profile(id=user_id, traits=self.traits, preferences=self.preferences)


class InlineEvent(Record):
    """One thing that an inline user did, with an item of the catalogue or with a generated picture."""

    item_id: Identifier | None = Field(default=None, description="of the catalogue", examples=["demo-0007"])
    generation_id: Identifier | None = Field(default=None, description="from the `generated` list of an earlier answer")
    type: EventType = Field(description="what the user did", examples=["like"])
    at: Past = Field(description="when it happened, with its time zone", examples=["2025-05-04T10:00:00Z"])
    rec_id: RecId | None = Field(default=None, description="of the answer that it was done in")

    @model_validator(mode="after")
    def _one_subject(self) -> InlineEvent:
        if (self.item_id is None) == (self.generation_id is None):
            raise ValueError("name exactly one of item_id and generation_id")
        return self

    def as_event(self, user_id: str, number: int) -> Event:
        """The same as a stored event would be, under a key that is never stored."""
        subject = {"item_id": self.item_id, "generation_id": self.generation_id}
        key = f"inline-{number}"
        return Event(key=key, user_id=user_id, type=self.type, at=self.at, rec_id=self.rec_id, **subject)


class RecommendationRequest(Record):
    """Ask for a stored user by `user_id`, or for anybody by `profile` and `history`, which are then not stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORED_REQUEST, _INLINE_REQUEST]})

    user_id: Identifier | None = Field(default=None, description="a stored user", examples=["u1"])
    profile: InlineProfile | None = Field(default=None, description="instead of `user_id`", examples=[_PROFILE])
    history: tuple[InlineEvent, ...] | None = Field(
        default=None,
        max_length=MOST_EVENTS,
        description="with `profile` only: what the user did, in any order",
        examples=[[_EVENT]],
    )
    session: tuple[InlineEvent, ...] | None = Field(
        default=None,
        max_length=MOST_EVENTS,
        description="with `user_id` only: what the user did since, which counts after the stored history and is not "
        "stored; nothing but what is hidden counts where personalisation is refused",
        examples=[[_EVENT]],
    )
    mode: Mode = Field(default="both", description="real items, generated garments, or both")
    count: int = Field(default=12, ge=1, le=100, description="how many real items at most")
    generate: int = Field(default=4, ge=0, le=16, description="how many garments to generate")
    category: Category | None = Field(default=None, description="only this category (of items and generated garments)")
    exclude: tuple[Identifier, ...] = Field(
        default=(), max_length=1000, description="ids of items that must not come back, such as those on screen"
    )
    season: Season | None = Field(default=None, description="only items for it; autumn and winter add an outer layer")
    price_min: Price | None = Field(
        default=None, description="only real items of this price or more; one without a price never passes"
    )
    price_max: Price | None = Field(
        default=None, description="only real items of this price or less; one without a price never passes"
    )
    licences: tuple[Licence, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="only real items whose picture is under one of these, written as in the answer",
        examples=[["CC0-1.0"]],
    )
    generated: bool | None = Field(
        default=None,
        description="of the real items: false for those with a photo only, true for those whose picture a model made",
    )
    filter: Filter | None = Field(
        default=None,
        description="conditions that every real item has to meet; what is generated is made after such items",
        examples=[_FILTER],
    )
    context: Context | None = Field(
        default=None,
        description="when and what for: moves what suits it up, and leaves nothing out",
        examples=[_CONTEXT],
    )
    diversity: Share = Field(
        default=0.0,
        description="weight of variety among the real items against fit, by maximal marginal relevance: 0 ranks by the"
        " score alone; above, the order is that in which they were chosen",
    )
    explore: Share | None = Field(
        default=None,
        description="how much chance mixes in, by the seed: 0 none, 1 draws items by the softmax of their scores; left"
        f" out: {EXPLORATION} for somebody of whom nothing is known, else 0. None where personalisation is refused",
    )
    outfit: bool = Field(default=True, description="also put an outfit together and draw it as one picture")
    seed: Seed | None = Field(
        default=None, description="left out: derived from the user, the last event and the model, so repeatable"
    )
    explain: bool = Field(default=True, description="false leaves the reasons out, which is faster")
    validate_only: bool = Field(
        default=False, description="check everything and do nothing: the answer is empty and has a `plan`"
    )

    @model_validator(mode="after")
    def _one_person(self) -> RecommendationRequest:
        if (self.user_id is None) == (self.profile is None):
            raise ValueError("name exactly one of user_id and profile (an empty profile {} is a valid stranger)")
        if self.history is not None and self.profile is None:
            raise ValueError("history: goes with profile only; a stored user's history is read from the store")
        if self.session is not None and self.user_id is None:
            raise ValueError("session: goes with user_id only; add these events to history")
        return self

    @model_validator(mode="after")
    def _possible_prices(self) -> RecommendationRequest:
        if self.price_min is not None and self.price_max is not None and self.price_min > self.price_max:
            raise ValueError(
                f"price_min: {self.price_min:g} is above price_max {self.price_max:g}, so nothing could pass; swap them"
            )
        return self

    @property
    def fills_gaps(self) -> bool:
        """Whether garments may be made for an outfit's gaps: not where one could break what was asked of the pieces."""
        return self.generated is not False and self.licences is None and self.filter is None

    @property
    def dress_for(self) -> Season | None:
        """The season that an outfit is put together for: its temperature's, where that is known."""
        if self.context is not None and self.context.temperature is not None:
            return "winter" if self.context.cold else "summer"
        return self.season or (self.context.season if self.context else None)


class RankedItem(Record):
    """A real item of the catalogue. Its picture may still come from a model: then `generated` is true."""

    item_id: Identifier = Field(description="of the catalogue", examples=["demo-0007"])
    rank: int = Field(ge=1, description="1 is best")
    score: float = Field(description="higher fits better; comparable within one answer, generated garments included")
    source: Literal["catalogue"] = Field(default="catalogue", description="a thing that exists in the catalogue")
    category: Category = Field(description="what it is")
    colour: Colour | None = Field(default=None, description="name of the measured main colour")
    title: str = Field(default="", description="for people")
    picture: Sha256 | None = Field(default=None, description="sha256 of the picture file")
    generated: bool = Field(default=False, description="the picture was made by a model: label it so wherever shown")
    licence: str = Field(description="of the picture", examples=["CC0-1.0"])
    reasons: tuple[Reason, ...] = Field(default=(), description="why it is here, heaviest first")
    url: str | None = Field(default=None, description="where the picture is", examples=["/i/5f0c...e1.webp"])


class GeneratedItem(Record):
    """A garment made for this user by the generator: always labelled as generated."""

    generation_id: Identifier = Field(description="name it in an event to like or dislike this garment")
    rank: int = Field(ge=1, description="1 is best of the generated ones")
    score: float = Field(description="on the scale of the ranked items: the picture is read like an item's")
    source: Literal["generated"] = Field(default="generated", description="made by a model")
    generated: Literal[True] = Field(default=True, description="label it so wherever shown")
    category: Category = Field(description="what it was asked to be")
    colour: Colour | None = Field(default=None, description="name of the colour measured on the picture")
    picture: Sha256 = Field(description="sha256 of the picture file")
    seed: Seed = Field(description="of the generator: the same model, condition and seed give the same picture")
    model: str = Field(description="version of the generator", examples=["garment-64@3f9a11c0de42"])
    condition_digest: Sha256 = Field(description="sha256 of the condition vector that it was made from")
    reasons: tuple[Reason, ...] = Field(default=(), description="why it is here, heaviest first")
    url: str = Field(description="where the picture is", examples=["/i/5f0c...e1.webp"])


class OutfitPiece(Record):
    """One garment of an outfit: a real item, or a generated one where the catalogue had none that fits."""

    slot: Slot = Field(description="where it is worn")
    item_id: Identifier | None = Field(default=None, description="of the catalogue; null for a generated piece")
    generation_id: Identifier | None = Field(default=None, description="of a generated piece; null for a real one")
    category: Category = Field(description="what it is")
    colour: Colour | None = Field(default=None, description="name of the main colour")
    picture: Sha256 = Field(description="sha256 of the piece's own picture file")
    generated: bool = Field(description="the picture was made by a model: label it so wherever shown")
    score: float = Field(description="how well it fits the user, on the scale of the ranked items")
    url: str = Field(description="where the picture is", examples=["/i/5f0c...e1.webp"])


class Outfit(Record):
    """Garments that go together, and one picture of them laid out flat."""

    generation_id: Identifier = Field(description="name it in an event to like or dislike the outfit as a whole")
    pieces: tuple[OutfitPiece, ...] = Field(description="top, bottom and shoes, or dress and shoes; outer when cold")
    picture: Sha256 = Field(description="sha256 of the flat-lay picture file")
    harmony: str = Field(description="the colour rule that the pieces follow", examples=["neutral with one accent"])
    harmony_score: float = Field(ge=0, le=1, description="how well they follow it")
    reasons: tuple[Reason, ...] = Field(default=(), description="why these pieces")
    url: str = Field(description="where the flat-lay is", examples=["/i/5f0c...e1.webp"])


class Plan(Record):
    """What a request that was only to be checked would have done."""

    candidates: int = Field(ge=0, description="real items that may be shown, of which the best would be taken")
    items: int = Field(ge=0, description="real items that would come back")
    generate: int = Field(ge=0, description="garments that would be generated; 0 for a category that cannot be drawn")
    outfit: bool = Field(description="an outfit would be put together, if its slots can be filled")


class Recommendation(Record):
    """The answer. The same user, watermark, models and seed give the same one."""

    rec_id: RecId = Field(
        description="of this answer; the same answer has the same id. Send it with events that the answer led to"
    )
    arm: str = Field(description="of the A/B split that the user is in; `default` where there is none", examples=["a"])
    user_id: Identifier | None = Field(description="null for an inline profile")
    taste_model: str = Field(description="version that ranked", examples=["taste-garment@91c2b07d4e1f"])
    generator_model: str = Field(description="version that drew", examples=["garment-64@3f9a11c0de42"])
    watermark: int = Field(ge=0, description="number of the last event that counted; 0 for an inline history")
    seed: Seed = Field(description="that everything random came from; send it to get the same again")
    items: tuple[RankedItem, ...] = Field(description="real items, best first; fewer than asked when no more fit")
    generated: tuple[GeneratedItem, ...] = Field(
        description="garments made for this user, best first; none for a category that the generator cannot draw"
    )
    outfit: Outfit | None = Field(default=None, description="null when not asked for, or nothing could fill its slots")
    cold_start: ColdStart = Field(
        description="none: from history; profile: from preferences alone; segment: from what others of that age band "
        "like; popularity: nothing known, or nothing allowed"
    )
    plan: Plan | None = Field(default=None, description="with `validate_only`, else null")


def picture_url(sha: str) -> str:
    """Path under which the service shows a stored picture."""
    return f"/i/{sha}.webp"
