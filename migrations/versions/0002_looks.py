"""Makeup looks as items: what a look is, and an index by which a domain's items and a user's looks are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
LOOKS = "SELECT id FROM items WHERE domain = 'look'"


def upgrade() -> None:
    """Add the column, empty for the garments that are there."""
    op.add_column("items", sa.Column("look", JSON, nullable=True))
    op.create_index("ix_items_domain_owner", "items", ["domain", "owner"])


def downgrade() -> None:
    """Drop it, with the looks and what was done with them: the version before cannot read those."""
    for table in ("events", "item_vectors"):  # SQLite migrates without foreign keys, so nothing cascades there
        op.execute(f"DELETE FROM {table} WHERE item_id IN ({LOOKS})")
    op.execute("DELETE FROM items WHERE domain = 'look'")
    op.drop_index("ix_items_domain_owner", "items")
    op.drop_column("items", "look")
