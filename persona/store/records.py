"""What the store keeps, as validated records: the same types cross the API, the importers and the models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, cast, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

Domain = Literal["garment", "look", "style"]
Category = Literal[
    "t-shirt", "longsleeve", "pants", "shoes", "shirt", "dress", "outwear", "shorts", "polo",
    "skirt", "hat", "undershirt", "blazer", "hoodie", "body", "top", "blouse",
]  # fmt: skip
CATEGORIES: tuple[str, ...] = get_args(Category)
Colour = Literal[
    "black", "white", "grey", "beige", "brown", "red", "orange", "yellow", "green", "blue", "navy", "purple", "pink",
]  # fmt: skip
COLOURS: tuple[str, ...] = get_args(Colour)
Pattern = Literal["plain", "striped", "checked", "printed"]
PATTERNS: tuple[str, ...] = get_args(Pattern)
Style = Literal["casual", "smart", "sporty"]
STYLES: tuple[str, ...] = get_args(Style)
Season = Literal["spring", "summer", "autumn", "winter"]
SEASONS: tuple[str, ...] = get_args(Season)
Occasion = Literal["everyday", "work", "evening", "wedding", "party", "stage"]  # what a look is for: its category
OCCASIONS: tuple[str, ...] = get_args(Occasion)
Origin = Literal["person", "work"]  # whose a style is: its category. A work is a print, a painting, a brand's pattern
ORIGINS: tuple[str, ...] = get_args(Origin)
ItemCategory = Literal[Category, Occasion, Origin]
AgeBand = Literal["under-18", "18-24", "25-34", "35-44", "45-54", "55-64", "65-plus"]
Facet = Literal["category", "colour", "pattern", "style"]
FACETS: dict[str, tuple[str, ...]] = {
    "category": CATEGORIES, "colour": COLOURS, "pattern": PATTERNS, "style": STYLES,
}  # fmt: skip
EventType = Literal["view", "like", "save", "cart", "purchase", "dislike", "hide"]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
Purpose = Literal["personalisation", "training", "analytics", "photos"]
Source = Literal["app", "demo", "simulated", "wardrobe"]
JobState = Literal["queued", "running", "done", "failed"]

CLOCK_SKEW = timedelta(minutes=5)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _not_in_the_future(at: datetime) -> datetime:
    if at < EPOCH:
        raise ValueError(f"{at.isoformat()} lies before 1970: send the time at which the event happened")
    if at > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError(f"{at.isoformat()} lies in the future: send the time at which the event happened")
    return at.astimezone(UTC)


Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
RecId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NoNul = Field(pattern=r"^[^\x00]*$")  # PostgreSQL cannot store the character NUL
Finite = Annotated[float, Field(allow_inf_nan=False)]
Past = Annotated[AwareDatetime, AfterValidator(_not_in_the_future)]


class Record(BaseModel):
    """Base of every record: unknown fields are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Traits(Record):
    """What a user says of themselves. None means unknown, which is an answer."""

    skin_tone: Annotated[int, Field(ge=1, le=10, description="Monk skin tone, 1 (lightest) to 10")] | None = None
    undertone: Literal["cool", "neutral", "warm"] | None = None
    face_shape: Literal["oval", "round", "square", "heart", "oblong"] | None = None
    body_shape: Literal["rectangle", "hourglass", "pear", "apple", "inverted-triangle"] | None = None
    age_band: AgeBand | None = None
    size_top: Annotated[str, Field(max_length=16), NoNul] | None = None
    size_bottom: Annotated[str, Field(max_length=16), NoNul] | None = None
    size_shoe: Annotated[float, Field(ge=15, le=55, description="European size")] | None = None


class Preference(Record):
    """A stated like (weight above 0) or dislike (below 0) of one value of one facet."""

    facet: Facet
    value: Annotated[str, Field(max_length=64)]
    weight: Annotated[float, Field(ge=-1, le=1)]

    @model_validator(mode="after")
    def _known_value(self) -> Preference:
        if self.value not in FACETS[self.facet]:
            raise ValueError(f"value {self.value!r} is no {self.facet}: choose from {', '.join(FACETS[self.facet])}")
        return self


class Profile(Record):
    """A user: traits, preferences (one per facet and value) and consents by purpose."""

    id: Identifier
    traits: Traits = Traits()
    preferences: tuple[Preference, ...] = Field(default=(), max_length=200)
    consents: dict[Purpose, bool] = {}
    source: Source = "app"

    @model_validator(mode="after")
    def _no_preference_twice(self) -> Profile:
        seen = {(p.facet, p.value) for p in self.preferences}
        if len(seen) < len(self.preferences):
            raise ValueError("preferences: the same facet and value stand twice; keep one of them")
        return self


class Rights(Record):
    """Under what terms a picture may be used and shown."""

    licence: Annotated[str, Field(min_length=1, max_length=128), NoNul]
    source: Annotated[str, Field(min_length=1, max_length=512), NoNul]
    consent: bool = False  # of a person shown; a garment alone needs none
    generated: bool = False  # made by a model, not photographed


