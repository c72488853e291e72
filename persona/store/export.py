"""Everything that is stored about a user, as it is handed to them: one consistent view, read piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from persona.errors import NotFound
from persona.store.analysis_schema import RecommendationRow, TasteMonthRow, UserTasteRow, UserVersionRow
from persona.store.audit import add_audit
from persona.store.engine import Database
from persona.store.exported import (
    FORMAT,
    ExportedAnswer,
    ExportedCatalogue,
    ExportedConsent,
    ExportedEvent,
    ExportedGeneration,
    ExportedItem,
    ExportedJob,
    ExportedMonth,
    ExportedRecommendation,
    ExportedStyle,
    ExportedTaste,
    ExportedVector,
    ExportedVersion,
)
from persona.store.packing import unpack
from persona.store.records import Preference, Record, Traits
from persona.store.schema import (
    ConditionRow,
    ConsentRow,
    EventRow,
    GenerationRow,
    IdempotencyRow,
    ItemRow,
    JobRow,
    PreferenceRow,
    StyleRow,
    StyleVectorRow,
    UserCatalogueRow,
    UserRow,
)
from persona.store.users import TRAITS

AT_ONCE = 500  # rows in memory
_Read = Callable[[Row[Any]], Record]


class Export(Database):
    """The part of the store that tells users what it knows."""

    def export_user(self, user_id: str, url_of: Callable[[str], str]) -> Iterator[tuple[str, Any]]:
        """Yield (field of UserExport, value), lists as iterators to be read before the next step.

        All of one moment; read it without waiting for anybody, since a connection is held meanwhile.
        url_of: address of a picture by its sha256. Raises NotFound at the first step.
        """
        with self._reading() as session:
            user = session.get(UserRow, user_id)
            if user is None:
                raise NotFound(f"user {user_id!r} is not stored, so there is nothing to export")
            yield "format", FORMAT
            yield from ((name, getattr(user, name)) for name in ("id", "source", "created_at", "updated_at"))
            yield "traits", Traits(**{name: getattr(user, name) for name in TRAITS})
            for name, query, read in _Lists(session, user_id, url_of):
                yield name, map(read, session.execute(query.execution_options(yield_per=AT_ONCE)))

    def record_export(self, actor: str, request_id: str | None = None) -> None:
        """Write down in the audit log that somebody was given an export."""
        with self._writing() as session:
            add_audit(session, "user.export", actor, request_id)


@dataclass(frozen=True)
class _Lists:
    """The lists of an export: the name of each, what is read for it, and how a row becomes a record."""

    session: Session
    user_id: str
    url_of: Callable[[str], str]

    def __iter__(self) -> Iterator[tuple[str, Select[Any], _Read]]:
        yield "preferences", self._of(PreferenceRow).order_by(PreferenceRow.position), _plain(Preference)
        yield "consents", self._of(ConsentRow).order_by(ConsentRow.purpose), _plain(ExportedConsent)
        yield "events", self._of(EventRow).order_by(EventRow.at, EventRow.id), _plain(ExportedEvent)
        yield "vectors", self._of(ConditionRow).order_by(ConditionRow.model), _vector
        made = self._of(GenerationRow).order_by(GenerationRow.created_at, GenerationRow.id)
        yield "generations", made, self._generation
        own = ItemRow.owner == self.user_id, ItemRow.domain.in_(("look", "style"))
        yield "items", select(ItemRow.__table__).where(*own).order_by(ItemRow.id), self._item
        styles = select(StyleRow.__table__).join(ItemRow).where(*own)
        yield "styles", styles.order_by(StyleRow.item_id), self._style
        yield "catalogues", self._of(UserCatalogueRow), _plain(ExportedCatalogue)
        yield "jobs", self._of(JobRow).order_by(JobRow.created_at, JobRow.id), _plain(ExportedJob)
        yield "answers", self._of(IdempotencyRow).order_by(IdempotencyRow.created_at, IdempotencyRow.id), _answer
        shown = self._of(RecommendationRow).order_by(RecommendationRow.at, RecommendationRow.id)
        yield "recommendations", shown, _plain(ExportedRecommendation)
        yield "versions", self._of(UserVersionRow).order_by(UserVersionRow.valid_from), _version
        yield "tastes", self._of(UserTasteRow), _taste
        yield "months", self._of(TasteMonthRow).order_by(TasteMonthRow.month), _plain(ExportedMonth)

    def _of(self, table: Any) -> Select[Any]:
        return select(table.__table__).where(table.user_id == self.user_id)

    def _generation(self, row: Row[Any]) -> Record:
        measured = None if row.feature is None else _floats(row.feature)
        return _record(ExportedGeneration, row, feature=measured, url=self.url_of(row.picture))

    def _item(self, row: Row[Any]) -> Record:
        shown = self.url_of(row.picture) if row.picture else None
        return _record(ExportedItem, row, url=shown, source=row.rights_source)

    def _style(self, row: Row[Any]) -> Record:
        learnt = select(StyleVectorRow.weight, StyleVectorRow.vector).where(StyleVectorRow.item_id == row.item_id)
        parts = self.session.execute(learnt.order_by(StyleVectorRow.position)).all()
        vectors = [_floats(part.vector) for part in parts]
        return _record(ExportedStyle, row, weights=[part.weight for part in parts], vectors=vectors)


def _plain(kind: type[Record]) -> _Read:
    """Of rows whose columns are called like the record's fields."""
    return lambda row: _record(kind, row)


def _vector(row: Row[Any]) -> Record:
    return _record(ExportedVector, row, vector=_floats(row.vector))


def _taste(row: Row[Any]) -> Record:
    return _record(ExportedTaste, row, vector=_floats(row.vector))


def _version(row: Row[Any]) -> Record:
    return _record(ExportedVersion, row, traits=Traits(**{name: row._mapping[name] for name in TRAITS}))


def _answer(row: Row[Any]) -> Record:
    return _record(ExportedAnswer, row, body=json.loads(row.body) if row.body else None)


def _record(kind: type[Record], row: Row[Any], **made: Any) -> Record:
    stated = {name: row._mapping[name] for name in kind.model_fields if name in row._mapping}
    return kind.model_validate({**stated, **made})


def _floats(blob: bytes) -> list[float]:
    floats: list[float] = unpack([blob])[0].tolist()
    return floats
