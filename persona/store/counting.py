"""What was done with each item on each day, and whose taste is to be made anew: kept up with the events, set by set.

Whoever erases events says so here first, in the same transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, Date, ScalarSelect, Select, cast, delete, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from persona.store.analysis_schema import AnalysisMarkRow, ItemDayRow, StaleTasteRow
from persona.store.schema import EventRow

MARK = "events"  # the name of the watermark: the last event that is counted
_COLUMNS = {
    "views": "view", "likes": "like", "saves": "save", "carts": "cart", "purchases": "purchase",
    "dislikes": "dislike", "hides": "hide",
}  # fmt: skip
_UTC: Any = literal_column("'UTC'")  # as a parameter it would not be the same in SELECT and in GROUP BY


def count_days(session: Session, *which: Any, times: int = 1) -> int:
    """Add these events to the days of their items; returns how many rows that changed. times: -1 takes them away."""
    postgres = _is_postgres(session)
    day = cast(func.timezone(_UTC, EventRow.at), Date) if postgres else func.date(EventRow.at)
    counts = [times * func.count().filter(EventRow.type == kind) for kind in _COLUMNS.values()]
    counted = select(EventRow.item_id, day, *counts).where(EventRow.item_id.is_not(None), *which)
    counted = counted.group_by(EventRow.item_id, day).order_by(EventRow.item_id, day)
    table = ItemDayRow.__table__
    insert = _insert(session, table).from_select(["item_id", "day", *_COLUMNS], counted)
    sums = {name: table.c[name] + insert.excluded[name] for name in _COLUMNS}
    return _written(session, insert.on_conflict_do_update(index_elements=["item_id", "day"], set_=sums))


def mark_stale(session: Session, *which: Any) -> int:
    """Have the taste of whoever did these things made anew, from the month of the first of them on."""
    if _is_postgres(session):
        month: Any = cast(func.date_trunc("month", func.timezone(_UTC, func.min(EventRow.at))), Date)
    else:
        month = func.date(func.min(EventRow.at), "start of month")
    touched = select(EventRow.user_id, month).where(EventRow.item_id.is_not(None), *which).group_by(EventRow.user_id)
    return mark_these_stale(session, touched.order_by(EventRow.user_id))


def mark_these_stale(session: Session, columns: Select[*tuple[Any, ...]]) -> int:
    """Have the taste of these users made anew; returns how many. columns: their ids, each once, and a first month."""
    table = StaleTasteRow.__table__
    insert = _insert(session, table).from_select(["user_id", "since"], columns)
    # never "do nothing": who makes a taste at this moment is waited for, and it is marked again after that
    earlier = func.least if _is_postgres(session) else func.min
    changed = {"since": earlier(table.c.since, insert.excluded.since)}
    return _written(session, insert.on_conflict_do_update(index_elements=["user_id"], set_=changed))


def uncount(session: Session, *which: Any) -> None:
    """Take events that are about to be erased out of all that was made of them."""
    mark_stale(session, *which)
    counted = EventRow.id <= watermark()
    if count_days(session, counted, *which, times=-1):
        empty = [ItemDayRow.__table__.c[name] == 0 for name in _COLUMNS]
        session.execute(
            delete(ItemDayRow.__table__).where(
                ItemDayRow.item_id.in_(select(EventRow.item_id).where(counted, *which)), *empty
            )
        )


def watermark() -> ScalarSelect[int]:
    """The last event that is counted, as part of a query; NULL before the first refresh."""
    return select(AnalysisMarkRow.watermark).where(AnalysisMarkRow.name == MARK).scalar_subquery()


def _insert(session: Session, table: Any) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if _is_postgres(session) else sqlite.insert(table)


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _written(session: Session, insert: Any) -> int:
    """Run it; returns how many rows it wrote."""
    done = session.execute(insert, execution_options={"preserve_rowcount": True})
    assert isinstance(done, CursorResult)
    return done.rowcount
