"""Named styles: until when they may be used, and what was learnt of their references, which are not kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(128).with_variant(sa.VARCHAR(128, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
STYLES = "SELECT id FROM items WHERE domain = 'style'"


def upgrade() -> None:
    """Make the two tables; what a style is called and looks like is its item's."""
    op.create_table(
        "styles",
        sa.Column("item_id", ID, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("until", TIME),
        sa.Column("learnt_at", TIME, nullable=False),
        sa.Column("retired_at", TIME),
    )
    op.create_table(
        "style_vectors",
        sa.Column("item_id", ID, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop them, with the styles' items and what was done with them: the version before cannot read those."""
    op.drop_table("style_vectors")
    op.drop_table("styles")
    for table in ("events", "item_vectors"):  # SQLite migrates without foreign keys, so nothing cascades there
        op.execute(f"DELETE FROM {table} WHERE item_id IN ({STYLES})")
    op.execute("DELETE FROM items WHERE domain = 'style'")
