"""What models made of users: condition vectors, generated pictures, and the register of the models themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from persona.errors import BadInput, Conflict, NotFound
from persona.store.bulk import existing, insert_new, replace
from persona.store.engine import Database, batches
from persona.store.packing import pack, unpack
from persona.store.records import Generation, ModelVersion
from persona.store.schema import ConditionRow, EventRow, GenerationRow, ModelRow, UserRow

FIELDS = tuple(name for name in Generation.model_fields if name != "reasons")


@dataclass(frozen=True)
class StoredCondition:
    """A user's condition vector, float32 (d,), with the last event that it knows of and what it was made from.

    stale: the user's events have changed since; encode them again.
    """

    vector: NDArray[np.float32]
    watermark: int
    made_from: dict[str, Any]
    made_at: datetime
    stale: bool


class Generations(Database):
    """The part of the store that holds what models made."""

    def put_condition(
        self, user_id: str, model: str, watermark: int, vector: NDArray[Any], made_from: dict[str, Any]
    ) -> None:
        """Store a user's condition vector, float32 (d,), under a model's version.

        watermark: `event_watermark` as it was before the events were read. made_from: plain JSON values.
        Raises NotFound for an unknown user, BadInput for a vector of another shape or values that are not finite.
        """
        (blob,) = pack(np.asarray(vector)[None], 1, "vector")
        row = {"user_id": user_id, "model": model, "watermark": watermark, "vector": blob, "made_from": made_from}
        with self._writing() as session:
            if not existing(session, UserRow.id, [user_id]):
                raise NotFound(f"user {user_id!r} is not stored; store the profile first")
            replace(session, ConditionRow.__table__, [{**row, "made_at": datetime.now(UTC)}])

    def get_condition(self, user_id: str, model: str) -> StoredCondition | None:
        """Return a user's condition vector under a model's version, None if there is none."""
        last = select(func.coalesce(func.max(EventRow.id), 0)).where(EventRow.user_id == user_id).scalar_subquery()
        query = select(ConditionRow, last).where(ConditionRow.user_id == user_id, ConditionRow.model == model)
        with self._reading() as session:
            found = session.execute(query).one_or_none()
        if found is None:
            return None
        row, mark = found
        stale = row.watermark != mark  # not only a higher mark: events can also have been erased
        return StoredCondition(unpack([row.vector])[0], row.watermark, row.made_from, row.made_at, stale)

    def add_generations(self, generations: Sequence[Generation], features: NDArray[Any] | None = None) -> int:
        """Store generations with their content vectors, float32 (n, d); returns how many were new.

        The same generation again is left as it is. Raises BadInput naming index and field for an unknown user,
        Conflict for an id that is stored with another picture or origin; then nothing is stored.
        """
        blobs: Sequence[bytes | None] = [None] * len(generations)
        if features is not None:
            blobs = pack(features, len(generations), "features")
        rows = {g.id: {**_row(g), "feature": blob} for g, blob in zip(generations, blobs)}
        users = {g.user_id for g in generations if g.user_id is not None}
        with self._writing() as session:
            missing = users - existing(session, UserRow.id, users)
            for index, generation in enumerate(generations):
                if generation.user_id in missing:
                    why = f"{generation.user_id!r} is not known; store the profile first"
                    raise BadInput(f"generations[{index}].user_id", why)
            in_order = [rows[key] for key in sorted(rows)]
            new = insert_new(session, GenerationRow.__table__, in_order, key="id")
            query = select(GenerationRow).where(GenerationRow.id.in_(set(rows) - new))
            _same(generations, {row.id: generation_of(row) for row in session.scalars(query)})
        return len(new)

    def get_generation(self, generation_id: str) -> Generation:
        """Return a generation. Raises NotFound."""
        with self._reading() as session:
            row = session.get(GenerationRow, generation_id)
        if row is None:
            raise NotFound(f"generation {generation_id!r} is not stored; it was never made, or erased with its user")
        return generation_of(row)

    def generations(self, user_id: str, limit: int = 50) -> list[Generation]:
        """Return a user's last generations, newest first."""
        query = select(GenerationRow).where(GenerationRow.user_id == user_id)
        newest = query.order_by(GenerationRow.created_at.desc(), GenerationRow.id.desc()).limit(limit)
        with self._reading() as session:
            return [generation_of(row) for row in session.scalars(newest)]

    def generation_of_picture(self, sha256: str) -> Generation | None:
        """Return the generation (the first one made) that a picture came from."""
        query = select(GenerationRow).where(GenerationRow.picture == sha256)
        with self._reading() as session:
            row = session.scalar(query.order_by(GenerationRow.created_at, GenerationRow.id).limit(1))
        return None if row is None else generation_of(row)

    def generation_features(self, generation_ids: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return the content vectors, float32 (d,), of those generations that have one."""
        found: dict[str, NDArray[np.float32]] = {}
        with self._reading() as session:
            for part in batches(generation_ids):
                query = select(GenerationRow.id, GenerationRow.feature).where(GenerationRow.id.in_(part))
                for row in session.execute(query.where(GenerationRow.feature.is_not(None))):
                    found[row.id] = unpack([row.feature])[0]
        return found

    def put_model(self, model: ModelVersion) -> None:
        """Register a model's version; its metrics replace those registered before."""
        with self._writing() as session:
            replace(session, ModelRow.__table__, [model.model_dump()], keep=["registered_at"])

    def models(self) -> list[ModelVersion]:
        """Return the registered models, in the order in which they were first registered."""
        query = select(ModelRow).order_by(ModelRow.registered_at, ModelRow.name, ModelRow.version)
        with self._reading() as session:
            return [
                ModelVersion(**{name: getattr(row, name) for name in ModelVersion.model_fields})
                for row in session.scalars(query)
            ]


def _row(generation: Generation) -> dict[str, Any]:
    reasons = [reason.model_dump(exclude_none=True) for reason in generation.reasons]
    return {**{name: getattr(generation, name) for name in FIELDS}, "reasons": reasons}


def generation_of(row: GenerationRow) -> Generation:
    """A row of the table of generations as a generation."""
    return Generation.model_validate({**{name: getattr(row, name) for name in FIELDS}, "reasons": row.reasons})


def _same(generations: Sequence[Generation], stored: dict[str, Generation]) -> None:
    """Raise Conflict where what is stored differs in more than when and why it was made."""
    origin = set(FIELDS) - {"created_at"}
    for index, generation in enumerate(generations):
        before = stored.get(generation.id, generation)
        if before.model_dump(include=origin) != generation.model_dump(include=origin):
            raise Conflict(f"generations[{index}].id: {generation.id!r} is stored with another picture or origin")
