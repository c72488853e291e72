"""The taste model on histories from a file, as the literature measures it, beside what it has to beat.

All items are ranked, those of the history left out. The encoder is trained on what the split allows, stopped by the
validation's NDCG@10, and fused with co-occurrence by weights chosen on the validation; the test is looked at once. The
event that is the validation's target is in the history when the test is asked, but nothing has been trained on it or
counted from it. `refreshed_*` says what counting it too gives, as a service does every night.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from persona.taste import baselines
from persona.taste.cooccurrence import BUCKETS, Cooccurrence, Fusion, Values
from persona.taste.factors import item_factors
from persona.taste.history import TYPE_CODES
from persona.taste.metrics import (
    Ranking,
    Scorer,
    accuracy,
    by_length,
    gains,
    intervals,
    rank_cases,
    scored,
    variety,
)
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.sequences import DAY, Cases, PlainItems, Sequences, Split, by_position, leave_one_out
from persona.taste.table import UNKNOWN, Codes
from persona.taste.train import TrainSettings, begin, train
from persona.taste.users import Ints

WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
SCALES = (0.01, 0.03, 0.1)
VALIDATED = 7000  # validation cases that decide when to stop; the fusion is chosen on all
PATIENCE = 6  # rounds without a better one
MODEL = TasteConfig(blocks=2, heads=2, dropout=0.5, id_dropout=0.0, attribute_dropout=0.0, content=0, vocabulary=0)
TRAINING = TrainSettings(users=256, negatives=512, learning_rate=1e-3, weight_decay=0.0, warm_up=200, ahead=0.0)


@dataclass(frozen=True)
class Recipe:
    """How the encoder of a benchmark is trained: as found on Beauty's validation, see `persona/taste/README.md`.

    rounds: validations at most, one every `every` steps.
    """

    model: TasteConfig = MODEL
    training: TrainSettings = TRAINING
    every: int = 88
    rounds: int = 50
    factors: bool = True


@dataclass(frozen=True)
class Data:
    """A benchmark's data. attributes: int64 (n, m), -1 unknown; None where nothing is told of the items."""

    sequences: Sequences
    attributes: Codes | None = None

    def items(self, train: Sequences) -> PlainItems:
        """The items as a model trained on `train` sees them."""
        nothing = np.full((len(train.items), 0), UNKNOWN, np.int64)
        return PlainItems(train.items, nothing if self.attributes is None else self.attributes, train.popularity())

    @property
    def vocabulary(self) -> int:
        """How many values attributes have."""
        return 0 if self.attributes is None else int(self.attributes.max(initial=-1)) + 1


@dataclass(frozen=True)
class Fitted:
    """A trained encoder with its fusion. seconds: that it took to train, choosing included."""

    model: TasteModel
    fusion: Fusion
    seconds: float
    rounds: int


def fit(data: Data, split: Split, recipe: Recipe, seed: int, progress: bool = True) -> Fitted:
    """Train an encoder on a split and choose its fusion, looking at the training and validation parts alone."""
    begun = time.perf_counter()
    counts = count(split.train)
    items = data.items(split.train)
    settings = replace(recipe.training, seed=seed, steps=recipe.rounds * recipe.every)
    config = replace(recipe.model, vocabulary=data.vocabulary)
    state = begin(items, settings, config)
    if recipe.factors:
        with torch.no_grad():
            state.model.id_embedding.weight[1:] = torch.from_numpy(item_factors(counts, config.width, seed=seed))
    cases, best, stop, rounds = _some(split.validation, seed), -1.0, 0, 0
    kept = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    steps = tqdm(train(state, items, split.train.as_users(), settings), total=settings.steps, desc=f"seed {seed}",
                 unit="step", disable=not progress)  # fmt: skip
    for _ in steps:
        if state.step % recipe.every:
            continue
        ndcg = float(gains(rank_cases(encoder(state.model, items), cases).ranks, 10).mean())
        steps.set_postfix(loss=f"{state.loss:.3f}", validation_ndcg10=f"{ndcg:.4f}", best=f"{max(best, ndcg):.4f}")
        if ndcg > best:
            best, stop, rounds = ndcg, 0, state.step // recipe.every
            kept = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
        elif (stop := stop + 1) == PATIENCE:
            break
    steps.close()
    state.model.load_state_dict(kept)
    fusion = choose_fusion(encoder(state.model, items), counts, split.validation)
    return Fitted(state.model.eval(), fusion, time.perf_counter() - begun, rounds)


