"""What the evaluations of the taste model share: whom it is asked about, and how an answer is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from persona.store.records import EVENT_TYPES, Profile
from persona.taste.history import WEIGHT_OF_CODE, HistoryEntry
from persona.taste.rank import allowed_rows, best
from persona.taste.table import Floats
from persona.taste.users import Ints, Users

K = 10
DRAWS = 2000  # of the bootstrap
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A held-out user: number among the users, what the model is shown, and the rows (unordered) they took later."""

    number: int
    profile: Profile
    history: list[HistoryEntry]
    wanted: Ints


def ndcg(ranked: Ints, wanted: Ints, k: int = K) -> float:
    """NDCG@k of rows, best first, every wanted row worth the same (Jarvelin and Kekalainen 2002)."""
    gains = np.isin(ranked[:k], wanted) / np.log2(np.arange(2, len(ranked[:k]) + 2))
    return float(gains.sum() / (1 / np.log2(np.arange(2, min(len(wanted), k) + 2))).sum())


def cases_of(users: Users, shown: int, preferences: bool) -> list[Case]:
    """What to show and to want, for the users with enough events.

    With preferences: the profile, and all events up to the `shown`-th that speaks for an item. Without: only those.
    """
    cases = []
    for number, name in enumerate(users.ids):
        part = users.history(number)
        row, kind, at = users.row[part], users.kind[part], users.at[part]
        liked = np.flatnonzero(WEIGHT_OF_CODE[kind] >= 1)
        if len(liked) <= shown:
            continue
        seen = np.arange(liked[shown - 1] + 1 if shown else 0) if preferences else liked[:shown]
        history = [
            HistoryEntry(EVENT_TYPES[kind[i]], datetime.fromtimestamp(float(at[i]), UTC), int(row[i])) for i in seen
        ]
        profile = Profile(id=name, preferences=users.preferences(number) if preferences else (), source="simulated")
        cases.append(Case(number, profile, history, row[liked[shown:]]))
    return cases


def top(scores: Floats, case: Case, rows: Ints | None = None) -> Ints:
    """The best K rows by score (n,), of those named (None: all), but those of the shown history."""
    seen = [entry.item for entry in case.history if entry.item is not None]
    if rows is not None:
        return best(scores, K, np.setdiff1d(rows, seen))[0]
    return best(scores, K, allowed_rows(len(scores), None, seen))[0]


def gains(ranked: Sequence[Ints], cases: Sequence[Case]) -> Values:
    """NDCG@10 of each case's ranked rows."""
    return np.array([ndcg(rows, case.wanted) for rows, case in zip(ranked, cases, strict=True)])


def ratio(name: str, own: Values, other: Values, rng: np.random.Generator) -> dict[str, float | list[float]]:
    """Mean of one over mean of the other, as `name`, with a 95 % interval (bootstrap over users)."""
    picks = rng.integers(0, len(own), (DRAWS, len(own)))
    ratios = own[picks].mean(1) / other[picks].mean(1).clip(1e-9)
    return {
        name: round(float(own.mean() / max(other.mean(), 1e-9)), 3),
        f"{name}_interval": np.quantile(ratios, [0.025, 0.975]).round(3).tolist(),
    }
