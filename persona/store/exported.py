"""What a user is handed of themselves: everything that is stored about them, as validated records."""

from __future__ import annotations

from datetime import date

from pydantic import AwareDatetime, Field, JsonValue

from persona.store.records import EventType, Preference, Purpose, Reason, Record, Sha256, Source, Traits

FORMAT = "persona-user-1"


class ExportedConsent(Record):
    """What the user allowed or refused."""

    purpose: Purpose
    granted: bool
    changed_at: AwareDatetime = Field(description="since when the answer is this one")


class ExportedEvent(Record):
    """Something that the user did."""

    key: str
    item_id: str | None
    generation_id: str | None
    type: EventType
    at: AwareDatetime
    rec_id: str | None = Field(description="of the answer that it was seen in")


class ExportedVector(Record):
    """What a model made of the profile and the events."""

    model: str
    vector: tuple[float, ...] = Field(description="the condition vector")
    watermark: int = Field(description="number of the last event that it knows of")
    made_from: dict[str, JsonValue]
    made_at: AwareDatetime


class ExportedGeneration(Record):
    """A picture that was made for the user."""

    id: str
    picture: Sha256
    url: str = Field(description="where the picture is, on the server that gave this")
    model: str
    condition_digest: Sha256
    seed: int
    category: str
    reasons: tuple[Reason, ...]
    feature: tuple[float, ...] | None = Field(description="content vector read from the picture")
    created_at: AwareDatetime


class ExportedItem(Record):
    """A saved look, or a style learnt of the user."""

    id: str
    domain: str
    category: str
    title: str
    picture: Sha256 | None
    url: str | None = Field(description="where its picture is")
    licence: str
    source: str
    consent: bool
    active: bool
    look: dict[str, JsonValue] | None = Field(description="of a look: what is put where")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ExportedStyle(Record):
    """What was agreed on a style of the user's, and what was learnt."""

    item_id: str
    model: str
    given_at: AwareDatetime
    until: AwareDatetime | None
    learnt_at: AwareDatetime
    retired_at: AwareDatetime | None
    weights: tuple[float, ...]
    vectors: tuple[tuple[float, ...], ...]


class ExportedCatalogue(Record):
    """What the last batch made for the user."""

    run: str
    entries: tuple[dict[str, JsonValue], ...] = Field(description="items, garments, outfits and looks, with reasons")
    made_at: AwareDatetime


class ExportedJob(Record):
    """Long work about the user, and what came of it."""

    id: str
    state: str
    done: int
    total: int
    request: dict[str, JsonValue]
    result: dict[str, JsonValue] | None
    error: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ExportedAnswer(Record):
    """An answer that is kept for a day, because its request carried an idempotency key."""

    status: int | None = Field(description="null: it is being made")
    body: JsonValue
    created_at: AwareDatetime


class ExportedVersion(Record):
    """The profile as it was for a time."""

    valid_from: AwareDatetime
    valid_to: AwareDatetime
    traits: Traits
    stated: dict[str, float] = Field(description='preferences: weight by "facet=value"')


class ExportedRecommendation(Record):
    """An answer that the user was given."""

    id: str = Field(description="`rec_id` of the answer")
    at: AwareDatetime
    arm: str
    cold_start: str
    taste_model: str
    generator_model: str
    shown: tuple[dict[str, JsonValue], ...] = Field(description="rank, item or generated garment, category and score")


class ExportedTaste(Record):
    """What analysts are told of the user's taste in garments."""

    events: int
    first_at: AwareDatetime
    last_at: AwareDatetime
    top_category: str | None
    top_colour: str | None
    top_pattern: str | None
    top_style: str | None
    vector: tuple[float, ...] = Field(description="weight of each value of each facet")


class ExportedMonth(Record):
    """What of that came from one month."""

    month: date
    events: int
    weights: dict[str, float] = Field(description='by "facet=value"')


class UserExport(Record):
    """Everything that is stored about a user."""

    format: str = Field(description="of this document", examples=[FORMAT])
    id: str
    source: Source = Field(description="where the profile came from")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    traits: Traits
    preferences: tuple[Preference, ...]
    consents: tuple[ExportedConsent, ...]
    events: tuple[ExportedEvent, ...] = Field(description="oldest first")
    vectors: tuple[ExportedVector, ...]
    generations: tuple[ExportedGeneration, ...] = Field(description="oldest first")
    items: tuple[ExportedItem, ...] = Field(description="saved looks, and styles")
    styles: tuple[ExportedStyle, ...]
    catalogues: tuple[ExportedCatalogue, ...] = Field(description="one at most")
    jobs: tuple[ExportedJob, ...]
    answers: tuple[ExportedAnswer, ...]
    recommendations: tuple[ExportedRecommendation, ...] = Field(description="what was shown, oldest first")
    versions: tuple[ExportedVersion, ...] = Field(description="earlier profiles, oldest first")
    tastes: tuple[ExportedTaste, ...] = Field(description="one at most")
    months: tuple[ExportedMonth, ...] = Field(description="oldest first")
