"""Long work that somebody waits for: a queue in the database that any process may work off, a turn at a time.

Who takes a turn holds a lease; a process that is killed loses it, and another goes on from what was kept. The job that
waited longest comes next, so that a long job does not keep short ones waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session, defer

from persona.errors import Busy, Conflict, NotFound
from persona.store.bulk import existing, insert_new
from persona.store.purging import Purging
from persona.store.records import Job, JobState
from persona.store.schema import JobRow, UserRow

ENDED: tuple[JobState, ...] = ("done", "failed")
MOST = 20  # jobs of one caller that are not done yet
LOST = 3  # turns after which a job is given up, if whoever took one never came back
KEPT = timedelta(days=7)  # that a job and its result can be had, from its end
SECONDS_TO_WAIT = 5.0  # that a caller with too many jobs is told to wait


FIELDS = tuple(Job.model_fields)


@dataclass(frozen=True)
class Turn:
    """The right to do a part of a job until the lease ends, and what was kept of it so far."""

    job: Job
    actor: str
    request: dict[str, JsonValue]
    result: dict[str, Any]
    until: datetime


class Jobs(Purging):
    """The part of the store that queues long work."""

    def add_job(
        self, id: str, actor: str, user_id: str | None, request: Mapping[str, Any], total: int, most: int = MOST
    ) -> Job:
        """Queue a job, once: the same again returns what is there.

        Raises NotFound for an unknown user, Conflict for an id with another request, Busy (429) for an actor who has
        `most` jobs that are not done.
        """
        now = datetime.now(UTC)
        row = {"id": id, "actor": actor, "user_id": user_id, "request": dict(request), "total": total}
        row |= {"state": "queued", "done": 0, "result": None, "error": None, "lease_until": None}
        with self._writing(alone=True) as session:
            if user_id is not None and not existing(session, UserRow.id, [user_id]):
                raise NotFound(f"user {user_id!r} is not stored; store the profile first, or ask with an inline one")
            if (known := session.get(JobRow, id)) is not None:
                if (known.actor, known.request) != (actor, dict(request)):
                    raise Conflict(f"id: there is another job {id!r}")
                return _job(known)
            _refuse_too_many(session, actor, most)
            insert_new(session, JobRow.__table__, [{**row, "created_at": now, "updated_at": now}], key="id")
            return _job(session.get_one(JobRow, id))

    def get_job(self, id: str, actor: str | None = None) -> Job:
        """Return a job. Raises NotFound, also for another actor's (None: anybody's)."""
        with self._reading() as session:
            row = session.get(JobRow, id, options=[defer(JobRow.result), defer(JobRow.request)])
            if row is None or actor not in (None, row.actor):
                raise _unknown(id)
            return _job(row)

    def job_result(self, id: str) -> dict[str, Any] | None:
        """Return what a job made so far; None for nothing yet and for an unknown job."""
        with self._reading() as session:
            return session.scalar(select(JobRow.result).where(JobRow.id == id))

    def jobs_of(self, user_id: str) -> list[Job]:
        """Return the jobs about a user, oldest first."""
        query = select(JobRow).where(JobRow.user_id == user_id).order_by(JobRow.created_at, JobRow.id)
        with self._reading() as session:
            return [_job(row) for row in session.scalars(query.options(defer(JobRow.result)))]

    def drop_job(self, id: str, actor: str | None = None) -> None:
        """Cancel a job, or erase what a finished one made. Raises NotFound, as `get_job`."""
        owned = [] if actor is None else [JobRow.actor == actor]
        with self._writing() as session:
            gone = delete(JobRow.__table__).where(JobRow.id == id, *owned).returning(JobRow.id)
            if session.execute(gone).first() is None:
                raise _unknown(id)

    def take_turn(self, seconds: float) -> Turn | None:
        """Take the job that waited longest, for some seconds; None where none waits.

        A job whose worker did not come back from LOST turns is failed: it may be what ends them.
        """
        now = datetime.now(UTC)
        lost = and_(JobRow.state == "running", JobRow.lease_until < now)
        waiting = select(JobRow).where(or_(JobRow.state == "queued", lost))
        with self._reading() as session:  # as nearly always: then nobody who writes has to wait
            if session.scalar(waiting.with_only_columns(JobRow.id).limit(1)) is None:
                return None
        with self._writing() as session:
            query = waiting.order_by(JobRow.updated_at, JobRow.id).limit(1).with_for_update(skip_locked=True)
            row = session.scalar(query)
            if row is None:
                return None
            times = (row.result or {}).get("lost", 0) + (row.state == "running")
            row.result = {**(row.result or {}), "lost": times}
            if times >= LOST:
                row.state, row.error, row.lease_until = "failed", f"given up: {times} workers ended over it", None
                return None
            row.state, row.updated_at, row.lease_until = "running", now, now + timedelta(seconds=seconds)
            return Turn(_job(row), row.actor, row.request, row.result, row.lease_until)

    def end_turn(
        self, turn: Turn, state: JobState, done: int, result: Mapping[str, Any], error: str | None = None
    ) -> bool:
        """Keep what a turn made; False where it was lost: the job was cancelled, or taken over, or its user erased."""
        values = {"state": state, "done": done, "result": dict(result), "error": error and error[:512]}
        mine = JobRow.id == turn.job.id, JobRow.state == "running", JobRow.lease_until == turn.until
        with self._writing() as session:
            change = update(JobRow).where(*mine).values(**values, updated_at=datetime.now(UTC), lease_until=None)
            return session.execute(change.returning(JobRow.id)).first() is not None

    def purge_jobs(self, *, dry_run: bool = False) -> int:
        """Erase jobs that ended longer than KEPT ago; returns how many. dry_run: only count them."""
        old = select(JobRow.id).where(JobRow.state.in_(ENDED), JobRow.updated_at < datetime.now(UTC) - KEPT)
        return self._purge(JobRow.id, old, dry_run=dry_run)


def _refuse_too_many(session: Session, actor: str, most: int) -> None:
    open_ones = select(func.count()).where(JobRow.actor == actor, JobRow.state.not_in(ENDED))
    if (session.scalar(open_ones) or 0) >= most:
        raise Busy(f"{most} jobs are waiting already: wait for one to end, or cancel one", SECONDS_TO_WAIT)


def _job(row: JobRow) -> Job:
    return Job.model_validate({name: getattr(row, name) for name in FIELDS})


def _unknown(id: str) -> NotFound:
    return NotFound(f"job {id!r}: there is no such job; it was cancelled, or ended more than {KEPT.days} days ago")
