"""What is kept only for a time: events, pictures that nobody did anything with, idle users, the audit log.

Rows go a few at a time, each few in a transaction of their own: who is interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, exists, select, update

from persona.store.analysis_schema import RecommendationRow, UserVersionRow
from persona.store.audit import add_audit
from persona.store.counting import uncount
from persona.store.items import in_use
from persona.store.purging import AT_ONCE, Purging
from persona.store.schema import AuditRow, ConditionRow, EventRow, GenerationRow, UserRow


class Retention(Purging):
    """The part of the store that forgets."""

    def purge_events(self, before: datetime) -> Iterator[int]:
        """Erase what users did before a time, some at a time, and the condition vectors made from it.

        Yields how many went.
        """
        while part := self._purge_events(before):
            yield part

    def count_old_events(self, before: datetime) -> int:
        """Return how many events `purge_events` would erase."""
        return self._purge(EventRow.id, _before(before), dry_run=True)

    def purge_recommendations(self, before: datetime, *, dry_run: bool = False) -> int:
        """Erase what was shown before a time; returns how many answers. dry_run: only count them."""
        old = select(RecommendationRow.id).where(RecommendationRow.at < before)
        return self._purge(RecommendationRow.id, old, dry_run=dry_run)

    def purge_versions(self, before: datetime, *, dry_run: bool = False) -> int:
        """Erase how profiles were, where that ended before a time; returns how many versions. dry_run: only count."""
        old = select(UserVersionRow.user_id).where(UserVersionRow.valid_to < before)
        if dry_run:
            return self._purge(UserVersionRow.user_id, old, dry_run=True)
        gone, after = 0, ""
        while True:
            with self._reading() as session:
                some = old.where(UserVersionRow.user_id > after).distinct().order_by(UserVersionRow.user_id)
                users = list(session.scalars(some.limit(AT_ONCE)))
            if not users:
                return gone
            with self._writing(alone=True) as session:
                ended = UserVersionRow.user_id.in_(users), UserVersionRow.valid_to < before
                rows = delete(UserVersionRow.__table__).where(*ended).returning(UserVersionRow.user_id)
                gone += len(session.execute(rows).all())
            after = users[-1]

    def purge_generations(self, before: datetime) -> Iterator[tuple[int, list[str]]]:
        """Erase generations made before a time that nobody did anything with, some at a time.

        Yields how many went, and the sha256s of their pictures that nothing else refers to, for the caller to remove.
        """
        old = _unloved(before)
        while True:
            with self._reading() as session:
                ids = list(session.scalars(old.limit(AT_ONCE)))
            if not ids:
                return
            with self._writing(alone=True) as session:
                still = GenerationRow.id.in_(ids), GenerationRow.id.in_(old)
                gone = delete(GenerationRow.__table__).where(*still).returning(GenerationRow.picture)
                rows = list(session.scalars(gone))
                pictures = set(rows)
                free = sorted(pictures - in_use(session, sorted(pictures)))
            yield len(rows), free

    def count_unloved(self, before: datetime) -> int:
        """Return how many generations `purge_generations` would erase."""
        return self._purge(GenerationRow.id, _unloved(before), dry_run=True)

    def idle_users(self, before: datetime, limit: int | None = None) -> list[str]:
        """Return the ids of users who neither did anything nor changed since a time, in order, at most `limit`."""
        acted = exists().where(EventRow.user_id == UserRow.id, EventRow.at >= before)
        query = select(UserRow.id).where(UserRow.updated_at < before, ~acted).order_by(UserRow.id).limit(limit)
        with self._reading() as session:
            return list(session.scalars(query))

    def pictures_in_use(self, shas: Sequence[str]) -> set[str]:
        """Return which of these pictures an item or a generation refers to."""
        with self._reading() as session:
            return in_use(session, shas)

    def purge_audit(self, before: datetime, *, dry_run: bool = False) -> int:
        """Erase the audit log's entries from before a time; returns how many. dry_run: only count them."""
        return self._purge(AuditRow.id, select(AuditRow.id).where(AuditRow.at < before), dry_run=dry_run)

    def record_sweep(self, actor: str, counts: dict[str, int]) -> None:
        """Write down in the audit log that old data was erased, and how much."""
        with self._writing() as session:
            add_audit(session, "privacy.sweep", actor, None, **counts)

    def _purge_events(self, before: datetime) -> int:
        with self._reading() as session:
            ids = list(session.scalars(_before(before).limit(AT_ONCE)))
        if not ids:
            return 0
        with self._writing(alone=True) as session:
            uncount(session, EventRow.id.in_(ids))
            gone = delete(EventRow.__table__).where(EventRow.id.in_(ids)).returning(EventRow.user_id, EventRow.at)
            rows = session.execute(gone).all()
            last: dict[str, datetime] = {}
            for user_id, at in rows:
                last[user_id] = max(at, last.get(user_id, at))
            session.execute(delete(ConditionRow.__table__).where(ConditionRow.user_id.in_(last)))
            for user_id, at in sorted(last.items()):  # else who acted lately would count as idle once that is forgotten
                older = UserRow.id == user_id, UserRow.updated_at < at
                session.execute(update(UserRow.__table__).where(*older).values(updated_at=at))
            return len(rows)


def _before(time: datetime) -> Select[Any]:
    """Ids of what users did before a time."""
    return select(EventRow.id).where(EventRow.at < time)


def _unloved(before: datetime) -> Select[Any]:
    """Ids of generations from before a time that no event is about."""
    loved = exists().where(EventRow.generation_id == GenerationRow.id)
    return select(GenerationRow.id).where(GenerationRow.created_at < before, ~loved)
