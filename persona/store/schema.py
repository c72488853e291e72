"""The tables, as typed SQLAlchemy models. Foreign keys that cascade say what erasing a user takes with it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware and UTC both ways. SQLite, which knows no time zones, holds it as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: nobody could say later which moment it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; give an aware time")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Add the zone that SQLite leaves out; PostgreSQL answers in its session's zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


# Ids compare by bytes in both databases, so that lists come in the same order whatever the server's language is.
ID = String(128).with_variant(VARCHAR(128, collation="C"), "postgresql")
RowNumber = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER numbers rows by itself there
Json = JSON().with_variant(JSONB(), "postgresql")
JsonOrNull = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

Key = Annotated[str, mapped_column(ID, primary_key=True)]
Word = Annotated[str, mapped_column(String(32))]
Digest = Annotated[str, mapped_column(String(64))]


class Base(DeclarativeBase):
    """Base of the tables; every constraint gets a name, so that migrations can speak of it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        date: Date(),
        float: Double(),
        bytes: LargeBinary(),
        dict[str, Any]: Json,
        dict[str, float]: Json,
        list[str]: Json,
        list[dict[str, Any]]: Json,
    }
    if TYPE_CHECKING:
        __table__: ClassVar[Table]


_SEEN = text("analysed")
_GENERATED = text("generation_id IS NOT NULL")


def _of(table: str) -> ForeignKey:
    """A reference that vanishes with what it refers to."""
    return ForeignKey(f"{table}.id", ondelete="CASCADE")


class UserRow(Base):
    """A user and their traits; NULL is unknown.

    valid_from: since when traits and preferences have been as they are; how they were before: `user_versions`.
    analysed: whether analysts may see the user, who has allowed `analytics` and is no child.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("skin_tone BETWEEN 1 AND 10", name="skin_tone"),
        Index(None, "age_band", "skin_tone", "id", postgresql_where=_SEEN, sqlite_where=_SEEN),
    )

    id: Mapped[Key]
    skin_tone: Mapped[int | None] = mapped_column(SmallInteger)
    undertone: Mapped[Word | None]
    face_shape: Mapped[Word | None]
    body_shape: Mapped[Word | None]
    age_band: Mapped[Word | None]
    size_top: Mapped[Word | None]
    size_bottom: Mapped[Word | None]
    size_shoe: Mapped[float | None]
    source: Mapped[Word]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    valid_from: Mapped[datetime]
    analysed: Mapped[bool]
    preferences: Mapped[list[PreferenceRow]] = relationship(order_by="PreferenceRow.position", lazy="raise")
    consents: Mapped[list[ConsentRow]] = relationship(lazy="raise")


class PreferenceRow(Base):
    """A stated like or dislike. position: its place in the profile."""

    __tablename__ = "preferences"
    __table_args__ = (CheckConstraint("weight BETWEEN -1 AND 1", name="weight"),)

    user_id: Mapped[Key] = mapped_column(_of("users"))
    facet: Mapped[Word] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    weight: Mapped[float]
    position: Mapped[int] = mapped_column(SmallInteger)


class ConsentRow(Base):
    """What a user allowed or refused, by purpose. changed_at: since when the answer is this one."""

    __tablename__ = "consents"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    purpose: Mapped[Word] = mapped_column(primary_key=True)
    granted: Mapped[bool]
    changed_at: Mapped[datetime]


class ItemRow(Base):
    """One thing of the catalogue, with the rights to its picture. lab_*: CIELAB (D65)."""

    __tablename__ = "items"

    id: Mapped[Key]
    domain: Mapped[Word]
    category: Mapped[Word]
    title: Mapped[str] = mapped_column(String(256))
    picture: Mapped[Digest | None] = mapped_column(index=True)
    lab_l: Mapped[float | None]
    lab_a: Mapped[float | None]
    lab_b: Mapped[float | None]
    colour: Mapped[Word | None]
    pattern: Mapped[Word | None]
    style: Mapped[Word | None]
    seasons: Mapped[list[str]]
    price: Mapped[float | None]
    owner: Mapped[str | None] = mapped_column(String(128))
    licence: Mapped[str] = mapped_column(String(128))
    rights_source: Mapped[str] = mapped_column(String(512))
    consent: Mapped[bool]
    generated: Mapped[bool]
    cutout_failed: Mapped[str | None] = mapped_column(String(256))
    look: Mapped[dict[str, Any] | None] = mapped_column(JsonOrNull)
    active: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (Index(None, "domain", "owner"),)


class GenerationRow(Base):
    """A generated picture. feature: its content vector, once measured."""

    __tablename__ = "generations"

    id: Mapped[Key]
    picture: Mapped[Digest] = mapped_column(index=True)
    user_id: Mapped[str | None] = mapped_column(ID, _of("users"))
    model: Mapped[str] = mapped_column(String(128))
    condition_digest: Mapped[Digest]
    seed: Mapped[int] = mapped_column(BigInteger)
    category: Mapped[Word]
    reasons: Mapped[list[dict[str, Any]]]
    feature: Mapped[bytes | None]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "user_id", "created_at", "id"),)


class EventRow(Base):
    """Something a user did. rec_id: of the answer that they saw it in.

    id: rises with every event and is never used twice, so it serves as a watermark."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    key: Mapped[str] = mapped_column(ID, unique=True)
    user_id: Mapped[str] = mapped_column(ID, _of("users"))
    item_id: Mapped[str | None] = mapped_column(ID, _of("items"), index=True)
    generation_id: Mapped[str | None] = mapped_column(ID, _of("generations"))
    type: Mapped[Word]
    at: Mapped[datetime]
    rec_id: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        CheckConstraint("(item_id IS NULL) <> (generation_id IS NULL)", name="one_subject"),
        Index(None, "user_id", "at", "id"),
        Index(None, "generation_id", postgresql_where=_GENERATED, sqlite_where=_GENERATED),
        {"sqlite_autoincrement": True},
    )


