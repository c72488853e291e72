"""Erasing many rows a few at a time, so that nobody waits long and what an interruption leaves is done next time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from persona.store.engine import Database

AT_ONCE = 500  # rows in one transaction


class Purging(Database):
    """What parts of the store that erase by age have in common."""

    def _purge(self, key: InstrumentedAttribute[Any], old: Select[Any], *, dry_run: bool = False) -> int:
        """Erase the rows whose `key` the query selects; returns how many. dry_run: only count them."""
        if dry_run:
            with self._reading() as session:
                return session.scalar(select(func.count()).select_from(old.subquery())) or 0
        gone = 0
        while part := self._purge_some(key, old):
            gone += part
        return gone

    def _purge_some(self, key: InstrumentedAttribute[Any], old: Select[Any]) -> int:
        with self._reading() as session:
            keys = list(session.scalars(old.limit(AT_ONCE)))
        if not keys:  # then nobody who writes has to wait
            return 0
        with self._writing(alone=True) as session:
            gone = delete(key.class_.__table__).where(key.in_(keys), key.in_(old))
            return len(session.execute(gone.returning(key)).all())
