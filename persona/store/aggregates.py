"""The tables for analysts, brought up to date: each event is counted once, whatever ends a refresh, and wherever.

A refresh has two halves. The first goes through the new events, some at a time: one transaction adds them to the days
of their items, notes whose taste they change, and moves the watermark. The second makes the tastes that are noted anew
from all events up to the watermark, some users at a time, and strikes each from the list as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from sqlalchemy import Date, Double, String, func, literal, select, text, type_coerce, update
from sqlalchemy.orm import Session

from persona.store.analysis_schema import AnalysisMarkRow, ItemDayRow, StaleTasteRow, TasteMonthRow, UserTasteRow
from persona.store.bulk import among, append_plain, committed_later, insert_new, time_text, without_row_checks
from persona.store.counting import MARK, count_days, mark_stale, mark_these_stale, watermark
from persona.store.engine import Database, batches
from persona.store.records import FACETS
from persona.store.schema import EventRow, ItemRow, UserRow
from persona.store.sums import CODES, MONTH_COLUMNS, TASTE_COLUMNS, WEIGHTS, Ints, Sums

EVENTS_AT_ONCE = 500_000  # counted in one transaction
USERS_AT_ONCE = 5_000  # whose tastes are written in one: whoever erases a user waits that long
_PAGE = 100_000  # events in memory
_MANY = 50_000  # tastes from which on PostgreSQL is told at once what has changed
_FIRST_MONTH = date(1970, 1, 1)

Progress = Callable[[str, int, int], None]
"""Told (what: "events" or "users", how many are done, of how many) after each transaction."""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: events counted, users whose taste was made, months of theirs and days of items written.

    watermark: the last event (its row number) that is in the tables now.
    """

    events: int = 0
    users: int = 0
    months: int = 0
    days: int = 0
    watermark: int = 0


class Aggregates(Database):
    """The part of the store that prepares what analysts read."""

    def refresh_analysis(self, progress: Progress | None = None, *, rebuild: bool = False) -> Refreshed:
        """Bring the days of items and the tastes of users up to the last event; beside writers, several at once too.

        Ended at any point, it is gone on with by the next. rebuild: from the beginning. Tastes are made only of users
        whom analysts may see.
        """
        tell = progress or (lambda what, done, of: None)
        bound = self._bound()
        if rebuild:
            self._begin_anew()
        made = self._make_tastes(self._count_events(Refreshed(), bound, tell), tell)
        if made.users >= _MANY:
            self._settle_analysis()
        return made

    def _bound(self) -> int:
        """The last event, once all that are numbered before it are there: writers may commit in another order."""
        row = {"name": MARK, "watermark": 0, "refreshed_at": datetime.now(UTC)}
        with self._writing() as session:
            if self._postgres:
                session.execute(text("LOCK TABLE events IN SHARE MODE"))  # those who are writing finish
            insert_new(session, AnalysisMarkRow.__table__, [row], key="name")
            return session.scalar(select(func.max(EventRow.id))) or 0

    def _begin_anew(self) -> None:
        """Tastes stay to be read until they are made anew; days of items are counted again from nothing."""
        everybody = select(UserTasteRow.user_id, literal(_FIRST_MONTH, Date)).where(UserTasteRow.events > 0)
        with self._writing() as session:
            _turn(session)
            session.execute(ItemDayRow.__table__.delete())
            mark_these_stale(session, everybody)
            _move(session, 0)

    def _count_events(self, done: Refreshed, bound: int, tell: Progress) -> Refreshed:
        """The first half."""
        with self._reading() as session:
            todo = select(func.min(EventRow.id)).where(EventRow.id > watermark())
            since = (session.scalar(todo) or 1) - 1
        while True:
            with self._writing() as session:
                after = _turn(session)
                some = select(EventRow.id).where(EventRow.id > after, EventRow.id <= bound).order_by(EventRow.id)
                part = some.limit(EVENTS_AT_ONCE).subquery()
                last, events = session.execute(select(func.max(part.c.id), func.count())).one()
                if last is None:
                    return replace(done, watermark=_move(session, max(after, bound)))
                without_row_checks(session)  # whoever erases a user or an item waits for us
                which = EventRow.id > after, EventRow.id <= last
                days = count_days(session, *which)
                mark_stale(session, *which)
                _move(session, last)
                committed_later(session)
            done = replace(done, events=done.events + events, days=done.days + days)
            tell("events", last - since, bound - since)

    def _make_tastes(self, done: Refreshed, tell: Progress) -> Refreshed:
        """The second half."""
        with self._reading() as session:
            total = session.scalar(select(func.count()).select_from(StaleTasteRow)) or 0
        after = ""
        while True:
            with self._writing() as session:
                mark = _turn(session)
                listed = select(StaleTasteRow.user_id, StaleTasteRow.since).where(StaleTasteRow.user_id > after)
                part = listed.order_by(StaleTasteRow.user_id).limit(USERS_AT_ONCE).with_for_update()
                since = {user_id: month for user_id, month in session.execute(part).all()}  # noqa: C416
                if not since:
                    return done
                months = self._make_some(session, since, mark)
            after = max(since)
            done = replace(done, users=done.users + len(since), months=done.months + months)
            tell("users", done.users, max(total, done.users))

    def _make_some(self, session: Session, since: dict[str, date], mark: int) -> int:
        """Make the tastes of some users anew; returns how many months of theirs were written."""
        seen = select(UserRow.id).where(among(session, UserRow.id, since), UserRow.analysed)
        users = sorted(session.scalars(seen))
        sums = self._sums(session, users, mark)
        begins = [since[user] for user in users]
        without_row_checks(session)  # whoever erases a user waits for us
        committed_later(session)
        month = TasteMonthRow.__table__
        begin = select(StaleTasteRow.since).where(StaleTasteRow.user_id == month.c.user_id).scalar_subquery()
        session.execute(month.delete().where(among(session, month.c.user_id, since), month.c.month >= begin))
        for table in (UserTasteRow.__table__, StaleTasteRow.__table__):
            session.execute(table.delete().where(among(session, table.c.user_id, since)))
        months = list(sums.months(np.array(begins, "datetime64[M]").view(np.int64)))
        append_plain(session, month, MONTH_COLUMNS, months)
        append_plain(session, UserTasteRow.__table__, TASTE_COLUMNS, self._with_times(sums))
        return len(months)

    def _sums(self, session: Session, users: Sequence[str], mark: int) -> Sums:
        """Add up what users did with garments, up to an event."""
        places, sums, garments = {user: place for place, user in enumerate(users)}, Sums(users), _Garments(session)
        event = EventRow.__table__.c
        at: Any = type_coerce(event.at, String)  # as SQLite has it
        if self._postgres:
            at = func.date_part("epoch", event.at, type_=Double)
        which = among(session, event.user_id, users), event.id <= mark, event.item_id.is_not(None)
        query = select(event.user_id, event.item_id, event.type, at).where(*which)
        for page in session.connection().execute(query, execution_options={"yield_per": _PAGE}).partitions():
            user_ids, item_ids, kinds, times = zip(*page, strict=True)
            user = np.fromiter((places[user_id] for user_id in user_ids), np.int64, len(user_ids))
            item = garments.places(item_ids)
            weight = np.fromiter((WEIGHTS[kind] for kind in kinds), np.float64, len(kinds))
            of = item >= 0
            sums.add(user[of], garments.codes[item[of]], weight[of], _microseconds(times)[of])
        return sums

    def _with_times(self, sums: Sums) -> list[tuple[Any, ...]]:
        """Rows of tastes, with times as the database writes them."""
        rows = list(sums.tastes())
        first, last = (
            time_text(np.array([row[place] for row in rows], np.int64), postgres=self._postgres) for place in (2, 3)
        )
        return [(*row[:2], begin, end, *row[4:]) for row, begin, end in zip(rows, first, last, strict=True)]

    def _settle_analysis(self) -> None:
        """Have PostgreSQL take note of what is there now, which it would only in minutes."""
        if self._postgres:
            names = ", ".join(row.__tablename__ for row in (UserTasteRow, TasteMonthRow, ItemDayRow, StaleTasteRow))
            with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.execute(text(f"VACUUM (ANALYZE) {names}"))


