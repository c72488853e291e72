"""What all tables have in common: their base, column types, and references that vanish with what they refer to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB, VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
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


def reference(table: str) -> ForeignKey:
    """A reference that vanishes with what it refers to."""
    return ForeignKey(f"{table}.id", ondelete="CASCADE")


class TraitColumns:
    """What users say of themselves; NULL is unknown."""

    skin_tone: Mapped[int | None] = mapped_column(SmallInteger)
    undertone: Mapped[Word | None]
    face_shape: Mapped[Word | None]
    body_shape: Mapped[Word | None]
    age_band: Mapped[Word | None]
    size_top: Mapped[Word | None]
    size_bottom: Mapped[Word | None]
    size_shoe: Mapped[float | None]
