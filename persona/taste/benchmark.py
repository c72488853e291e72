"""The taste model on histories from a file, as the literature measures it, beside what it has to beat.

All items are ranked, those of the history left out. The encoder is trained on what the split allows, stopped by the
validation's NDCG@10, and fused with co-occurrence by weights chosen on the validation; the test is looked at once. The
event that is the validation's target is in the history when the test is asked, but nothing has been trained on it or
counted from it. `refreshed_*` says what counting it too gives, as a service does every night.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from persona.store.records import EPOCH, Profile
from persona.taste import baselines
from persona.taste.cases import Case
from persona.taste.companions import Companions
from persona.taste.cooccurrence import Cooccurrence
from persona.taste.deletion import deletion
from persona.taste.fusing import encoder, fused, together
from persona.taste.history import HistoryEntry
from persona.taste.metrics import Ranking, Scorer, accuracy, by_length, gains, intervals, rank_cases, variety
from persona.taste.model import TasteModel
from persona.taste.sequences import Cases, PlainItems, Split, by_position, leave_one_out
from persona.taste.sequential import Data, Recipe, count, fit
from persona.taste.table import Codes

Say = Callable[[str], None]
EXPLAINED = 1000  # test cases whose reasons are judged


def benchmark(
    data: Data, *, seeds: int = 3, recipe: Recipe | None = None, say: Say = lambda line: None,
    progress: bool = True, folder: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The keys of `persona evaluate taste --data FILE`, trained with so many seeds; see the module.

    say: told how far it is. folder: where trained models are kept, so that a run that was stopped goes on after them.
    """
    recipe = recipe or Recipe()
    split = leave_one_out(data.sequences)
    counts, items = count(split.train), data.items(split.train)
    result: dict[str, Any] = {"users": len(data.sequences), "items": len(items), "events": len(data.sequences.rows)}
    result |= _baselines(split, counts, data.attributes, say)
    rankings, fits = [], []
    for seed in range(seeds):
        fitted = fit(data, split, recipe, seed, progress, folder and folder / f"seed-{seed}")
        encode, fusion = encoder(fitted.model, items), fitted.model.config.fusion
        whole, alone = rank_cases(fused(encode, together(counts), fusion), split.test), rank_cases(encode, split.test)
        say(f"seed {seed}: {_short(whole)}; encoder alone: {_short(alone)}; {fitted.seconds:.0f} s of training")
        rankings.append((whole, alone))
        fits.append(fitted)
    result |= _over_seeds([accuracy(whole.ranks) for whole, _ in rankings])
    result |= {f"encoder_{k}": v for k, v in _over_seeds([accuracy(alone.ranks) for _, alone in rankings]).items()}
    result |= {"train_seconds": float(np.mean([fit.seconds for fit in fits])), "rounds": [fit.rounds for fit in fits]}
    first = rankings[0][0]
    result |= intervals(first.ranks) | variety(first, items.popularity, data.attributes)
    result |= {"by_history_length": by_length(first)} | _fused_otherwise(data, split, fits[0].model, counts, items)
    return result | _by_position(data, recipe, say, progress, folder and folder / "by-position")


def _explained(cases: Cases, count: int) -> list[Case]:
    """Some of the cases, evenly spread, as single users with purchases a day apart."""
    some = np.unique(np.linspace(0, len(cases) - 1, min(count, len(cases))).astype(int))
    chosen = replace(cases, users=cases.users[some], places=cases.places[some])
    starts, rows = chosen.histories()
    days = [EPOCH + timedelta(days=day) for day in range(int(chosen.lengths.max()))]
    asked = []
    for number, (low, high) in enumerate(pairwise(starts)):
        history = [HistoryEntry("purchase", day, int(row)) for day, row in zip(days, rows[low:high])]
        asked.append(Case(number, Profile(id="somebody"), history, chosen.targets[[number]]))
    return asked


def _baselines(split: Split, counts: Cooccurrence, attributes: Codes | None, say: Say) -> dict[str, Any]:
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
        found |= _named(name, ranking)
        found |= {f"{name}_{key}": value for key, value in variety(ranking, popular, attributes).items()}
    return found


def _fused_otherwise(
    data: Data, split: Split, model: TasteModel, counts: Cooccurrence, items: PlainItems
) -> dict[str, Any]:
    """With counts refreshed to the day, and the same users as if only their last event were known, or none."""
    encode, fusion = encoder(model, items), model.config.fusion
    newest = count(data.sequences.kept(data.sequences.lengths - 1))
    popular = rank_cases(baselines.popularity(items.popularity), split.test)
    one, none = (
        rank_cases(fused(encode, together(counts), fusion), replace(split.test, shown=shown)) for shown in (1, 0)
    )
    ratio = float(gains(one.ranks, 10).mean() / max(1e-9, gains(popular.ranks, 10).mean()))
    asked = _explained(split.test, EXPLAINED)
    return {
        **deletion(model, items, asked, np.random.default_rng(0), Companions(counts, fusion)),
        **_named("refreshed", rank_cases(fused(encode, together(newest), fusion), split.test)),
        **_named("one_event", one),
        **_named("no_event", none),
        "one_event_over_popularity": ratio,
        "fusion_weights": list(fusion.weights),
        "fusion_scale": fusion.scale,
    }


def _by_position(data: Data, recipe: Recipe, say: Say, progress: bool, folder: Path | None) -> dict[str, Any]:
    """The split by position as time, one seed."""
    split = by_position(data.sequences)
    counts, items = count(split.train), data.items(split.train)
    model = fit(data, split, recipe, 0, progress, folder).model
    scorers = {
        "by_position": fused(encoder(model, items), together(counts), model.config.fusion),
        "by_position_popularity": baselines.popularity(items.popularity),
        "by_position_cooccurrence": baselines.cooccurrence(counts),
    }
    found: dict[str, Any] = {"by_position_cases": len(split.test)}
    for name, scorer in scorers.items():
        ranking = rank_cases(scorer, split.test)
        say(f"{name}: {_short(ranking)}")
        found |= _named(name, ranking)
    return found


def _named(name: str, ranking: Ranking) -> dict[str, float]:
    values = accuracy(ranking.ranks)
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
