"""Whether the reasons that are given are true: what happens to an item when the cause that was named is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from persona.store.records import Preference
from persona.taste.cases import DRAWS, Case, top
from persona.taste.companions import Companions
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.reasons import Causes, causes_of, shares_of
from persona.taste.table import Floats, Items


def deletion(
    model: TasteModel, table: Items, cases: Sequence[Case], rng: np.random.Generator,
    companions: Companions | None = None,
) -> dict[str, Any]:  # fmt: skip
    """For each user's best item, forget the cause that is named first, or a random other one.

    `deletion_win`: share of the users for whom the first lowers the item's log-probability over the whole catalogue
    more, with a 95 % interval; `*_rank`: by how many places the item falls (median). Users with fewer than two causes,
    and those for whose item none is named, are left out: `deletion_users` says who is not. companions: what is taken
    together counts too, and is forgotten with an event.
    """
    vectors, prior = model.item_vectors(table), model.prior(table)
    mean, wins, falls = vectors.mean(0), [], []
    for case in cases:
        causes = causes_of(model, case.profile, case.history, table)
        if len(causes.causes) < 2:
            continue
        whole = vectors @ causes.vector + prior + _bonus(companions, causes, None)
        row = top(whole, case)[0]
        parts = companions.parts(_events(causes, None), np.array([row])) if companions else None
        shares = shares_of(causes, vectors[[row]] - mean, None, parts)[0]
        if not shares.any():
            continue
        named = int(np.argmax(shares))
        other = int(rng.choice(np.delete(np.arange(len(causes.causes)), named)))
        scores = np.stack(
            [whole] + [vectors @ (causes.vector - causes.lost[cause]) + prior + _bonus(companions, causes, cause)
            for cause in (named, other)]
        )  # fmt: skip
        left = scores[:, row] - np.logaddexp.reduce(scores, 1)
        wins.append(left[1] < left[2])
        places = (scores > scores[:, [row]]).sum(1)
        falls.append((places[1] - places[0], places[2] - places[0]))
    picks = rng.integers(0, len(wins), (DRAWS, len(wins)))
    return {
        "deletion_win": round(float(np.mean(wins)), 4),
        "deletion_win_interval": np.quantile(np.array(wins)[picks].mean(1), [0.025, 0.975]).round(4).tolist(),
        "deletion_named_rank": float(np.median([named for named, _ in falls])),
        "deletion_random_rank": float(np.median([other for _, other in falls])),
        "deletion_users": len(wins),
    }


def _bonus(companions: Companions | None, causes: Causes, left_out: int | None) -> Floats | float:
    """What is added for what is taken together, without one of the causes."""
    return companions.bonus(_events(causes, left_out)) if companions else 0.0


def _events(causes: Causes, left_out: int | None) -> list[HistoryEntry]:
    """The events among the causes, which are the last of the history, without one of the causes."""
    kept = (cause for place, cause in enumerate(causes.causes) if place != left_out)
    return [cause for cause in kept if not isinstance(cause, Preference)]