class Item(Record):
    """One thing of the catalogue. Colour is CIELAB (D65), measured from the visible garment; of a look, the lips'.

    A garment's category is what it is, a look's the occasion that it is for most of all, a style's whose it is.
    """

    id: Identifier
    domain: Domain = "garment"
    category: ItemCategory
    title: Annotated[str, Field(max_length=256), NoNul] = ""
    picture: Sha256 | None = None
    lab: tuple[Finite, Finite, Finite] | None = None
    colour: Colour | None = None
    pattern: Pattern | None = None
    style: Style | None = None
    seasons: tuple[Season, ...] = ()  # empty: all year
    price: Annotated[Finite, Field(ge=0)] | None = None
    # whose wardrobe or shop it is from; of a look or a style, the id of the user whose it is, with whom it is erased
    owner: Annotated[str, Field(max_length=128), NoNul] | None = None
    rights: Rights
    cutout_failed: Annotated[str, Field(max_length=256), NoNul] | None = None  # why the background could not be removed
    look: dict[str, JsonValue] | None = None  # what is put where: a `persona.makeup.look.Look` as JSON
    active: bool = True

    @model_validator(mode="after")
    def _fits_its_domain(self) -> Item:
        possible = {"garment": CATEGORIES, "look": OCCASIONS, "style": ORIGINS}[self.domain]
        if self.category not in possible:
            raise ValueError(f"category: {self.category} is none of a {self.domain}: choose from {', '.join(possible)}")
        if self.domain == "look" and self.look is None:
            raise ValueError("look: is missing; an item of the domain look says what is put where")
        if self.domain != "look" and self.look is not None:
            raise ValueError(f"look: a {self.domain} has none; leave it out, or make the domain look")
        return self

    @property
    def garment(self) -> Category:
        """What kind of garment it is. Raises ValueError for what is none."""
        if self.domain != "garment":
            raise ValueError(f"item {self.id!r} is a {self.domain}, no garment")
        return cast(Category, self.category)


class Agreement(Record):
    """Under what terms a style was learnt from its references, and may be used. consent: of the person shown on them.

    given_at: when it was agreed; until: when that ends, None until it is withdrawn.
    """

    licence: Annotated[str, Field(min_length=1, max_length=128), NoNul]
    source: Annotated[str, Field(min_length=1, max_length=512), NoNul]
    consent: bool = False
    given_at: Past
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Agreement:
        if self.until is not None and self.until <= self.given_at:
            raise ValueError(f"until: {self.until.isoformat()} is not after given_at; say when the agreement ends")
        return self


class NamedStyle(Record):
    """A style learnt from references that were not kept. id: of its item, by which users like it.

    owner: a stored user whose style it is; without their consent `photos` it is not in force, and it is erased with
    them. model: name@version whose vectors were learnt. weights: of the references, above 0. picture: its swatch.
    """

    id: Identifier
    title: Annotated[str, Field(max_length=256), NoNul] = ""
    origin: Origin = "person"
    agreement: Agreement
    owner: Identifier | None = None
    model: Annotated[str, Field(min_length=1, max_length=128), NoNul]
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(min_length=1)
    picture: Sha256 | None = None
    learnt_at: AwareDatetime

    @model_validator(mode="after")
    def _person_agrees(self) -> NamedStyle:
        if self.origin == "person" and not self.agreement.consent:
            raise ValueError("consent: a person's style is learnt only if they agreed; ask them, and state it")
        return self

    def item(self) -> Item:
        """What users like: an item whose picture is the swatch, which is generated."""
        rights = Rights(
            licence=self.agreement.licence, source=self.agreement.source, consent=self.agreement.consent, generated=True
        )
        return Item(
            id=self.id, domain="style", category=self.origin, title=self.title, picture=self.picture, owner=self.owner,
            rights=rights,
        )  # fmt: skip


class Event(Record):
    """Something a user did with an item or with a generated picture. Exactly one of the two is named."""

    key: Annotated[
        str, Field(min_length=1, max_length=128, description="idempotency key: sent twice, counted once"), NoNul
    ]
    user_id: Identifier
    item_id: Identifier | None = None
    generation_id: Identifier | None = None
    type: EventType
    at: Past
    rec_id: Annotated[RecId | None, Field(description="of the recommendation that the user saw it in")] = None

    @model_validator(mode="after")
    def _one_subject(self) -> Event:
        if (self.item_id is None) == (self.generation_id is None):
            raise ValueError("name exactly one of item_id and generation_id")
        return self


class EventsAnswer(Record):
    """What became of the events."""

    added: int = Field(ge=0, description="new ones, stored")
    duplicates: int = Field(ge=0, description="ones whose key was stored before, with the same content")


class Reason(Record):
    """Why something was shown. weight: its share of the score, comparable within one result."""

    kind: Literal["preference", "event", "popular", "explore", "context"]
    text: str
    weight: float
    item_id: Identifier | None = None
    facet: Facet | None = None
    value: str | None = None


class Generation(Record):
    """A generated picture: who for, by which model version, from which condition and seed."""

    id: Identifier
    picture: Sha256
    user_id: Identifier | None  # None: made for an inline profile, which is not stored
    model: str
    condition_digest: Sha256
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    category: ItemCategory  # of a look, what it is for
    reasons: tuple[Reason, ...] = ()
    created_at: AwareDatetime


class ModelVersion(Record):
    """A model that made something stored here. name: its folder's; version: changes with weights or configuration."""

    name: Annotated[str, Field(min_length=1, max_length=128), NoNul]
    version: Annotated[str, Field(min_length=1, max_length=64), NoNul]
    kind: Annotated[str, Field(min_length=1, max_length=32), NoNul]
    metrics: dict[str, JsonValue] = {}
    registered_at: AwareDatetime


class Job(Record):
    """Long work: how far it is."""

    id: Identifier = Field(description="to ask for it by")
    user_id: Identifier | None = Field(description="whom it is about; null for inline profiles")
    state: JobState = Field(description="queued and running change into done or failed")
    done: int = Field(ge=0, description="pictures made so far; an answer without pictures counts as one")
    total: int = Field(ge=1, description="of so many")
    error: str | None = Field(default=None, description="why it failed")
    created_at: AwareDatetime = Field(description="when it was asked for")
    updated_at: AwareDatetime = Field(description="when it last went on")
