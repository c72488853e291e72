"""Is the ranking as good for every group? The last favourable thing that each stored user did is to be foreseen.

The taste model reads what the user did before they first met that thing, and ranks the whole catalogue, co-occurrence
and popularity added as the service does, both counted from the same cut histories, so that no answer knows the future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.groups import TRAITS, by_groups
from persona.store import Store
from persona.store.records import Profile
from persona.taste.companions import Companions
from persona.taste.fusing import counts_of
from persona.taste.history import TYPE_CODES, WEIGHT_OF_CODE, HistoryEntry, history_of
from persona.taste.metrics import gains
from persona.taste.model import TasteModel
from persona.taste.table import Codes, Floats, ItemTable
from persona.taste.users import Users

K = 10
READ = 200  # events of a user, the last ones
BLOCK = 256  # users whose scores are held at once


@dataclass(frozen=True)
class Asked:
    """c users of whom something is held out. traits: a row each, with TRAITS; targets: table rows, int64 (c,)."""

    traits: pd.DataFrame
    profiles: list[Profile]
    histories: list[list[HistoryEntry]]
    targets: Codes
    whole: list[list[HistoryEntry]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.profiles)


@dataclass(frozen=True)
class Foreseen:
    """ranks, popular: float64 (c,), where each target stood by the model and by popularity, 0 first; lists: int64
    (c, K), what each user would have been shown."""

    ranks: NDArray[np.float64]
    popular: NDArray[np.float64]
    lists: Codes


def ask(store: Store, table: ItemTable, users: pd.DataFrame, most: int, seed: int = 0) -> Asked:
    """At most so many of the users of a `dim_user` frame, drawn at random, who have done something favourable.

    Who refuses personalisation is given no ranking of their own, and is not asked about.
    """
    active = users.sort_values("user_id", ignore_index=True)
    if len(active) > most:
        active = active.sample(most, random_state=seed).sort_values("user_id", ignore_index=True)
    names = active["user_id"].tolist()
    profiles = {one.id: one for one in store.users(names) if one.consents.get("personalisation") is not False}
    kept, found, cut, targets, whole = [], [], [], [], []
    for number, (name, events) in enumerate(store.histories(names, limit=READ)):
        entries = [entry for entry in history_of(events, table) if entry.item is not None]
        if name in profiles and (held := _held_out(entries)):
            kept.append(number)
            found.append(profiles[name])
            cut.append(held[0])
            targets.append(held[1])
            whole.append(entries)
    traits = active.iloc[kept][list(TRAITS)].reset_index(drop=True)
    traits["activity"] = [_activity(len(entries)) for entries in whole]  # now, not as of the last refresh
    return Asked(traits, found, cut, np.array(targets, np.int64), whole)


def _activity(events: int) -> str:
    """As `dim_user` has it."""
    return "high" if events >= 50 else "medium" if events >= 10 else "low"


def _held_out(entries: Sequence[HistoryEntry]) -> tuple[list[HistoryEntry], int] | None:
    """What came before the user first met the last thing that they favoured, and that thing's row."""
    liked = [entry.item for entry in entries if WEIGHT_OF_CODE[TYPE_CODES[entry.type]] >= 1]
    if not liked or liked[-1] is None:
        return None
    first = next(place for place, entry in enumerate(entries) if entry.item == liked[-1])
    return list(entries[:first]), liked[-1]


def foresee(model: TasteModel, table: ItemTable, asked: Asked) -> Foreseen:
    """Rank the whole catalogue for everybody, less what they have met."""
    crowd = Users.of(zip(asked.profiles, asked.histories, strict=True))
    table = table.with_popularity(crowd.popularity(table))
    companions = Companions(counts_of(crowd, len(table)), model.config.fusion)
    vectors, prior = model.item_vectors(table), model.prior(table)
    parts = []
    for at in range(0, len(asked), BLOCK):
        some = slice(at, at + BLOCK)
        people = list(zip(asked.profiles[some], asked.histories[some], strict=True))
        scores = model.encode_many(people, table, vectors) @ vectors.T + prior
        scores += np.stack([companions.bonus(history) for _, history in people])
        popular = np.broadcast_to(table.popularity, scores.shape).copy()
        for row, (_, history) in enumerate(people):
            met = [entry.item for entry in history if entry.item is not None]
            scores[row, met] = popular[row, met] = -np.inf
        targets = asked.targets[some]
        parts.append((_ranks(scores, targets), _ranks(popular, targets), np.argsort(-scores, 1, kind="stable")[:, :K]))
    ranks, popular_ranks, lists = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Foreseen(ranks, popular_ranks, lists)


def _ranks(scores: Floats, targets: Codes) -> NDArray[np.float64]:
    """Among equal scores the target stands in the middle."""
    own = np.take_along_axis(scores, targets[:, None], 1)
    return np.asarray((scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2, np.float64)


def ranking_quality(asked: Asked, foreseen: Foreseen, seed: int = 0) -> dict[str, Any]:
    """HR@10 and NDCG@10 by group (`by_groups`), and NDCG@10 of popularity, the control."""
    hits = (foreseen.ranks < K).astype(np.float64)
    return {
        "ndcg10": by_groups(asked.traits, gains(foreseen.ranks, K), seed=seed),
        "hr10": by_groups(asked.traits, hits, seed=seed),
        "popularity_ndcg10": by_groups(asked.traits, gains(foreseen.popular, K), seed=seed),
    }