def count(train: Sequences) -> Cooccurrence:
    """The co-occurrences of sequences."""
    return Cooccurrence.of(len(train.items), train.starts, train.rows)


def _some(cases: Cases, seed: int) -> Cases:
    """So many of the cases that judging them costs less than training in between."""
    if len(cases) <= VALIDATED:
        return cases
    chosen = np.sort(np.random.default_rng([seed, 2]).choice(len(cases), VALIDATED, replace=False))
    return replace(cases, users=cases.users[chosen], places=cases.places[chosen])


def encoder(model: TasteModel, items: PlainItems) -> Scorer:
    """Scores by the encoder alone."""
    vectors = model.item_vectors(items)
    transposed, prior = torch.from_numpy(vectors).T, torch.from_numpy(model.prior(items))

    def scores(cases: Cases) -> Tensor:
        starts, rows = cases.histories()
        place = np.arange(len(rows)) - np.repeat(starts[:-1], np.diff(starts))
        kind = np.full(len(rows), TYPE_CODES["purchase"])
        return torch.from_numpy(model.encode_rows(starts, rows, kind, (DAY * place).astype(np.float64), vectors)) @ transposed + prior

    return scores


def fused(encode: Scorer, counts: Cooccurrence, fusion: Fusion) -> Scorer:
    """Scores by encoder and co-occurrence."""

    def scores(cases: Cases) -> Tensor:
        bonus = fusion.bonus(counts.scores(*cases.histories()), cases.lengths)
        return _added(encode(cases), bonus, 1.0)

    return scores


def _added(scores: Tensor, bonus: Any, weight: float) -> Tensor:
    """scores + weight * bonus, sparse (b, n)."""
    row = np.repeat(np.arange(len(scores)), np.diff(bonus.indptr))
    scores[torch.from_numpy(row), torch.from_numpy(bonus.indices).long()] += (
        weight * torch.from_numpy(bonus.data).float()
    )
    return scores


