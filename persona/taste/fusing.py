"""How much co-occurrence is to add to the encoder's score: chosen by what it does for users who were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from persona.taste.cooccurrence import BUCKETS, Cooccurrence, Fusion, Sparse, Values, lengths
from persona.taste.history import TYPE_CODES, WEIGHT_OF_CODE
from persona.taste.metrics import BATCH, Scorer, gains, rank_cases, scored
from persona.taste.model import TasteModel
from persona.taste.sequences import DAY, Cases, Sequences
from persona.taste.table import Items
from persona.taste.users import Ints, Users

WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
SCALES = (0.01, 0.03, 0.1)
FEWEST = 50  # cases for a weight of their own


Together = Callable[[Cases], tuple[Sparse, Ints]]
"""Co-occurrence scores (b, n) for a batch of cases, and how many events of each history counted, (b,)."""


def encoder(model: TasteModel, items: Items, users: Users | None = None) -> Scorer:
    """Scores by the encoder alone.

    users: those of the cases' sequences, event by event; None: every event is a purchase, a day after the one before.
    """
    vectors = model.item_vectors(items)
    transposed, prior = torch.from_numpy(vectors).T, torch.from_numpy(model.prior(items))

    def scores(cases: Cases) -> Tensor:
        starts, events = cases.events()
        if users is None:
            kind = np.full(len(events), TYPE_CODES["purchase"])
            at = DAY * (np.arange(len(events)) - np.repeat(starts[:-1], np.diff(starts))).astype(np.float64)
        else:
            kind, at = users.kind[events], users.at[events]
        read = model.encode_rows(starts, cases.sequences.rows[events], kind, at, vectors)
        return torch.from_numpy(read) @ transposed + prior

    return scores


def together(counts: Cooccurrence, users: Users | None = None) -> Together:
    """Co-occurrence for cases, events weighted by their type as the service does; without users all alike."""

    def scores(cases: Cases) -> tuple[Sparse, Ints]:
        starts, events = cases.events()
        rows = cases.sequences.rows[events]
        weights = None if users is None else WEIGHT_OF_CODE[users.kind[events]]
        return counts.scores(starts, rows, weights), lengths(starts, rows, weights)

    return scores


def fused(encode: Scorer, together: Together, fusion: Fusion) -> Scorer:
    """Scores by encoder and co-occurrence."""
    return lambda cases: _added(encode(cases), fusion.bonus(*together(cases)), 1.0)


def _added(scores: Tensor, bonus: Sparse, weight: float) -> Tensor:
    """scores + weight * bonus, sparse (b, n)."""
    row = torch.from_numpy(np.repeat(np.arange(len(scores)), np.diff(bonus.indptr)))
    scores[row, torch.from_numpy(bonus.indices).long()] += weight * torch.from_numpy(bonus.data).float()
    return scores


def choose_fusion(encode: Scorer, together: Together, cases: Cases) -> Fusion:
    """The scale and, for each length of history, the weight of the best NDCG@10 on these cases.

    A length that has fewer than FEWEST cases takes the weight that is best for all; no history has no co-occurrence.
    """
    counted = np.concatenate([together(part)[1] for part in cases.batches(BATCH)])
    bucket = np.searchsorted(BUCKETS, counted, side="right")
    best: tuple[float, Fusion] = (-1.0, Fusion())
    for scale in SCALES:
        gained = np.stack(list(_gains_by_weight(encode, together, cases, scale)))
        overall = int(gained.mean(1).argmax())
        places = [
            overall if (bucket == b).sum() < FEWEST else int(gained[:, bucket == b].mean(1).argmax())
            for b in range(len(BUCKETS) + 1)
        ]
        value = float(gained[np.array(places)[bucket], np.arange(len(cases))].mean())
        if value > best[0]:
            weights = (0.0, *(WEIGHTS[place] for place in places[1:]))
            best = value, Fusion(weights, scale)  # type: ignore[arg-type]
    return best[1]


def _gains_by_weight(encode: Scorer, together: Together, cases: Cases, scale: float) -> Iterable[Values]:
    """NDCG@10 of each case, (c,), for each of WEIGHTS."""
    unit = Fusion((1.0,) * 4, scale)
    ranks: list[list[Ints]] = [[] for _ in WEIGHTS]
    for part, scores in scored(encode, cases):
        bonus, before = unit.bonus(*together(part)), 0.0
        target = torch.from_numpy(part.targets)[:, None]
        for place, weight in enumerate(WEIGHTS):
            scores, before = _added(scores, bonus, weight - before), weight
            ranks[place].append((scores > scores.gather(1, target)).sum(1).numpy())
    return (gains(np.concatenate(found).astype(np.float64), 10) for found in ranks)


def counts_of(users: Users, items: int) -> Cooccurrence:
    """The co-occurrences of users' events, weighted by their type."""
    return Cooccurrence.of(items, users.events, users.row, WEIGHT_OF_CODE[users.kind])


def fuse(model: TasteModel, items: Items, crowd: Users, judged: Users, seed: int = 0) -> dict[str, float]:
    """Give a model the fusion that is best for the judged users, with counts of the crowd.

    Of each judged user one event that speaks for an item is asked for, anywhere in the history, so that short histories
    count too. The model must not have been trained on the judged, nor may the crowd hold them. Returns the NDCG@10 of
    the encoder alone and fused, over the judged.
    """
    cases = _asked(judged, list(items.ids), np.random.default_rng([seed, 5]))
    encode, beside = encoder(model, items, judged), together(counts_of(crowd, len(items)), judged)
    fusion = choose_fusion(encode, beside, cases)
    model.config = replace(model.config, fusion=fusion)
    scorers = {"encoder_ndcg10": encode, "fused_ndcg10": fused(encode, beside, fusion)}
    return {
        name: round(float(gains(rank_cases(scorer, cases).ranks, 10).mean()), 5) for name, scorer in scorers.items()
    }


def _asked(users: Users, items: list[str], rng: np.random.Generator) -> Cases:
    """One favourable event of each user who has one after the first, drawn at random."""
    place = np.arange(len(users.row)) - np.repeat(users.events[:-1], np.diff(users.events))
    draw = np.where((WEIGHT_OF_CODE[users.kind] > 0) & (place > 0), rng.random(len(users.row)), -1.0)
    order = np.lexsort((draw, np.repeat(np.arange(len(users)), np.diff(users.events))))
    chosen = order[users.events[1:][np.diff(users.events) > 0] - 1]  # of each user the greatest draw
    chosen = chosen[draw[chosen] >= 0]
    owner = np.searchsorted(users.events, chosen, side="right") - 1
    return Cases(Sequences(users.ids, items, users.events, users.row), owner, place[chosen])
