"""What serving others needs: API keys, the audit log, answers that may be repeated, jobs; where an event came from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(128).with_variant(sa.VARCHAR(128, collation="C"), "postgresql")
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)


def need(name: str, kind: Any) -> sa.Column[Any]:
    """A column that every row fills."""
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Make the four tables, and the column of events."""
    op.add_column("events", sa.Column("rec_id", sa.String(64)))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        need("name", sa.String(128)),
        need("digest", sa.String(64)),
        need("scopes", JSON),
        need("created_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", ROW_NUMBER, primary_key=True),
        need("at", TIME),
        need("actor", sa.String(64)),
        need("action", sa.String(64)),
        sa.Column("request_id", sa.String(64)),
        need("details", JSON),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"])
    _idempotency()
    _jobs()


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("id", sa.String(64), primary_key=True),
        need("request", sa.String(64)),
        sa.Column("user_id", ID),
        sa.Column("status", sa.SmallInteger),
        need("headers", JSON),
        sa.Column("body", sa.LargeBinary),
        need("created_at", TIME),
        need("lease_until", TIME),
    )
    op.create_index(op.f("ix_idempotency_user_id"), "idempotency", ["user_id"])
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        need("actor", sa.String(64)),
        sa.Column("user_id", ID, sa.ForeignKey("users.id", ondelete="CASCADE")),
        need("state", sa.String(32)),
        need("done", sa.Integer),
        need("total", sa.Integer),
        need("request", JSON),
        sa.Column("result", JSON),
        sa.Column("error", sa.String(512)),
        need("created_at", TIME),
        need("updated_at", TIME),
        sa.Column("lease_until", TIME),
    )
    op.create_index(op.f("ix_jobs_user_id"), "jobs", ["user_id"])
    op.create_index(op.f("ix_jobs_state_created_at_id"), "jobs", ["state", "created_at", "id"])


def downgrade() -> None:
    """Drop them: the version before knows nothing of them."""
    for table in ("jobs", "idempotency", "audit_log", "api_keys"):
        op.drop_table(table)
    with op.batch_alter_table("events") as events:
        events.drop_column("rec_id")
