"""The offline batch's part of the store: who is to have a catalogue, which shards are finished, what was pushed.

A shard counts as made when its row is there, and there is at most one row: whatever dies, exactly one maker wins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, select, update
from sqlalchemy.orm import Session

from persona.errors import BadInput, Conflict, NotFound
from persona.store.bulk import IdColumn, existing, insert_new, replace
from persona.store.engine import Database, batches
from persona.store.records import Traits
from persona.store.schema import BatchRunRow, BatchShardRow, ConsentRow, EventRow, ItemRow, UserCatalogueRow, UserRow

PAGE = 20_000  # users that are looked up by one query
Whose = Callable[[IdColumn], ColumnElement[bool]]  # a condition on the column that holds users' ids
SEGMENTS = (*Traits.model_fields, "source", "active_days")


@dataclass(frozen=True)
class Member:
    """A user of a batch, with how far profile and events had come: what is made of them is current while that stays.

    changed: when the profile was last written. events, watermark: how many, and the row number of the last.
    """

    user_id: str
    changed: datetime
    events: int
    watermark: int


@dataclass(frozen=True)
class StoredCatalogue:
    """What was pushed for a user. entries: plain JSON, as pushed."""

    run: str
    entries: list[dict[str, Any]]
    made_at: datetime


class Batches(Database):
    """The part of the store that the offline batch works with."""

    def members(
        self, user_ids: Iterable[str] | None = None, segment: Mapping[str, Any] | None = None
    ) -> Iterator[list[Member]]:
        """Yield the users who may have a catalogue, some thousand at a time: those who did not refuse personalisation.

        user_ids: whose, in that order; unknown ones are left out. None: everybody's, in the order of their ids, by
        keyset, so that nothing is held open. segment: traits (None: unknown) and `source` that have to be these, and
        `active_days`, within which something was done.
        """
        wanted = [~_refused(), *_segment(segment or {})]
        if user_ids is not None:
            for part in batches(user_ids):
                with self._reading() as session:
                    found = {one.user_id: one for one in _members(session, _among(part), wanted)}
                yield [found[user_id] for user_id in part if user_id in found]
            return
        after = ""
        while True:
            with self._reading() as session:
                page = select(UserRow.id).where(UserRow.id > after).order_by(UserRow.id).limit(PAGE).subquery()
                last = session.scalar(select(func.max(page.c.id)))
                if last is None:
                    return
                yield _members(session, _between(after, last), wanted)
            after = last

    def count_catalogue_users(self, segment: Mapping[str, Any] | None = None) -> int:
        """Return how many users `members` would yield."""
        with self._reading() as session:
            return session.scalar(select(func.count(UserRow.id)).where(~_refused(), *_segment(segment or {}))) or 0

    def catalogue_items(self) -> list[str]:
        """Return the ids, in order, of the garments and looks that can be chosen for somebody."""
        query = select(ItemRow.id).where(ItemRow.active, ItemRow.domain != "style").order_by(ItemRow.id)
        with self._reading() as session:
            return list(session.scalars(query))

    def gone(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of these users who were erased, or refuse personalisation by now."""
        found: set[str] = set()
        with self._reading() as session:
            for part in batches(user_ids):
                found |= _gone(session, part)
        return found

    def begin_run(self, run: str, spec: Mapping[str, Any]) -> None:
        """Enter a run, once. Raises Conflict for a run of this name with another spec."""
        row = {"id": run, "state": "running", "spec": dict(spec), "totals": {}, "created_at": datetime.now(UTC)}
        with self._writing() as session:
            insert_new(session, BatchRunRow.__table__, [{**row, "finished_at": None}], key="id")
            if session.get_one(BatchRunRow, run).spec != dict(spec):
                raise Conflict(f"run: there is another run {run!r}")

    def end_run(self, run: str, totals: Mapping[str, Any]) -> None:
        """Say that a run is done. Its shards' rows go: the manifest has them. Raises NotFound."""
        with self._writing() as session:
            values = {"state": "done", "totals": dict(totals), "finished_at": datetime.now(UTC)}
            done = session.execute(
                update(BatchRunRow).where(BatchRunRow.id == run).values(**values).returning(BatchRunRow.id)
            )
            if done.first() is None:
                raise _unknown_run(run)
            session.execute(delete(BatchShardRow.__table__).where(BatchShardRow.run == run))

    def drop_run(self, run: str) -> None:
        """Forget a run and its shards, as if it had never begun; one that is not there is no error."""
        with self._writing() as session:
            session.execute(delete(BatchRunRow.__table__).where(BatchRunRow.id == run))

    def run_state(self, run: str) -> str | None:
        """Return running or done, None for an unknown run."""
        with self._reading() as session:
            return session.scalar(select(BatchRunRow.state).where(BatchRunRow.id == run))

    def shards(self, run: str) -> dict[int, dict[str, Any]]:
        """Return the records of the shards of a run that are made, by number."""
        query = select(BatchShardRow.shard, BatchShardRow.record).where(BatchShardRow.run == run)
        with self._reading() as session:
            return {row.shard: row.record for row in session.execute(query.order_by(BatchShardRow.shard))}

    def shard_times(self, run: str) -> dict[int, datetime]:
        """Return when each shard of a run that is made was made, by number."""
        query = select(BatchShardRow.shard, BatchShardRow.made_at).where(BatchShardRow.run == run)
        with self._reading() as session:
            return {row.shard: row.made_at for row in session.execute(query)}

    def end_shard(self, run: str, shard: int, record: Mapping[str, Any], user_ids: Sequence[str]) -> set[str]:
        """Say that a shard is made; nobody of these users can be erased between the look and that.

        Returns those of them who were erased meanwhile, or refused personalisation: then nothing is said, make the
        shard anew without them. A shard that is said to be made already stays as it was said first. Raises Conflict
        for a run that is not (or no longer) running.
        """
        plain = json.loads(json.dumps(record))
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        with self._writing() as session:
            gone = set(user_ids) - existing(session, UserRow.id, user_ids)  # from here on their rows stay
            for part in batches(user_ids):
                gone |= _gone(session, part)
            if gone:
                return gone
            state = select(BatchRunRow.state).where(BatchRunRow.id == run).with_for_update(read=True)
            if session.scalar(state) != "running":
                raise Conflict(f"run: {run!r} is not running: it was finished, or dropped")
            known = session.get(BatchShardRow, (run, shard))
            if known is None:
                row = {"run": run, "shard": shard, "sha256": digest, "record": plain, "made_at": datetime.now(UTC)}
                replace(session, BatchShardRow.__table__, [row])
            return set()

    def drop_shards(self, run: str, shards: Sequence[int]) -> None:
        """Forget that these shards were made, so that they are made anew."""
        with self._writing() as session:
            session.execute(
                delete(BatchShardRow.__table__).where(BatchShardRow.run == run, BatchShardRow.shard.in_(shards))
            )

    def push_catalogues(self, run: str, made_at: datetime, entries: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
        """Store users' catalogues in place of those pushed before; returns how many.

        entries: plain JSON by user. Users who were erased, or refuse personalisation by now, are left out.
        """
        with self._writing() as session:
            there = existing(session, UserRow.id, entries) - _gone(session, list(entries))
            rows = [
                {"user_id": user, "run": run, "entries": [dict(one) for one in entries[user]], "made_at": made_at}
                for user in sorted(there)
            ]
            replace(session, UserCatalogueRow.__table__, rows)
            return len(rows)

    def pushed_by(self, run: str, user_ids: Sequence[str]) -> set[str]:
        """Return those of these users whose catalogue this run pushed."""
        found: set[str] = set()
        with self._reading() as session:
            for part in batches(user_ids):
                theirs = UserCatalogueRow.user_id.in_(part), UserCatalogueRow.run == run
                found.update(session.scalars(select(UserCatalogueRow.user_id).where(*theirs)))
        return found

    def drop_old_catalogues(self, run: str) -> int:
        """Drop what was pushed by other runs than this; returns of how many users."""
        with self._writing() as session:
            old = (
                delete(UserCatalogueRow.__table__)
                .where(UserCatalogueRow.run != run)
                .returning(UserCatalogueRow.user_id)
            )
            return len(session.execute(old).all())

    def user_catalogue(self, user_id: str) -> StoredCatalogue | None:
        """Return what was pushed for a user, None where nothing was."""
        with self._reading() as session:
            row = session.get(UserCatalogueRow, user_id)
            return None if row is None else StoredCatalogue(row.run, row.entries, row.made_at)


def _among(user_ids: Sequence[str]) -> Whose:
    return lambda key: key.in_(user_ids)


def _between(after: str, last: str) -> Whose:
    return lambda key: and_(key > after, key <= last)


def _members(session: Session, whose: Whose, wanted: Sequence[ColumnElement[bool]]) -> list[Member]:
    """whose: of users' ids; asked of both tables, so that each is read by an index and nothing but that."""
    done = (
        select(EventRow.user_id, func.count().label("events"), func.max(EventRow.id).label("watermark"))
        .where(whose(EventRow.user_id))
        .group_by(EventRow.user_id)
        .subquery()
    )
    query = select(
        UserRow.id, UserRow.updated_at, func.coalesce(done.c.events, 0), func.coalesce(done.c.watermark, 0)
    ).outerjoin(done, done.c.user_id == UserRow.id)
    return [Member(*row) for row in session.execute(query.where(whose(UserRow.id), *wanted).order_by(UserRow.id))]


def _segment(segment: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    for name, value in segment.items():
        if name not in SEGMENTS:
            raise BadInput("users", f"{name!r} is nothing to choose users by; there are {', '.join(SEGMENTS)}")
        if name == "active_days":
            since = datetime.now(UTC) - timedelta(days=float(value))
            wanted.append(exists().where(EventRow.user_id == UserRow.id, EventRow.at >= since))
        else:
            column = getattr(UserRow, name)
            wanted.append(column.is_(None) if value is None else column == value)
    return wanted


def _refused() -> ColumnElement[bool]:
    return exists().where(
        ConsentRow.user_id == UserRow.id, ConsentRow.purpose == "personalisation", ConsentRow.granted == false()
    )


def _gone(session: Session, user_ids: Sequence[str]) -> set[str]:
    there = session.scalars(select(UserRow.id).where(UserRow.id.in_(user_ids), ~_refused()))
    return set(user_ids) - set(there)


def _unknown_run(run: str) -> NotFound:
    return NotFound(f"run {run!r}: there is none in this database; was it made with another one?")
