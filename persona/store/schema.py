"""The tables, as typed SQLAlchemy models. Foreign keys that cascade say what erasing a user takes with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from persona.store.base import ID, Base, Digest, JsonOrNull, Key, RowNumber, TraitColumns, Word, reference

_SEEN = text("analysed")
_GENERATED = text("generation_id IS NOT NULL")


class UserRow(TraitColumns, Base):
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

    user_id: Mapped[Key] = mapped_column(reference("users"))
    facet: Mapped[Word] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    weight: Mapped[float]
    position: Mapped[int] = mapped_column(SmallInteger)


class ConsentRow(Base):
    """What a user allowed or refused, by purpose. changed_at: since when the answer is this one."""

    __tablename__ = "consents"

    user_id: Mapped[Key] = mapped_column(reference("users"))
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
    user_id: Mapped[str | None] = mapped_column(ID, reference("users"))
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
    user_id: Mapped[str] = mapped_column(ID, reference("users"))
    item_id: Mapped[str | None] = mapped_column(ID, reference("items"), index=True)
    generation_id: Mapped[str | None] = mapped_column(ID, reference("generations"))
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
    item_id: Mapped[Key] = mapped_column(reference("items"), index=True)
    vector: Mapped[bytes]


class StyleRow(Base):
    """What makes an item of the domain style one that can be used: who learnt it, and how long consent lasts."""

    __tablename__ = "styles"

    item_id: Mapped[Key] = mapped_column(reference("items"))
    model: Mapped[str] = mapped_column(String(128))
    given_at: Mapped[datetime]
    until: Mapped[datetime | None]
    learnt_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class StyleVectorRow(Base):
    """What was learnt of one reference: little-endian float32."""

    __tablename__ = "style_vectors"

    item_id: Mapped[Key] = mapped_column(reference("items"))
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    weight: Mapped[float]
    vector: Mapped[bytes]


class ConditionRow(Base):
    """A user's condition vector under one model, and the last event that it knows of."""

    __tablename__ = "condition_vectors"

    user_id: Mapped[Key] = mapped_column(reference("users"))
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
    user_id: Mapped[str | None] = mapped_column(ID, reference("users"), index=True)
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

    run: Mapped[str] = mapped_column(String(64), reference("batch_runs"), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[Digest]
    record: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class UserCatalogueRow(Base):
    """What the last run that was pushed made for a user, to be served as it is. run: which."""

    __tablename__ = "user_catalogues"

    user_id: Mapped[Key] = mapped_column(reference("users"))
    run: Mapped[str] = mapped_column(String(64))
    entries: Mapped[list[dict[str, Any]]]
    made_at: Mapped[datetime]
