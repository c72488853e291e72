"""Catalogues for everybody: runs of the offline batch, their shards, and what was pushed for each user."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(128).with_variant(sa.VARCHAR(128, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)


def need(name: str, kind: Any) -> sa.Column[Any]:
    """A column that every row fills."""
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "batch_runs",
        sa.Column("id", sa.String(64), primary_key=True),
        need("state", sa.String(32)),
        need("spec", JSON),
        need("totals", JSON),
        need("created_at", TIME),
        sa.Column("finished_at", TIME),
    )
    op.create_table(
        "batch_shards",
        sa.Column("run", sa.String(64), sa.ForeignKey("batch_runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        need("sha256", sa.String(64)),
        need("record", JSON),
        need("made_at", TIME),
    )
    op.create_table(
        "user_catalogues",
        sa.Column("user_id", ID, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        need("run", sa.String(64)),
        need("entries", JSON),
        need("made_at", TIME),
    )


def downgrade() -> None:
    """Drop them: the version before knows nothing of them."""
    for table in ("user_catalogues", "batch_shards", "batch_runs"):
        op.drop_table(table)
