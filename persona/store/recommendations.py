"""What was shown: the answers that stored users were given, for analysts to hold beside what they did then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from persona.store.analysis_schema import RecommendationRow
from persona.store.bulk import existing, insert_new
from persona.store.engine import Database
from persona.store.events import refused
from persona.store.schema import ConsentRow, UserRow


@dataclass(frozen=True)
class ShownAnswer:
    """An answer that a stored user was given.

    at: with its time zone. shown: {"rank", "item_id" or "generation_id", "category", "score"} of each thing.
    """

    id: str
    user_id: str
    at: datetime
    arm: str
    cold_start: str
    taste_model: str
    generator_model: str
    shown: tuple[dict[str, Any], ...]


class Recommendations(Database):
    """The part of the store that holds what was shown."""

    def add_recommendations(self, answers: Sequence[ShownAnswer]) -> frozenset[str]:
        """Store answers in one transaction; those with an id that is stored already stay as they are.

        Those to users who are not (or no longer) there, and to users who refuse personalisation, are left out. Returns
        the ids of the answers that are stored now.
        """
        with self._writing() as session:
            there = existing(session, UserRow.id, {answer.user_id for answer in answers})
            wanted = refused("personalisation").where(ConsentRow.user_id.in_(there))
            there -= set(session.scalars(wanted))
            rows = {answer.id: dict(vars(answer)) for answer in answers if answer.user_id in there}
            insert_new(session, RecommendationRow.__table__, list(rows.values()), key="id")
        return frozenset(rows)
