"""Named styles: vectors learnt from references that are not kept, under an agreement that can end.

A style is in force until it is retired, its agreement ends, or the user whose it is no longer allows `photos`; that is
looked at whenever one is read. What is no longer in force has its vectors erased by `retire_ended_styles`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Row, Select, delete, exists, not_, or_, select, true, update
from sqlalchemy.orm import Session

from persona.errors import BadInput, Conflict, NotFound
from persona.store.bulk import append, existing, replace
from persona.store.engine import Database, batches
from persona.store.items import in_use, item_of, item_row
from persona.store.packing import pack, unpack
from persona.store.records import Agreement, Item, NamedStyle
from persona.store.schema import (
    ConditionRow,
    ConsentRow,
    EventRow,
    ItemRow,
    ItemVectorRow,
    StyleRow,
    StyleVectorRow,
    UserRow,
)

PURPOSE = "photos"  # what a user whose style it is has to allow


class Styles(Database):
    """The styles' part of the store."""

    def put_style(self, style: NamedStyle, vectors: NDArray[Any], visual: str, content: NDArray[Any]) -> None:
        """Store a style with one vector for each reference, float32 (n, d), and its content vector (c,) under the
        visual network `visual`, by which it counts in the taste in garments.

        Raises Conflict for a name that a style in force or another item has, NotFound for an unknown owner, BadInput
        for one who does not allow photos (no_consent), for an agreement that is over, and for vectors of another shape
        or that are not finite.
        """
        blobs = pack(vectors, len(style.weights), "vectors")
        (feature,) = pack(np.asarray(content)[None], 1, "content")
        now = datetime.now(UTC)
        with self._writing(alone=True) as session:
            _refuse_taken(session, style.id, now)
            if style.owner is not None and not existing(session, UserRow.id, [style.owner]):
                raise NotFound(f"owner: user {style.owner!r} is not stored; store the profile first, or name no owner")
            _erase(session, [style.id])
            replace(session, ItemRow.__table__, [item_row(style.item(), now)], keep=["created_at"])
            replace(session, StyleRow.__table__, [_row(style)])
            parts = zip(style.weights, blobs, strict=True)
            append(session, StyleVectorRow.__table__, [
                {"item_id": style.id, "position": place, "weight": weight, "vector": blob}
                for place, (weight, blob) in enumerate(parts)
            ])  # fmt: skip
            append(session, ItemVectorRow.__table__, [{"model": visual, "item_id": style.id, "vector": feature}])
            if session.execute(_named(style.id).where(_in_force(now))).first() is None:
                raise _ended(style.id, style.agreement.until, now)

    def get_style(self, style_id: str) -> NamedStyle:
        """Return a style that is in force. Raises NotFound; BadInput (style, no_consent) for one that no longer is."""
        now = datetime.now(UTC)
        with self._reading() as session:
            found = session.execute(_named(style_id).add_columns(_in_force(now).label("in_force"))).one_or_none()
            if found is None:
                raise NotFound(f"there is no style {style_id!r}; see which there are")
            if not found.in_force:
                raise _ended(style_id, found.StyleRow.until, now)
            return _styles(session, [found])[0]

    def styles(self) -> list[NamedStyle]:
        """Return the styles in force, in the order of their ids."""
        query = _all().where(_in_force(datetime.now(UTC))).order_by(ItemRow.id)
        with self._reading() as session:
            return _styles(session, session.execute(query).all())

    def style_vectors(self, style_id: str) -> NDArray[np.float32]:
        """Return what was learnt of each reference of a style in force, float32 (n, d), in the order of its weights.

        Raises as `get_style`.
        """
        self.get_style(style_id)
        query = select(StyleVectorRow.vector).where(StyleVectorRow.item_id == style_id)
        with self._reading() as session:
            return unpack(list(session.scalars(query.order_by(StyleVectorRow.position))))

    def style_features(self, style_ids: Collection[str], visual: str) -> dict[str, tuple[NDArray[np.float32], Item]]:
        """Return content vector, float32 (c,), and item of those of these styles that are in force and have one."""
        if not style_ids:
            return {}
        query = _all().add_columns(ItemVectorRow.vector).join(ItemVectorRow, ItemVectorRow.item_id == ItemRow.id)
        query = query.where(ItemVectorRow.model == visual, _in_force(datetime.now(UTC)))
        found: dict[str, tuple[NDArray[np.float32], Item]] = {}
        with self._reading() as session:
            for part in batches(style_ids):
                for row in session.execute(query.where(ItemRow.id.in_(part))):
                    found[row.ItemRow.id] = unpack([row.vector])[0], item_of(row.ItemRow)
        return found

    def retire_style(self, style_id: str) -> list[str]:
        """End a style: its vectors and its swatch are erased, what users did with it stays and counts no more.

        That it was, and what was agreed, stays on record. Returns the sha256s of pictures that nothing else refers to,
        for the caller to remove. Raises NotFound, also for one that is retired already.
        """
        now = datetime.now(UTC)
        with self._writing(alone=True) as session:
            there = session.execute(_named(style_id).where(StyleRow.retired_at.is_(None))).first()
            if there is None:
                raise NotFound(f"there is no style {style_id!r}; see which there are")
            return _retire(session, [style_id], now)

    def retire_ended_styles(self) -> list[str]:
        """Retire, like `retire_style`, every style that is no longer in force."""
        now = datetime.now(UTC)
        over = _all().where(StyleRow.retired_at.is_(None), not_(_in_force(now))).with_only_columns(ItemRow.id)
        with self._reading() as session:
            if session.execute(over.limit(1)).first() is None:  # as nearly always: then nobody has to wait
                return []
        with self._writing(alone=True) as session:
            return _retire(session, list(session.scalars(over)), now)


