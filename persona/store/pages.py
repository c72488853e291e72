"""Long lists page by page. A page begins behind the last row of the one before (keyset pagination), so whatever is
added or erased meanwhile, every row that stays is met exactly once, and the last page costs what the first does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, selectinload

from persona.errors import BadInput
from persona.store.engine import Database
from persona.store.events import COLUMNS, STORED
from persona.store.generations import generation_of
from persona.store.items import item_of
from persona.store.packing import unpack
from persona.store.records import Event, Generation, Item, Profile, Purpose
from persona.store.schema import ConditionRow, ConsentRow, EventRow, GenerationRow, ItemRow, UserRow
from persona.store.users import profile_of

T = TypeVar("T")
READ_AT_ONCE = 5000  # condition vectors


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list. next: the cursor of what follows, None at the end."""

    rows: list[T]
    next: str | None


class Pages(Database):
    """Lists that are too long for one answer. cursor: `next` of the page before; None begins."""

    def user_page(self, limit: int, cursor: str | None = None) -> Page[Profile]:
        """Profiles in the order of their ids. Raises BadInput for what is no cursor of this list."""
        load = selectinload(UserRow.preferences), selectinload(UserRow.consents)
        query = select(UserRow).options(*load).order_by(UserRow.id)
        if (after := _read(cursor, "users", str)) is not None:
            query = query.where(UserRow.id > after[0])
        with self._reading() as session:
            rows = session.scalars(query.limit(limit + 1)).all()
            return _page([profile_of(row) for row in rows], limit, "users", [(row.id,) for row in rows])

    def item_page(self, limit: int, cursor: str | None = None) -> Page[Item]:
        """Garments, inactive ones too, in the order of their ids. Raises BadInput as `user_page`."""
        query = select(ItemRow).where(ItemRow.domain == "garment").order_by(ItemRow.id)
        if (after := _read(cursor, "items", str)) is not None:
            query = query.where(ItemRow.id > after[0])
        with self._reading() as session:
            rows = session.scalars(query.limit(limit + 1)).all()
            return _page([item_of(row) for row in rows], limit, "items", [(row.id,) for row in rows])

    def event_page(self, user_id: str, limit: int, cursor: str | None = None) -> Page[Event]:
        """A user's events, newest first. Raises BadInput as `user_page`."""
        query = select(*STORED, EventRow.id).where(EventRow.user_id == user_id)
        query = _newest(query, EventRow.at, EventRow.id, _read(cursor, "events", datetime, int))
        with self._reading() as session:
            rows = session.execute(query.limit(limit + 1)).all()
            events = [Event.model_construct(**{name: getattr(row, name) for name in COLUMNS}) for row in rows]
            return _page(events, limit, "events", [(row.at, row.id) for row in rows])

    def generation_page(self, user_id: str, limit: int, cursor: str | None = None) -> Page[Generation]:
        """A user's generations, newest first. Raises BadInput as `user_page`."""
        query = select(GenerationRow).where(GenerationRow.user_id == user_id)
        after = _read(cursor, "generations", datetime, str)
        query = _newest(query, GenerationRow.created_at, GenerationRow.id, after)
        with self._reading() as session:
            rows = session.scalars(query.limit(limit + 1)).all()
            keys = [(row.created_at, row.id) for row in rows]
            return _page([generation_of(row) for row in rows], limit, "generations", keys)

    def consented_conditions(self, model: str, purpose: Purpose) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield (ids, condition vectors float32 (n, d)) under a model's version, some thousand at a time.

        Of users who allowed the purpose and did not refuse personalisation; of no children. Vectors of zeros, of which
        nothing is known, are among them.
        """
        may = _said(purpose, True), ~_said("personalisation", False)
        grown = exists().where(
            UserRow.id == ConditionRow.user_id, or_(UserRow.age_band.is_(None), UserRow.age_band != "under-18")
        )
        query = select(ConditionRow.user_id, ConditionRow.vector).where(ConditionRow.model == model, grown, *may)
        query, after = query.order_by(ConditionRow.user_id).limit(READ_AT_ONCE), ""
        while True:
            with self._reading() as session:
                rows = session.execute(query.where(ConditionRow.user_id > after)).all()
            if rows:
                yield [row.user_id for row in rows], unpack([row.vector for row in rows])
            if len(rows) < READ_AT_ONCE:
                return
            after = rows[-1].user_id


def _said(purpose: Purpose, granted: bool) -> ColumnElement[bool]:
    return exists().where(
        ConsentRow.user_id == ConditionRow.user_id, ConsentRow.purpose == purpose, ConsentRow.granted == granted
    )


def _newest(
    query: Select[Any],
    at: InstrumentedAttribute[datetime],
    number: InstrumentedAttribute[Any],
    after: Sequence[Any] | None,
) -> Select[Any]:
    """In the order of time, last first; of one time, by number. after: (time, number) of the row before."""
    if after is not None:
        query = query.where(or_(at < after[0], and_(at == after[0], number < after[1])))
    return query.order_by(at.desc(), number.desc())


def _page(rows: list[T], limit: int, name: str, keys: Sequence[Sequence[Any]]) -> Page[T]:
    """The first `limit` of one row more than that. keys: where each stands."""
    return Page(rows[:limit], _cursor(name, keys[limit - 1]) if len(rows) > limit else None)


def _cursor(name: str, key: Sequence[Any]) -> str:
    told = [name, *(part.isoformat() if isinstance(part, datetime) else part for part in key)]
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(cursor: str | None, name: str, *kinds: type) -> list[Any] | None:
    """What `_cursor` told. Raises BadInput for anything else."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        told, *key = json.loads(text)
        if told != name:
            raise ValueError("of another list")
        return [_part(part, kind) for part, kind in zip(key, kinds, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise BadInput("cursor", f"is none of a list of {name}; send `next` of the page before, or none") from None


def _part(part: Any, kind: type) -> Any:
    """A cursor is the caller's to change: raises ValueError or TypeError for what no row can hold."""
    if kind is datetime:
        at = datetime.fromisoformat(part)
        if at.tzinfo is None:
            raise ValueError("no time zone")
        return at.astimezone(UTC)
    if type(part) is not kind or (part not in range(2**63) if kind is int else not str(part).isprintable()):
        raise ValueError(f"no {kind.__name__} of a row")
    return part
