"""The first tables: users, preferences, consents, items, generations, events, vectors, models."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(128).with_variant(sa.VARCHAR(128, collation="C"), "postgresql")
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)


def need(name: str, kind: Any) -> sa.Column[Any]:
    """A column that every row fills."""
    return sa.Column(name, kind, nullable=False)


def refer(name: str, table: str, *, nullable: bool = False) -> sa.Column[Any]:
    """A column that refers to a row of a table and vanishes with it; constraints get their names from env.py."""
    return sa.Column(name, ID, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=nullable)


def upgrade() -> None:
    """Make all tables."""
    _users()
    _items()
    _generations()
    _events()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, primary_key=True),
        sa.Column("skin_tone", sa.SmallInteger),
        sa.Column("undertone", sa.String(32)),
        sa.Column("face_shape", sa.String(32)),
        sa.Column("body_shape", sa.String(32)),
        sa.Column("age_band", sa.String(32)),
        sa.Column("size_top", sa.String(32)),
        sa.Column("size_bottom", sa.String(32)),
        sa.Column("size_shoe", sa.Double),
        need("source", sa.String(32)),
        need("created_at", TIME),
        need("updated_at", TIME),
        sa.CheckConstraint("skin_tone BETWEEN 1 AND 10", name="skin_tone"),
    )
    op.create_table(
        "preferences",
        refer("user_id", "users"),
        need("facet", sa.String(32)),
        need("value", sa.String(64)),
        need("weight", sa.Double),
        need("position", sa.SmallInteger),
        sa.PrimaryKeyConstraint("user_id", "facet", "value"),
        sa.CheckConstraint("weight BETWEEN -1 AND 1", name="weight"),
    )
    op.create_table(
        "consents",
        refer("user_id", "users"),
        need("purpose", sa.String(32)),
        need("granted", sa.Boolean),
        need("changed_at", TIME),
        sa.PrimaryKeyConstraint("user_id", "purpose"),
    )
    op.create_table(
        "condition_vectors",
        refer("user_id", "users"),
        need("model", sa.String(128)),
        need("watermark", sa.BigInteger),
        need("vector", sa.LargeBinary),
        need("made_from", JSON),
        need("made_at", TIME),
        sa.PrimaryKeyConstraint("user_id", "model"),
    )


def _items() -> None:
    op.create_table(
        "items",
        sa.Column("id", ID, primary_key=True),
        need("domain", sa.String(32)),
        need("category", sa.String(32)),
        need("title", sa.String(256)),
        sa.Column("picture", sa.String(64)),
        sa.Column("lab_l", sa.Double),
        sa.Column("lab_a", sa.Double),
        sa.Column("lab_b", sa.Double),
        sa.Column("colour", sa.String(32)),
        sa.Column("pattern", sa.String(32)),
        sa.Column("style", sa.String(32)),
        need("seasons", JSON),
        sa.Column("price", sa.Double),
        sa.Column("owner", sa.String(128)),
        need("licence", sa.String(128)),
        need("rights_source", sa.String(512)),
        need("consent", sa.Boolean),
        need("generated", sa.Boolean),
        sa.Column("cutout_failed", sa.String(256)),
        need("active", sa.Boolean),
        need("created_at", TIME),
        need("updated_at", TIME),
    )
    op.create_index("ix_items_picture", "items", ["picture"])
    op.create_table(
        "item_vectors",
        need("model", sa.String(128)),
        refer("item_id", "items"),
        need("vector", sa.LargeBinary),
        sa.PrimaryKeyConstraint("model", "item_id"),
    )
    op.create_index("ix_item_vectors_item_id", "item_vectors", ["item_id"])


def _generations() -> None:
    op.create_table(
        "generations",
        sa.Column("id", ID, primary_key=True),
        need("picture", sa.String(64)),
        refer("user_id", "users", nullable=True),
        need("model", sa.String(128)),
        need("condition_digest", sa.String(64)),
        need("seed", sa.BigInteger),
        need("category", sa.String(32)),
        need("reasons", JSON),
        sa.Column("feature", sa.LargeBinary),
        need("created_at", TIME),
    )
    op.create_index("ix_generations_picture", "generations", ["picture"])
    op.create_index("ix_generations_user_id_created_at_id", "generations", ["user_id", "created_at", "id"])
    op.create_table(
        "model_versions",
        need("name", sa.String(128)),
        need("version", sa.String(64)),
        need("kind", sa.String(32)),
        need("metrics", JSON),
        need("registered_at", TIME),
        sa.PrimaryKeyConstraint("name", "version"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", ROW_NUMBER, primary_key=True),
        need("key", ID),
        refer("user_id", "users"),
        refer("item_id", "items", nullable=True),
        refer("generation_id", "generations", nullable=True),
        need("type", sa.String(32)),
        need("at", TIME),
        sa.UniqueConstraint("key"),
        sa.CheckConstraint("(item_id IS NULL) <> (generation_id IS NULL)", name="one_subject"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_item_id", "events", ["item_id"])
    op.create_index("ix_events_generation_id", "events", ["generation_id"])
    op.create_index("ix_events_user_id_at_id", "events", ["user_id", "at", "id"])


def downgrade() -> None:
    """Drop all tables, with everything in them."""
    for table in ("events", "model_versions", "generations", "item_vectors", "items"):
        op.drop_table(table)
    for table in ("condition_vectors", "consents", "preferences", "users"):
        op.drop_table(table)
