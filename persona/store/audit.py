"""The audit log: who did what to stored data and to keys, without personal data. Rows are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from persona.store.engine import Database
from persona.store.records import Record
from persona.store.schema import AuditRow

Detail = int | float | str


class AuditEntry(Record):
    """One thing that was done. actor: a key's id, a hashed end user, "command" or "open"; details: counts and key ids,
    never a person's id, name or words."""

    id: int
    at: datetime
    actor: str
    action: str
    request_id: str | None
    details: dict[str, Detail]


class Audit(Database):
    """The audit log's part of the store."""

    def audit(
        self, action: str, actor: str, request_id: str | None = None, details: Mapping[str, Detail] | None = None
    ) -> None:
        """Write down that `actor` did `action`, in a transaction of its own."""
        with self._writing() as session:
            add_audit(session, action, actor, request_id, **(details or {}))

    def audited(self, limit: int = 100, before: int | None = None) -> list[AuditEntry]:
        """The last entries, newest first; before: those with a smaller id, to go on from a page's last."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.id < before)
        with self._reading() as session:
            return [_entry(row) for row in session.scalars(query)]


def add_audit(session: Session, action: str, actor: str, request_id: str | None = None, **details: Detail) -> None:
    """Add an entry to a transaction, so that what was done and its entry are there together or not at all."""
    session.add(
        AuditRow(at=datetime.now(UTC), actor=actor, action=action, request_id=request_id, details=dict(details))
    )


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id, at=row.at, actor=row.actor, action=row.action, request_id=row.request_id, details=row.details
    )