def choose_fusion(encode: Scorer, counts: Cooccurrence, cases: Cases) -> Fusion:
    """The scale and, for each length of history, the weight of the best NDCG@10 on these cases.

    A length that has fewer than 50 cases takes the weight that is best for all; no history has no co-occurrence.
    """
    bucket = np.searchsorted(BUCKETS, cases.lengths, side="right")
    tried = {scale: np.stack(list(_gains_by_weight(encode, counts, cases, scale))) for scale in SCALES}
    best: tuple[float, Fusion] = (-1.0, Fusion())
    for scale, gained in tried.items():
        overall = int(gained.mean(1).argmax())
        places = [
            overall if (bucket == b).sum() < 50 else int(gained[:, bucket == b].mean(1).argmax()) for b in range(4)
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


def benchmark(
    data: Data, *, seeds: int = 3, recipe: Recipe | None = None, say: Callable[[str], None] = lambda line: None,
    progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """The keys of `persona evaluate taste --data FILE`, trained with so many seeds; see the module."""
    recipe = recipe or Recipe()
    split = leave_one_out(data.sequences)
    counts, items = count(split.train), data.items(split.train)
    attributes = data.attributes
    result: dict[str, Any] = {"users": len(data.sequences), "items": len(items), "events": len(data.sequences.rows)}
    result |= _baselines(split, counts, attributes, say)
    rankings: list[tuple[Ranking, Ranking]] = []
    fits = []
    for seed in range(seeds):
        fitted = fit(data, split, recipe, seed, progress)
        encode = encoder(fitted.model, items)
        scorer = fused(encode, counts, fitted.fusion)
        rankings.append((rank_cases(scorer, split.test), rank_cases(encode, split.test)))
        fits.append(fitted)
        say(f"seed {seed}: {_short(rankings[-1][0])}, encoder alone {_short(rankings[-1][1])}; {fitted.seconds:.0f} s")
    result |= _over_seeds([accuracy(whole.ranks) for whole, _ in rankings])
    result |= {f"encoder_{k}": v for k, v in _over_seeds([accuracy(alone.ranks) for _, alone in rankings]).items()}
    whole, first, encode = rankings[0][0], fits[0], encoder(fits[0].model, items)
    result |= intervals(whole.ranks) | variety(whole, items.popularity, attributes)
    result |= {"by_history_length": by_length(whole), "train_seconds": float(np.mean([fit.seconds for fit in fits]))}
    result |= {"rounds": [fit.rounds for fit in fits], "fusion_weights": list(first.fusion.weights)}
    result |= {"fusion_scale": first.fusion.scale}
    refreshed = count(data.sequences.kept(data.sequences.lengths - 1))
    result |= _named("refreshed", accuracy(rank_cases(fused(encode, refreshed, first.fusion), split.test).ranks))
    result |= _little_known(fused(encode, counts, first.fusion), split, items)
    return result | _by_position(data, recipe, say, progress)


def _baselines(
    split: Split, counts: Cooccurrence, attributes: Codes | None, say: Callable[[str], None]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    popular = split.train.popularity()
    makers: dict[str, Callable[[], Scorer]] = {
        "popularity": lambda: baselines.popularity(popular),
        "cooccurrence": lambda: baselines.cooccurrence(counts),
        "ease": lambda: baselines.ease(split.train),
        "ials": lambda: baselines.ials(split.train),
    }
    for name, make in makers.items():
        try:
            ranking = rank_cases(make(), split.test)
        except (ModuleNotFoundError, ValueError) as error:
            found |= {f"{name}_hr10": None, f"{name}_ndcg10": None, f"{name}_why": str(error)}
            continue
        say(f"{name}: {_short(ranking)}")
        found |= _named(name, accuracy(ranking.ranks)) | {
            f"{name}_{key}": value for key, value in variety(ranking, popular, attributes).items()
        }
    return found


def _little_known(scorer: Scorer, split: Split, items: PlainItems) -> dict[str, Any]:
    """The same users as if only their last event were known, or none: what a newcomer gets."""
    popular = rank_cases(baselines.popularity(items.popularity), split.test)
    one, none = (rank_cases(scorer, replace(split.test, shown=shown)) for shown in (1, 0))
    ratio = float(gains(one.ranks, 10).mean() / max(1e-9, gains(popular.ranks, 10).mean()))
    return _named("one_event", accuracy(one.ranks)) | _named("no_event", accuracy(none.ranks)) | {
        "one_event_over_popularity": ratio
    }  # fmt: skip


def _by_position(data: Data, recipe: Recipe, say: Callable[[str], None], progress: bool) -> dict[str, Any]:
    """The split by position as time, one seed."""
    split = by_position(data.sequences)
    counts, items = count(split.train), data.items(split.train)
    fitted = fit(data, split, recipe, 0, progress)
    scorers = {
        "by_position": fused(encoder(fitted.model, items), counts, fitted.fusion),
        "by_position_popularity": baselines.popularity(items.popularity),
        "by_position_cooccurrence": baselines.cooccurrence(counts),
    }
    found: dict[str, Any] = {"by_position_cases": len(split.test)}
    for name, scorer in scorers.items():
        ranking = rank_cases(scorer, split.test)
        say(f"{name}: {_short(ranking)}")
        found |= _named(name, accuracy(ranking.ranks))
    return found


def _named(name: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{key}": values[key] for key in ("hr10", "ndcg10")}


def _over_seeds(values: list[dict[str, float]]) -> dict[str, float | None]:
    """Mean of each figure over seeds, and the standard deviation of the two at 10 (None of one seed)."""
    means: dict[str, float | None] = {key: float(np.mean([value[key] for value in values])) for key in values[0]}
    for key in ("hr10", "ndcg10"):
        each = [value[key] for value in values]
        means[f"{key}_sd"] = float(np.std(each, ddof=1)) if len(each) > 1 else None
    return means


def _short(ranking: Ranking) -> str:
    values = accuracy(ranking.ranks)
    return f"HR@10 {values['hr10']:.4f}, NDCG@10 {values['ndcg10']:.4f}"
