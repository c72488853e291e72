"""What differential privacy costs in accuracy: the encoder of a benchmark, trained with several budgets and without.

Items are told by their attributes alone, since a vector of its own for each of some thousand items would be all noise;
how long to train, and how fast, was chosen once on the validation and is the same for every budget. The last controls
are the same steps without noise, so that what clipping costs is seen, and ordinary training with items told alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from persona.taste import baselines
from persona.taste.fusing import encoder
from persona.taste.metrics import Scorer, accuracy, rank_cases
from persona.taste.model import TasteModel
from persona.taste.private import Budget, descend, train_privately
from persona.taste.sequences import Split, leave_one_out
from persona.taste.sequential import Data, Recipe, fit

BUDGET = Budget(8.0, steps=150, users=512, learning_rate=1e-3)


def private_cost(
    data: Data, epsilons: Sequence[float], *, budget: Budget = BUDGET, recipe: Recipe | None = None, seed: int = 0,
    say: Callable[[str], None] = lambda line: None, progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """HR@10 and NDCG@10 of the encoder over all items, by budget and for the controls; seconds, and what was spent.

    No popularity is added to their scores, for that of the training is not private; the ordinary model reads it.
    """
    recipe, split = recipe or Recipe(), leave_one_out(data.sequences)
    items = replace(data.items(split.train), popularity=np.zeros(len(data.sequences.items), np.float32))
    users = split.train.as_users()
    result: dict[str, Any] = {"users": len(users), "items": len(items)}

    def judge(name: str, scorer: Scorer, seconds: float = 0.0) -> None:
        found = accuracy(rank_cases(scorer, split.test).ranks)
        say(f"{name}: HR@10 {found['hr10']:.4f}, NDCG@10 {found['ndcg10']:.4f}, {seconds:.0f} s")
        result.update({f"{name}_{key}": round(found[key], 5) for key in ("hr10", "ndcg10")})
        result[f"{name}_seconds"] = round(seconds, 1)

    judge("popularity", baselines.popularity(split.train.popularity()))
    judge("untrained", encoder(_begin(data, recipe, seed), items))
    for epsilon in epsilons:
        model, begun = _begin(data, recipe, seed), time.perf_counter()
        spent = train_privately(
            model, items, users, replace(budget, epsilon=epsilon), recipe.training, progress=progress
        )
        judge(f"epsilon_{epsilon:g}", encoder(model, items), time.perf_counter() - begun)
        result |= {f"epsilon_{epsilon:g}_{key[3:]}": value for key, value in spent.items()}
    model, begun = _begin(data, recipe, seed), time.perf_counter()
    descend(model, items, users, budget, recipe.training, noise=0.0, progress=progress)
    judge("no_noise", encoder(model, items), time.perf_counter() - begun)
    ordinary, seconds = _ordinary(data, split, recipe, seed, progress)
    judge("ordinary", encoder(ordinary, data.items(split.train)), seconds)
    return result


def _begin(data: Data, recipe: Recipe, seed: int) -> TasteModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TasteModel(replace(recipe.model, vocabulary=data.vocabulary)).eval()


def _ordinary(data: Data, split: Split, recipe: Recipe, seed: int, progress: bool) -> tuple[TasteModel, float]:
    """Trained as `persona evaluate taste` does, stopped by the validation, but without ids."""
    plain = replace(recipe, factors=False, training=replace(recipe.training, with_ids=False))
    fitted = fit(data, split, plain, seed, progress)
    return fitted.model, fitted.seconds