class _Garments:
    """Facets of garments, looked up as they come; within one transaction, since an import may change them.

    codes: int64 (n, 4), places in NAMES, -1 unknown.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._places: dict[str, int] = {}
        self.codes = np.zeros((0, len(FACETS)), np.int64)

    def places(self, item_ids: Sequence[str]) -> Ints:
        """The places of items in `codes`, -1 for those that are no garments."""
        self._look_up(sorted(set(item_ids) - self._places.keys()))
        return np.fromiter((self._places[item_id] for item_id in item_ids), np.int64, len(item_ids))

    def _look_up(self, item_ids: list[str]) -> None:
        self._places.update(dict.fromkeys(item_ids, -1))
        told = [getattr(ItemRow, facet) for facet in FACETS]
        found: list[Any] = []
        for part in batches(item_ids):
            query = select(ItemRow.id, *told).where(ItemRow.id.in_(part), ItemRow.domain == "garment")
            found += self._session.execute(query).all()
        self._places.update((row[0], len(self.codes) + place) for place, row in enumerate(found))
        codes = [[CODES.get(f"{facet}={value}", -1) for facet, value in zip(FACETS, row[1:])] for row in found]
        self.codes = np.concatenate([self.codes, np.array(codes, np.int64).reshape(-1, len(FACETS))])


def _turn(session: Session) -> int:
    """Wait for another refresh to end its transaction; returns the watermark."""
    mark = select(AnalysisMarkRow.watermark).where(AnalysisMarkRow.name == MARK).with_for_update()
    return session.scalars(mark).one()


def _move(session: Session, to: int) -> int:
    moved = update(AnalysisMarkRow.__table__).where(AnalysisMarkRow.name == MARK)
    session.execute(moved.values(watermark=to, refreshed_at=datetime.now(UTC)))
    return to


def _microseconds(times: Sequence[Any]) -> Ints:
    """Times as the databases told them, texts or seconds since 1970."""
    if isinstance(times[0], str):
        return np.array(times, "datetime64[us]").view(np.int64)
    return (np.array(times, np.float64) * 1e6).round().astype(np.int64)
