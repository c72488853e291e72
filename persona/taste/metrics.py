"""How good rankings of a whole catalogue are, when one item is to be foreseen for each case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persona.taste.sequences import Cases
from persona.taste.table import UNKNOWN, Codes, Floats
from persona.taste.users import Ints

DEPTH = 20  # length of the lists that are kept
BATCH = 512  # cases scored at once
DRAWS = 1000  # of the bootstrap
GROUPS = ((0, 0), (1, 4), (5, 9), (10, None))  # lengths of histories that are told apart
HEAD = 0.1  # share of the items that are called popular

Scorer = Callable[[Cases], Tensor]
"""Scores of all items for a batch of cases, float32 (b, n); may be changed by who asked."""


@dataclass(frozen=True)
class Ranking:
    """Where c cases' targets stood. ranks: float64 (c,), 0 is first; lists: int64 (c, 20), the best items."""

    cases: Cases
    ranks: NDArray[np.float64]
    lists: Ints


def rank_cases(scorer: Scorer, cases: Cases, batch: int = BATCH) -> Ranking:
    """Rank all items but those of the history. Among equal scores the target stands in the middle."""
    ranks, lists = [], []
    for part, scores in scored(scorer, cases, batch):
        target = scores.gather(1, torch.from_numpy(part.targets)[:, None])
        above, equal = (scores > target).sum(1), (scores == target).sum(1) - 1
        ranks.append((above + equal / 2).double().numpy())
        lists.append(scores.topk(min(DEPTH, scores.shape[1]), 1).indices.numpy())
    return Ranking(cases, np.concatenate(ranks), np.concatenate(lists))


def scored(scorer: Scorer, cases: Cases, batch: int = BATCH) -> Iterator[tuple[Cases, Tensor]]:
    """Batches of cases and their scores (b, n), what the history holds at -inf (but never the target)."""
    for part in cases.batches(batch):
        scores = scorer(part)
        target = torch.from_numpy(part.targets)[:, None]
        own = scores.gather(1, target)
        starts, rows = part.histories()
        scores[torch.from_numpy(np.repeat(np.arange(len(part)), np.diff(starts))), torch.from_numpy(rows)] = -torch.inf
        yield part, scores.scatter_(1, target, own)


def gains(ranks: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """NDCG@k of each case, (c,): with one thing wanted, 1 / log2(2 + rank) where it is among the k (Jarvelin 2002)."""
    return np.where(ranks < k, 1 / np.log2(ranks + 2), 0.0)


def accuracy(ranks: NDArray[np.float64]) -> dict[str, float]:
    """Hit rate and NDCG at 5, 10 and 20."""
    return {f"hr{k}": float((ranks < k).mean()) for k in (5, 10, 20)} | {
        f"ndcg{k}": float(gains(ranks, k).mean()) for k in (5, 10, 20)
    }


def intervals(ranks: NDArray[np.float64], seed: int = 0) -> dict[str, list[float]]:
    """95 % intervals of HR@10 and NDCG@10, by drawing users again (bootstrap)."""
    picks = np.random.default_rng(seed).integers(0, len(ranks), (DRAWS, len(ranks)))
    each = {"hr10": (ranks < 10).astype(np.float64), "ndcg10": gains(ranks, 10)}
    return {
        f"{name}_interval": np.quantile([values[row].mean() for row in picks], [0.025, 0.975]).tolist()
        for name, values in each.items()
    }


def by_length(ranking: Ranking) -> dict[str, dict[str, Any]]:
    """HR@10 and NDCG@10 by the length of the history; None where there is no such case."""
    lengths, found = ranking.cases.lengths, {}
    for low, high in GROUPS:
        ranks = ranking.ranks[(lengths >= low) & (lengths <= (high if high is not None else lengths.max()))]
        name = f"{low}-{high}" if high is not None and high > low else str(low) if high is not None else f"{low}+"
        values = accuracy(ranks) if len(ranks) else {"hr10": None, "ndcg10": None}
        found[name] = {"cases": len(ranks), "hr10": values["hr10"], "ndcg10": values["ndcg10"]}
    return found


def variety(ranking: Ranking, popularity: Floats, attributes: Codes | None = None) -> dict[str, float | None]:
    """How much of the catalogue the first ten of all lists show.

    coverage10: share of the items in anybody's ten. popularity_share10: share of the places that the most popular
    tenth of the items takes. intra_list_diversity10: mean over lists of the mean distance of two of their items, one
    less the Jaccard index of their attributes (n, m); None without attributes.
    """
    ten = ranking.lists[:, :10]
    head = np.zeros(len(popularity), bool)
    head[np.argsort(-popularity, kind="stable")[: max(1, int(HEAD * len(popularity)))]] = True
    return {
        "coverage10": len(np.unique(ten)) / len(popularity),
        "popularity_share10": float(head[ten].mean()),
        "intra_list_diversity10": None if attributes is None else _diversity(ten, attributes),
    }


def _diversity(lists: Ints, attributes: Codes, batch: int = BATCH) -> float:
    """Mean Jaccard distance of two items of a list."""
    bits = np.zeros((len(attributes), attributes.max(initial=0) + 1), np.float32)
    rows, columns = np.nonzero(attributes != UNKNOWN)
    bits[rows, attributes[rows, columns]] = 1
    off = ~np.eye(lists.shape[1], dtype=bool)
    means = []
    for at in range(0, len(lists), batch):
        told = bits[lists[at : at + batch]]
        both = told @ told.transpose(0, 2, 1)
        size = told.sum(2)
        either = size[:, :, None] + size[:, None, :] - both
        means.append((1 - both / either.clip(min=1))[:, off].mean(1))
    return float(np.concatenate(means).mean())
