"""The tables that analysts' views are made of: how profiles were, what was shown, tastes by month, items by day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from persona.store.base import ID, Base, Key, TraitColumns, Word, reference


class UserVersionRow(TraitColumns, Base):
    """How a user's profile was from `valid_from` on and before `valid_to`. stated: weight by "facet=value"."""

    __tablename__ = "user_versions"

    user_id: Mapped[Key] = mapped_column(reference("users"))
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    valid_to: Mapped[datetime]
    stated: Mapped[dict[str, float]]


class UserTasteRow(Base):
    """A user's taste in garments by what they did, up to the watermark of `analysis_marks`.

    events: on garments. vector: little-endian float32 (37,), the weight of each value of each facet in the order of
    FACETS; top_*: the value of a facet with the most weight, NULL where none is above 0.
    """

    __tablename__ = "user_tastes"

    user_id: Mapped[Key] = mapped_column(reference("users"))
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

    user_id: Mapped[Key] = mapped_column(reference("users"))
    month: Mapped[date] = mapped_column(primary_key=True)
    events: Mapped[int]
    weights: Mapped[dict[str, float]]


class ItemDayRow(Base):
    """How often each thing was done with an item on a day (in UTC), by everybody who is still there."""

    __tablename__ = "item_days"

    item_id: Mapped[Key] = mapped_column(reference("items"))
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
    user_id: Mapped[str] = mapped_column(ID, reference("users"))
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

    user_id: Mapped[Key] = mapped_column(reference("users"))
    since: Mapped[date]


class AnalysisMarkRow(Base):
    """How far the tables for analysts go. watermark: the last event (row number) that is in them."""

    __tablename__ = "analysis_marks"

    name: Mapped[Word] = mapped_column(primary_key=True)
    watermark: Mapped[int] = mapped_column(BigInteger)
    refreshed_at: Mapped[datetime]
