"""How much co-occurrence is to add to the encoder's score: chosen by what it does for users who were not trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from persona.taste.cooccurrence import BUCKETS, Cooccurrence, Fusion, Sparse, Values
from persona.taste.history import TYPE_CODES, WEIGHT_OF_CODE
from persona.taste.metrics import Scorer, gains, rank_cases, scored
from persona.taste.model import TasteModel
from persona.taste.sequences import DAY, Cases, Sequences
from persona.taste.table import Items
from persona.taste.users import Ints, Users

WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
SCALES = (0.01, 0.03, 0.1)
FEWEST = 50  # cases for a weight of their own


def encoder(model: TasteModel, items: Items) -> Scorer:
    """Scores by the encoder alone, which reads every event as a purchase, a day after the one before."""
    vectors = model.item_vectors(items)
    transposed, prior = torch.from_numpy(vectors).T, torch.from_numpy(model.prior(items))

    def scores(cases: Cases) -> Tensor:
        starts, rows = cases.histories()
        place = np.arange(len(rows)) - np.repeat(starts[:-1], np.diff(starts))
        kind = np.full(len(rows), TYPE_CODES["purchase"])
        return (
            torch.from_numpy(model.encode_rows(starts, rows, kind, (DAY * place).astype(np.float64), vectors))
            @ transposed
            + prior
        )

    return scores


def fused(encode: Scorer, counts: Cooccurrence, fusion: Fusion) -> Scorer:
    """Scores by encoder and co-occurrence."""

    def scores(cases: Cases) -> Tensor:
        bonus = fusion.bonus(counts.scores(*cases.histories()), cases.lengths)
        return _added(encode(cases), bonus, 1.0)

    return scores


def _added(scores: Tensor, bonus: Sparse, weight: float) -> Tensor:
    """scores + weight * bonus, sparse (b, n)."""
    row = np.repeat(np.arange(len(scores)), np.diff(bonus.indptr))
    scores[torch.from_numpy(row), torch.from_numpy(bonus.indices).long()] += (
        weight * torch.from_numpy(bonus.data).float()
    )
    return scores


def choose_fusion(encode: Scorer, counts: Cooccurrence, cases: Cases) -> Fusion:
    """The scale and, for each length of history, the weight of the best NDCG@10 on these cases.

    A length that has fewer than FEWEST cases takes the weight that is best for all; no history has no co-occurrence.
    """
    bucket = np.searchsorted(BUCKETS, cases.lengths, side="right")
    tried = {scale: np.stack(list(_gains_by_weight(encode, counts, cases, scale))) for scale in SCALES}
    best: tuple[float, Fusion] = (-1.0, Fusion())
    for scale, gained in tried.items():
        overall = int(gained.mean(1).argmax())
        places = [
            overall if (bucket == b).sum() < FEWEST else int(gained[:, bucket == b].mean(1).argmax()) for b in range(4)
        ]
        value = float(gained[np.array(places)[bucket], np.arange(len(cases))].mean())
        if value > best[0]:
            weights = (0.0, *(WEIGHTS[place] for place in places[1:]))
            best = value, Fusion(weights, scale)  # type: ignore[arg-type]
    return best[1]


def _gains_by_weight(encode: Scorer, counts: Cooccurrence, cases: Cases, scale: float) -> Iterable[Values]:
    """NDCG@10 of each case, (c,), for each of WEIGHTS."""
    unit = Fusion((1.0,) * 4, scale)
    ranks: list[list[Ints]] = [[] for _ in WEIGHTS]
    for part, scores in scored(encode, cases):
        bonus, before = unit.bonus(counts.scores(*part.histories()), part.lengths), 0.0
        target = torch.from_numpy(part.targets)[:, None]
        for place, weight in enumerate(WEIGHTS):
            scores, before = _added(scores, bonus, weight - before), weight
            ranks[place].append((scores > scores.gather(1, target)).sum(1).numpy())
    return (gains(np.concatenate(found).astype(np.float64), 10) for found in ranks)


def favourable(users: Users, items: list[str]) -> Sequences:
    """What users took, without what they disliked or hid, as sequences over these items."""
    kept = WEIGHT_OF_CODE[users.kind] > 0
    starts = np.concatenate([[0], np.cumsum(kept)])[users.events]
    return Sequences(users.ids, items, starts, users.row[kept])


def fuse(model: TasteModel, items: Items, crowd: Users, judged: Users, seed: int = 0) -> dict[str, float]:
    """Give a model the fusion that is best for the judged users, with counts of the crowd.

    Of each judged user one event is asked for, anywhere in the history, so that short histories count too. Neither
    crowd nor judged may hold the other's users, and the model may not have been trained on the judged. Returns the
    NDCG@10 of the encoder alone and fused, over the judged.
    """
    taken, asked = favourable(crowd, list(items.ids)), favourable(judged, list(items.ids))
    counts = Cooccurrence.of(len(items), taken.starts, taken.rows)
    people = np.flatnonzero(asked.lengths >= 2)
    places = np.random.default_rng([seed, 5]).integers(1, asked.lengths[people])
    cases, encode = Cases(asked, people, places), encoder(model, items)
    fusion = choose_fusion(encode, counts, cases)
    model.config = replace(model.config, fusion=fusion)
    scorers = {"encoder": encode, "fused": fused(encode, counts, fusion)}
    return {
        f"{name}_ndcg10": float(gains(rank_cases(scorer, cases).ranks, 10).mean()) for name, scorer in scorers.items()
    }
