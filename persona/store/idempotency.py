"""Answers to requests that may be repeated: the first one is done, the others get what it was answered.

Of requests with the same key one holds a lease while it works; when it crashes, its lease ends and a repetition may
do it. A request that failed keeps nothing, so its key may be used again at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from persona.errors import BadInput, Underway
from persona.store.purging import Purging
from persona.store.schema import IdempotencyRow

KEPT = timedelta(hours=24)  # that an answer can be had again
HEADER = "Idempotency-Key"


@dataclass(frozen=True)
class Kept:
    """An answer as it was given."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Lease:
    """The right to do a request until then. The time tells it from a later lease of the same request."""

    id: str
    until: datetime


class Idempotency(Purging):
    """The part of the store that keeps answers."""

    def claim_request(self, id: str, request: str, user_id: str | None, seconds: float) -> Lease | Kept:
        """Take a request on for some seconds, or get the answer that it was given before.

        id: digest of caller and key, 64 characters; request: digest of what is asked; user_id: whom it is about, with
        whom the answer is erased. Of any number of callers at once exactly one gets the lease. Raises Underway (409)
        while another holds it, BadInput (key_reused) for a key that stands for another request.
        """
        now = datetime.now(UTC)
        lease = Lease(id, now + timedelta(seconds=seconds))
        row = {"id": id, "request": request, "user_id": user_id, "created_at": now, "lease_until": lease.until}
        fresh: dict[str, Any] = {**row, "status": None, "headers": {}, "body": None}
        insert = (postgresql.insert if self._postgres else sqlite.insert)(IdempotencyRow).values(fresh)
        crashed = IdempotencyRow.status.is_(None) & (IdempotencyRow.lease_until < now)
        again = crashed & (IdempotencyRow.request == request) | (IdempotencyRow.created_at < now - KEPT)
        claim = insert.on_conflict_do_update(index_elements=["id"], set_=fresh, where=again)
        with self._writing() as session:
            if session.scalar(claim.returning(IdempotencyRow.id)) is not None:
                return lease
            known = select(IdempotencyRow.__table__).where(IdempotencyRow.id == id)
            return _answer(session.execute(known).one_or_none(), request)

    def keep_answer(self, lease: Lease, answer: Kept) -> bool:
        """Keep the answer to a request; False where the lease was lost: it ran out, or the user was erased."""
        kept = {"status": answer.status, "headers": answer.headers, "body": answer.body}
        with self._writing() as session:
            mine = update(IdempotencyRow).where(*_held(lease)).values(**kept)
            return session.execute(mine.returning(IdempotencyRow.id)).first() is not None

    def release_request(self, lease: Lease) -> None:
        """Give a request back undone: nothing of it is kept, and a repetition does it."""
        with self._writing() as session:
            session.execute(delete(IdempotencyRow).where(*_held(lease)))

    def purge_answers(self, *, dry_run: bool = False) -> int:
        """Erase answers that are older than KEPT, some hundred in a transaction; returns how many.

        dry_run: only count them.
        """
        old = select(IdempotencyRow.id).where(IdempotencyRow.created_at < datetime.now(UTC) - KEPT)
        return self._purge(IdempotencyRow.id, old, dry_run=dry_run)


def _held(lease: Lease) -> tuple[Any, ...]:
    """While it is in flight, under this very lease."""
    return IdempotencyRow.id == lease.id, IdempotencyRow.lease_until == lease.until, IdempotencyRow.status.is_(None)


def _answer(row: Row[Any] | None, request: str) -> Kept:
    """What is known of a request that another has taken on."""
    if row is not None and row.request != request:
        why = "was sent with another request before; give every request a key of its own"
        raise BadInput(HEADER, why, "key_reused")
    if row is None or row.status is None:
        raise Underway(f"{HEADER}: this request is being done already; ask again for its answer")
    return Kept(row.status, row.headers, row.body or b"")