class ItemVectorRow(Base):
    """An item's content vector under one model: little-endian float32."""

    __tablename__ = "item_vectors"

    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    item_id: Mapped[Key] = mapped_column(_of("items"), index=True)
    vector: Mapped[bytes]


class StyleRow(Base):
    """What makes an item of the domain style one that can be used: who learnt it, and how long consent lasts."""

    __tablename__ = "styles"

    item_id: Mapped[Key] = mapped_column(_of("items"))
    model: Mapped[str] = mapped_column(String(128))
    given_at: Mapped[datetime]
    until: Mapped[datetime | None]
    learnt_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class StyleVectorRow(Base):
    """What was learnt of one reference: little-endian float32."""

    __tablename__ = "style_vectors"

    item_id: Mapped[Key] = mapped_column(_of("items"))
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    weight: Mapped[float]
    vector: Mapped[bytes]


class ConditionRow(Base):
    """A user's condition vector under one model, and the last event that it knows of."""

    __tablename__ = "condition_vectors"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    watermark: Mapped[int] = mapped_column(BigInteger)
    vector: Mapped[bytes]
    made_from: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class ModelRow(Base):
    """The register of models that made what is stored here."""

    __tablename__ = "model_versions"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[Word]
    metrics: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime]


class KeyRow(Base):
    """An API key. digest: sha256 of its secret part, which is shown once and never stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    digest: Mapped[Digest]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Something that was done to stored data. actor: a key's id, never a person; details: numbers, never names."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]]


class IdempotencyRow(Base):
    """The answer to a request that may be repeated. id: digest of caller and key; user_id: whom it is about, so that it
    is erased with them; status: NULL while it is in flight, until lease_until."""

    __tablename__ = "idempotency"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[Digest]
    user_id: Mapped[str | None] = mapped_column(ID, index=True)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    lease_until: Mapped[datetime]


class JobRow(Base):
    """A long generation. actor: the key that asked; done of total: how far it is; lease_until: when whoever works on it
    is taken for dead."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    actor: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str | None] = mapped_column(ID, _of("users"), index=True)
    state: Mapped[Word]
    done: Mapped[int]
    total: Mapped[int]
    request: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonOrNull)
    error: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]

    __table_args__ = (Index(None, "state", "created_at", "id"),)