def forget_conditions(session: Session, style_ids: Collection[str]) -> None:
    """Erase the condition vectors of users who did something with these styles: they are made anew without them."""
    touched = select(EventRow.user_id).where(EventRow.item_id.in_(style_ids))
    session.execute(delete(ConditionRow.__table__).where(ConditionRow.user_id.in_(touched)))


def _all() -> Select[ItemRow, StyleRow]:
    return select(ItemRow, StyleRow).join(StyleRow, StyleRow.item_id == ItemRow.id)


def _named(style_id: str) -> Select[ItemRow, StyleRow]:
    return _all().where(ItemRow.id == style_id)


def _in_force(now: datetime) -> ColumnElement[bool]:
    allowed = exists().where(
        ConsentRow.user_id == ItemRow.owner, ConsentRow.purpose == PURPOSE, ConsentRow.granted == true()
    )
    lasting = StyleRow.retired_at.is_(None) & or_(StyleRow.until.is_(None), StyleRow.until > now)
    return lasting & or_(ItemRow.owner.is_(None), allowed)


def _ended(style_id: str, until: datetime | None, now: datetime) -> BadInput:
    when = f"ended on {until:%Y-%m-%d}" if until is not None and until <= now else "was withdrawn"
    return BadInput("style", f"the consent to {style_id!r} {when}; choose another, or learn it anew", "no_consent")


def _refuse_taken(session: Session, style_id: str, now: datetime) -> None:
    kinds = session.scalars(select(ItemRow.domain).where(ItemRow.id == style_id)).all()
    if kinds and kinds[0] != "style":
        raise Conflict(f"id: there is a {kinds[0]} {style_id!r}; give the style another name")
    if session.execute(_named(style_id).where(_in_force(now))).first() is not None:
        raise Conflict(f"id: there is a style {style_id!r} already; retire it first, or choose another name")


def _retire(session: Session, style_ids: list[str], now: datetime) -> list[str]:
    of_these = ItemRow.id.in_(style_ids)
    pictures = {picture for picture in session.scalars(select(ItemRow.picture).where(of_these)) if picture}
    _erase(session, style_ids)
    session.execute(update(ItemRow).where(of_these).values(active=False, picture=None, updated_at=now))
    session.execute(update(StyleRow).where(StyleRow.item_id.in_(style_ids)).values(retired_at=now))
    return sorted(pictures - in_use(session, sorted(pictures)))


def _erase(session: Session, style_ids: list[str]) -> None:
    """Everything that was learnt of these styles, and what was made from it."""
    forget_conditions(session, style_ids)
    for table in (StyleVectorRow, ItemVectorRow):
        session.execute(delete(table.__table__).where(table.__table__.c.item_id.in_(style_ids)))


def _row(style: NamedStyle) -> dict[str, Any]:
    agreement = style.agreement
    return {
        "item_id": style.id, "model": style.model, "given_at": agreement.given_at, "until": agreement.until,
        "learnt_at": style.learnt_at, "retired_at": None,
    }  # fmt: skip


def _styles(session: Session, rows: Iterable[Row[ItemRow, StyleRow]]) -> list[NamedStyle]:
    rows = list(rows)
    weights: dict[str, list[float]] = {}
    query = select(StyleVectorRow.item_id, StyleVectorRow.weight).order_by(
        StyleVectorRow.item_id, StyleVectorRow.position
    )
    for part in batches(row.ItemRow.id for row in rows):
        for item_id, weight in session.execute(query.where(StyleVectorRow.item_id.in_(part))):
            weights.setdefault(item_id, []).append(weight)
    return [_style(row.ItemRow, row.StyleRow, weights[row.ItemRow.id]) for row in rows]


def _style(item: ItemRow, style: StyleRow, weights: list[float]) -> NamedStyle:
    agreement = Agreement(
        licence=item.licence, source=item.rights_source, consent=item.consent, given_at=style.given_at,
        until=style.until,
    )  # fmt: skip
    return NamedStyle.model_validate({
        "id": item.id, "title": item.title, "origin": item.category, "agreement": agreement, "owner": item.owner,
        "model": style.model, "weights": tuple(weights), "picture": item.picture, "learnt_at": style.learnt_at,
    })  # fmt: skip
