"""Segments by rule: conditions such as `age_band=25-34,top_colour=green` on columns of dim_user, never SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.dictionary import view_named
from persona.errors import BadInput

UNKNOWN = "unknown"  # of what is null
Mask = NDArray[np.bool_]


def rule_columns() -> list[str]:
    """Columns of dim_user that rules may name: those of a few words, and the skin tone."""
    columns = view_named("dim_user").columns.values()
    return [column.name for column in columns if column.type == "word" or column.name == "skin_tone"]


@dataclass(frozen=True)
class Condition:
    """A column and the value that it must have; None: it is unknown."""

    column: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.column}={self.value or UNKNOWN}"

    def holds(self, users: pd.DataFrame) -> Mask:
        """For which rows of a frame with that column, (n,)."""
        column = users[self.column]
        if self.value is None:
            return np.asarray(column.isna())
        return np.asarray((column.astype("str") == self.value).fillna(False), bool)


def parse_rule(text: str) -> list[Condition]:
    """Read COLUMN=VALUE,... Raises BadInput naming a part that is none."""
    found: list[Condition] = []
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise BadInput("rule", f"{part.strip()!r} is no condition; write such as age_band=25-34,top_colour=green")
        if name not in rule_columns():
            raise BadInput("rule", f"there is no {name!r} to choose by; choose from {', '.join(rule_columns())}")
        if name in {condition.column for condition in found}:
            raise BadInput("rule", f"{name} stands twice; keep one")
        found.append(Condition(name, None if value == UNKNOWN else value))
    return found


def who(users: pd.DataFrame, conditions: list[Condition]) -> Mask:
    """For which users all conditions hold, (n,). Raises BadInput naming the condition that leaves nobody."""
    chosen: Mask = np.ones(len(users), bool)
    for condition in conditions:
        alone = condition.holds(users)
        if not alone.any():
            raise BadInput("rule", f"{condition} matches nobody; {_remedy(users[condition.column])}")
        if not (chosen & alone).any():
            before = ",".join(map(str, conditions[: conditions.index(condition)]))
            raise BadInput("rule", f"{condition} matches none of those with {before}; leave one of them out")
        chosen &= alone
    return chosen


def _remedy(column: pd.Series[Any]) -> str:
    values = sorted(map(str, column.dropna().unique()))
    return f"there are {', '.join(values)}" if values else "it is unknown of everybody"