class BatchRunRow(Base):
    """A run of the offline batch. state: running or done; totals: what it made, once it is done."""

    __tablename__ = "batch_runs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[Word]
    spec: Mapped[dict[str, Any]]
    totals: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BatchShardRow(Base):
    """A shard of a run that is finished: there is one row or none, whoever made it and however often.

    sha256: of the record, which names the shard's files with their own. The rows go when the run is done and its
    manifest says the same.
    """

    __tablename__ = "batch_shards"

    run: Mapped[str] = mapped_column(String(64), _of("batch_runs"), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[Digest]
    record: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class UserCatalogueRow(Base):
    """What the last run that was pushed made for a user, to be served as it is. run: which."""

    __tablename__ = "user_catalogues"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    run: Mapped[str] = mapped_column(String(64))
    entries: Mapped[list[dict[str, Any]]]
    made_at: Mapped[datetime]


class UserVersionRow(Base):
    """How a user's profile was from `valid_from` on and before `valid_to`. stated: weight by "facet=value"."""

    __tablename__ = "user_versions"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    valid_to: Mapped[datetime]
    skin_tone: Mapped[int | None] = mapped_column(SmallInteger)
    undertone: Mapped[Word | None]
    face_shape: Mapped[Word | None]
    body_shape: Mapped[Word | None]
    age_band: Mapped[Word | None]
    size_top: Mapped[Word | None]
    size_bottom: Mapped[Word | None]
    size_shoe: Mapped[float | None]
    stated: Mapped[dict[str, float]]


class UserTasteRow(Base):
    """A user's taste in garments by what they did, up to the watermark of `analysis_marks`.

    events: on garments. vector: little-endian float32 (37,), the weight of each value of each facet in the order of
    FACETS; top_*: the value of a facet with the most weight, NULL where none is above 0.
    """

    __tablename__ = "user_tastes"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    events: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    top_category: Mapped[Word | None]
    top_colour: Mapped[Word | None]
    top_pattern: Mapped[Word | None]
    top_style: Mapped[Word | None]
    vector: Mapped[bytes]

    __table_args__ = (Index(None, "top_colour", "user_id"),)


class TasteMonthRow(Base):
    """What of that taste came from the events of one month (in UTC, its first day). weights: by "facet=value"."""

    __tablename__ = "taste_months"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    month: Mapped[date] = mapped_column(primary_key=True)
    events: Mapped[int]
    weights: Mapped[dict[str, float]]


class ItemDayRow(Base):
    """How often each thing was done with an item on a day (in UTC), by everybody who is still there."""

    __tablename__ = "item_days"

    item_id: Mapped[Key] = mapped_column(_of("items"))
    day: Mapped[date] = mapped_column(primary_key=True)
    views: Mapped[int]
    likes: Mapped[int]
    saves: Mapped[int]
    carts: Mapped[int]
    purchases: Mapped[int]
    dislikes: Mapped[int]
    hides: Mapped[int]


class RecommendationRow(Base):
    """An answer that was given to a stored user. shown: rank, item_id or generation_id, category, score of each."""

    __tablename__ = "recommendations"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ID, _of("users"))
    at: Mapped[datetime] = mapped_column(index=True)
    arm: Mapped[Word]
    cold_start: Mapped[Word]
    taste_model: Mapped[str] = mapped_column(String(128))
    generator_model: Mapped[str] = mapped_column(String(128))
    shown: Mapped[list[dict[str, Any]]]

    __table_args__ = (Index(None, "user_id", "at"),)


class StaleTasteRow(Base):
    """A user whose taste is to be made anew. since: the first month (in UTC, its first day) that has changed."""

    __tablename__ = "stale_tastes"

    user_id: Mapped[Key] = mapped_column(_of("users"))
    since: Mapped[date]


class AnalysisMarkRow(Base):
    """How far the tables for analysts go. watermark: the last event (row number) that is in them."""

    __tablename__ = "analysis_marks"

    name: Mapped[Word] = mapped_column(primary_key=True)
    watermark: Mapped[int] = mapped_column(BigInteger)
    refreshed_at: Mapped[datetime]
