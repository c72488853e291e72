"""On the world of rings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persona.taste import sequential
from persona.taste.benchmark import benchmark
from persona.taste.cooccurrence import Cooccurrence
from persona.taste.factors import item_factors
from persona.taste.fusing import encoder, fused, together
from persona.taste.metrics import accuracy, rank_cases
from persona.taste.sequences import DAY, Cases, leave_one_out
from persona.taste.sequential import Data, Recipe, count, fit

from .conftest import LENGTH

TINY = Recipe(
    replace(sequential.MODEL, width=32, blocks=1, dropout=0.1),
    replace(sequential.TRAINING, users=32, negatives=60, learning_rate=5e-3, warm_up=5),
    every=15,
    rounds=4,
)


def test_a_fitted_model_and_its_fusion_beat_chance_and_are_the_same_again(rings: Data, tmp_path: Path) -> None:
    split = leave_one_out(rings.sequences)
    fitted = fit(rings, split, TINY, seed=0, progress=False, folder=tmp_path / "one")
    items, counts = rings.items(split.train), count(split.train)
    scorer = fused(encoder(fitted.model, items), together(counts), fitted.model.config.fusion)
    ranking = rank_cases(scorer, split.test)
    assert accuracy(ranking.ranks)["hr10"] > 3 * 10 / len(items)
    again = fit(rings, split, TINY, seed=0, progress=False)
    other = rank_cases(fused(encoder(again.model, items), together(counts), again.model.config.fusion), split.test)
    assert ranking.ranks.tolist() == other.ranks.tolist()


def test_what_is_kept_is_taken_up_and_of_another_recipe_is_not(
    rings: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = leave_one_out(rings.sequences)
    short = replace(TINY, rounds=1)
    first = fit(rings, split, short, seed=0, progress=False, folder=tmp_path)
    begun: list[int] = []
    begin = sequential.begin
    monkeypatch.setattr(sequential, "begin", lambda *given: begun.append(1) or begin(*given))
    second = fit(rings, split, short, seed=0, progress=False, folder=tmp_path)
    assert not begun
    assert second.seconds == first.seconds
    assert second.model.config == first.model.config
    fit(rings, split, short, seed=1, progress=False, folder=tmp_path)
    assert begun


def test_encoding_rows_is_encoding_users(rings: Data) -> None:
    """The flat reading of the benchmark against the service's reading of one user after the other."""
    from datetime import UTC, datetime, timedelta

    from persona.taste.history import HistoryEntry

    split = leave_one_out(rings.sequences)
    items = rings.items(split.train)
    model = fit(rings, split, replace(TINY, rounds=1), seed=0, progress=False).model
    starts, rows = Cases(split.test.sequences, split.test.users[:5], split.test.places[:5]).histories()
    place = np.arange(len(rows)) - np.repeat(starts[:-1], np.diff(starts))
    flat = model.encode_rows(starts, rows, np.full(len(rows), 4), place * DAY, model.item_vectors(items))
    for user in range(5):
        history = [
            HistoryEntry("purchase", datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day), int(row))
            for day, row in enumerate(rows[starts[user] : starts[user + 1]])
        ]
        np.testing.assert_allclose(model.encode(None, history, items), flat[user], atol=1e-5)
    nobody = model.encode_rows(np.array([0, 0]), rows[:0], rows[:0], np.zeros(0), model.item_vectors(items))
    assert not nobody.any()


def test_factors_put_together_what_is_taken_together(rings: Data) -> None:
    factors = item_factors(count(rings.sequences), 16)
    near = factors @ factors.T
    ring = np.arange(len(factors)) // LENGTH
    same = ring[:, None] == ring[None, :]
    assert near[same].mean() > 5 * abs(near[~same].mean())
    assert factors.std() == pytest.approx(0.3, rel=1e-3)
    assert not item_factors(Cooccurrence.empty(9), 4).any()
    some = item_factors(Cooccurrence.of(9, np.array([0, 4]), np.array([1, 2, 3, 4])), 4)
    assert not some[[0, 5, 6, 7, 8]].any()


@pytest.mark.slow
def test_a_whole_benchmark(rings: Data, tmp_path: Path) -> None:
    said: list[str] = []
    recipe = replace(TINY, rounds=2)
    told: dict[str, Any] = benchmark(rings, seeds=2, recipe=recipe, say=said.append, progress=False, folder=tmp_path)
    assert told["hr10"] > told["popularity_hr10"]
    assert told["hr10_sd"] >= 0
    assert told["ndcg10_interval"][0] <= told["ndcg10_interval"][1]
    assert told["no_event_hr10"] < told["hr10"]
    assert told["refreshed_hr10"] > 0
    assert told["by_position_hr10"] > 0
    assert 0 < told["coverage10"] <= 1
    assert told["by_history_length"]["5-9"]["cases"] > 0
    assert any("seed 1" in line for line in said)
    assert {folder.name for folder in tmp_path.iterdir()} == {"seed-0", "seed-1", "by-position"}
    plain = benchmark(Data(rings.sequences), seeds=1, recipe=recipe, progress=False)
    assert plain["intra_list_diversity10"] is None
    assert plain["hr10_sd"] is None
