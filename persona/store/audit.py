"""The audit log: who did what to stored data and to keys, without personal data. Rows are added, never changed."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from persona.store.schema import AuditRow

Detail = int | float | str


def add_audit(session: Session, action: str, actor: str, request_id: str | None = None, **details: Detail) -> None:
    """Add an entry to a transaction, so that what was done and its entry are there together or not at all."""
    session.add(
        AuditRow(at=datetime.now(UTC), actor=actor, action=action, request_id=request_id, details=dict(details))
    )
