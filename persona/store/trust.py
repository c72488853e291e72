"""Counts for the trust report: of tables that analysts do not read, and nothing but counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import func, select

from persona.store.analysis_schema import RecommendationRow
from persona.store.engine import Database
from persona.store.records import Purpose
from persona.store.schema import AuditRow, ConditionRow, ConsentRow, GenerationRow, ItemRow, UserRow

ACCOUNTED = ("user.erase", "user.export", "privacy.sweep")  # actions of the audit log that people have a right to


@dataclass(frozen=True)
class RightsCount:
    """How many items stand under the same rights. pictured: of them, how many have a picture."""

    domain: str
    licence: str
    source: str
    generated: bool
    consent: bool
    items: int
    pictured: int


class TrustCounts(Database):
    """The part of the store that counts what the trust report tells."""

    def consent_counts(self) -> dict[str, dict[str, int]]:
        """Users by their answer ("granted", "refused", "unanswered"), by purpose."""
        query = select(ConsentRow.purpose, ConsentRow.granted, func.count()).group_by(
            ConsentRow.purpose, ConsentRow.granted
        )
        with self._reading() as session:
            users = session.scalar(select(func.count()).select_from(UserRow)) or 0
            said = {(purpose, granted): count for purpose, granted, count in session.execute(query)}
        purposes = get_args(Purpose)
        return {
            purpose: {
                "granted": (yes := said.get((purpose, True), 0)),
                "refused": (no := said.get((purpose, False), 0)),
                "unanswered": users - yes - no,
            }
            for purpose in purposes
        }

    def accounted_months(self) -> list[tuple[str, str, int]]:
        """How often each of ACCOUNTED was done in each month, "2026-11" in UTC: (month, action, count)."""
        query = select(AuditRow.at, AuditRow.action).where(AuditRow.action.in_(ACCOUNTED))
        with self._reading() as session:
            counted = Counter((f"{at:%Y-%m}", action) for at, action in session.execute(query).yield_per(1000))
        return sorted((month, action, count) for (month, action), count in counted.items())

    def rights_counts(self) -> list[RightsCount]:
        """The items that are everybody's or of the catalogue, by domain and rights."""
        rights = ItemRow.domain, ItemRow.licence, ItemRow.rights_source, ItemRow.generated, ItemRow.consent
        query = select(*rights, func.count(), func.count(ItemRow.picture)).group_by(*rights).order_by(*rights)
        query = query.where((ItemRow.domain == "garment") | ItemRow.owner.is_(None))
        with self._reading() as session:
            return [RightsCount(*row) for row in session.execute(query)]

    def versions_in_use(self) -> dict[str, dict[str, int]]:
        """How many stored things each model's version made: generated pictures, condition vectors, answers."""
        counted = {
            "generations": GenerationRow.model,
            "condition_vectors": ConditionRow.model,
            "recommendations": RecommendationRow.taste_model,
        }
        found: dict[str, dict[str, int]] = {}
        with self._reading() as session:
            for what, column in counted.items():
                for version, count in session.execute(select(column, func.count()).group_by(column)):
                    found.setdefault(version, {})[what] = count
        return dict(sorted(found.items()))
