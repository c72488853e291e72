"""Items of the catalogue and their content vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, or_, select, union
from sqlalchemy.orm import Session

from persona.errors import BadInput, NotFound
from persona.store.bulk import existing, replace
from persona.store.counting import mark_stale
from persona.store.engine import Database, batches
from persona.store.packing import pack, unpack
from persona.store.records import FACETS, Domain, Item
from persona.store.schema import EventRow, GenerationRow, ItemRow, ItemVectorRow

PLAIN = ("id", "domain", "category", "title", "picture", "colour", "pattern", "style", "price", "owner",
         "cutout_failed", "look", "active")  # fmt: skip


class Items(Database):
    """The catalogue's part of the store."""

    def put_items(self, items: Iterable[Item]) -> int:
        """Store items in one transaction, each in place of what is known under its id; returns how many.

        Content vectors of items whose picture is another one now are dropped, since they were made from the old one.
        """
        count = 0
        with self._writing(alone=True) as session:
            for part in batches(items):
                rows = {item.id: item_row(item, datetime.now(UTC)) for item in part}
                _drop_vectors_of_changed(session, rows)
                _note_changed_garments(session, rows)
                replace(session, ItemRow.__table__, list(rows.values()), keep=["created_at"])
                count += len(part)
        return count

    def get_item(self, item_id: str) -> Item:
        """Return an item. Raises NotFound."""
        with self._reading() as session:
            row = session.get(ItemRow, item_id)
        if row is None:
            raise NotFound(f"item {item_id!r} is not in the catalogue; import it first")
        return item_of(row)

    def items(self, domain: Domain | None = "garment", active: bool | None = True) -> list[Item]:
        """Return the items of a domain in the order of their ids; None: of any domain, active or not."""
        query = select(ItemRow).order_by(ItemRow.id)
        if domain is not None:
            query = query.where(ItemRow.domain == domain)
        if active is not None:
            query = query.where(ItemRow.active == active)
        with self._reading() as session:
            return [item_of(row) for row in session.scalars(query)]

    def looks(self, owner: str | None = None) -> list[Item]:
        """Return the active looks that are everybody's and, with an owner (a user's id), those that user saved."""
        theirs = or_(ItemRow.owner.is_(None), ItemRow.owner == owner)  # equal to NULL is nobody
        query = select(ItemRow).where(ItemRow.domain == "look", ItemRow.active, theirs).order_by(ItemRow.id)
        with self._reading() as session:
            return [item_of(row) for row in session.scalars(query)]

    def delete_look(self, look_id: str, owner: str) -> None:
        """Erase a look that this user saved, with what was done with it. Raises NotFound."""
        theirs = ItemRow.id == look_id, ItemRow.domain == "look", ItemRow.owner == owner
        with self._writing(alone=True) as session:  # who counts what was done with items need not look for each
            if session.execute(delete(ItemRow).where(*theirs).returning(ItemRow.id)).first() is None:
                raise NotFound(f"user {owner!r} saved no look {look_id!r}; see which are there")

    def count_items(self, domain: Domain | None = None) -> int:
        """Return how many items of a domain are stored, active or not; None: of any."""
        query = select(func.count()).select_from(ItemRow)
        if domain is not None:
            query = query.where(ItemRow.domain == domain)
        with self._reading() as session:
            return session.scalar(query) or 0

    def item_of_picture(self, sha256: str) -> Item | None:
        """Return the item (the first by id) that a picture shows."""
        query = select(ItemRow).where(ItemRow.picture == sha256).order_by(ItemRow.id).limit(1)
        with self._reading() as session:
            row = session.scalar(query)
        return None if row is None else item_of(row)

    def put_item_vectors(self, model: str, item_ids: Sequence[str], vectors: NDArray[Any]) -> None:
        """Store a model's content vectors of items, float32 (n, d), in place of earlier ones.

        Raises BadInput for an unknown item, a wrong shape, values that are not finite, or another d than the model has.
        """
        blobs = pack(vectors, len(item_ids), "vectors")
        width = select(func.length(ItemVectorRow.vector)).where(ItemVectorRow.model == model).limit(1)
        with self._writing(alone=True) as session:
            unknown = set(item_ids) - existing(session, ItemRow.id, set(item_ids))
            if unknown:
                raise BadInput("item_ids", f"{min(unknown)!r} is not in the catalogue; import the item first")
            before = session.scalar(width)
            if before is not None and blobs and before != len(blobs[0]):
                raise BadInput("vectors", f"{len(blobs[0]) // 4} wide, but those of {model} are {before // 4} wide")
            rows = [{"model": model, "item_id": i, "vector": v} for i, v in dict(zip(item_ids, blobs)).items()]
            for part in batches(rows):
                replace(session, ItemVectorRow.__table__, part)

    def item_vectors(self, model: str) -> tuple[list[str], NDArray[np.float32]]:
        """Return a model's content vectors: ids in order, float32 (n, d); (0, 0) if there are none."""
        query = select(ItemVectorRow.item_id, ItemVectorRow.vector).where(ItemVectorRow.model == model)
        with self._reading() as session:
            rows = session.execute(query.order_by(ItemVectorRow.item_id)).all()
        return [row.item_id for row in rows], unpack([row.vector for row in rows])


def _drop_vectors_of_changed(session: Session, rows: dict[str, dict[str, Any]]) -> None:
    before = session.execute(select(ItemRow.id, ItemRow.picture).where(ItemRow.id.in_(list(rows))))
    changed = [name for name, picture in before if rows[name]["picture"] != picture]
    session.execute(delete(ItemVectorRow).where(ItemVectorRow.item_id.in_(changed)))


def _note_changed_garments(session: Session, rows: dict[str, dict[str, Any]]) -> None:
    """Have the tastes made anew of users who did something with garments that are told to be others now."""
    told = ("domain", *FACETS)
    before = session.execute(select(ItemRow.id, *(getattr(ItemRow, name) for name in told)).where(ItemRow.id.in_(rows)))
    if changed := [row[0] for row in before if [*row[1:]] != [rows[row[0]][name] for name in told]]:
        mark_stale(session, EventRow.item_id.in_(changed))


def in_use(session: Session, pictures: Sequence[str]) -> set[str]:
    """Which of these pictures a generation or an item still refers to."""
    used: set[str] = set()
    for part in batches(pictures):
        generated = select(GenerationRow.picture).where(GenerationRow.picture.in_(part))
        used.update(session.scalars(union(generated, select(ItemRow.picture).where(ItemRow.picture.in_(part)))))
    return used


def item_row(item: Item, now: datetime) -> dict[str, Any]:
    """An item as a row of its table."""
    lab = item.lab or (None, None, None)
    rights = item.rights
    return {
        **{name: getattr(item, name) for name in PLAIN},
        "lab_l": lab[0], "lab_a": lab[1], "lab_b": lab[2],
        "seasons": list(item.seasons),
        "licence": rights.licence, "rights_source": rights.source,
        "consent": rights.consent, "generated": rights.generated,
        "created_at": now, "updated_at": now,
    }  # fmt: skip


def item_of(row: ItemRow) -> Item:
    """A row of the table of items as an item."""
    lab = (row.lab_l, row.lab_a, row.lab_b)
    rights = {
        "licence": row.licence, "source": row.rights_source, "consent": row.consent, "generated": row.generated,
    }  # fmt: skip
    values = {name: getattr(row, name) for name in PLAIN}
    return Item.model_validate(
        {**values, "lab": None if None in lab else lab, "seasons": row.seasons, "rights": rights}
    )
