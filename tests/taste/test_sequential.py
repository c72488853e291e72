"""A world of two kinds of user, each going round a ring of items: what comes next is to be learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from persona.taste import sequential
from persona.taste.benchmark import benchmark
from persona.taste.cooccurrence import Cooccurrence, Fusion
from persona.taste.factors import item_factors
from persona.taste.metrics import accuracy, rank_cases
from persona.taste.sequences import DAY, Cases, Sequences, leave_one_out
from persona.taste.sequential import Data, Recipe, choose_fusion, count, encoder, fit, fused

RINGS, LENGTH = 6, 20
TINY = Recipe(
    replace(sequential.MODEL, width=32, blocks=1, dropout=0.1),
    replace(sequential.TRAINING, users=32, negatives=60, learning_rate=5e-3, warm_up=5),
    every=15,
    rounds=4,
)


@pytest.fixture(scope="module")
def data() -> Data:
    rng = np.random.default_rng(0)
    taken = []
    for user in range(240):
        ring, at, steps = user % RINGS, rng.integers(LENGTH), rng.integers(4, 16)
        taken.append(ring * LENGTH + (at + np.arange(steps) + rng.integers(0, 2, steps)) % LENGTH)
    starts = np.cumsum([0, *map(len, taken)])
    names = [f"i{row}" for row in range(RINGS * LENGTH)]
    attributes = np.repeat(np.arange(RINGS), LENGTH)[:, None]
    return Data(Sequences([f"u{i}" for i in range(240)], names, starts, np.concatenate(taken)), attributes)


def test_a_fitted_model_and_its_fusion_beat_chance_and_are_the_same_again(data: Data, tmp_path: Path) -> None:
    split = leave_one_out(data.sequences)
    fitted = fit(data, split, TINY, seed=0, progress=False, folder=tmp_path / "one")
    items, counts = data.items(split.train), count(split.train)
    scorer = fused(encoder(fitted.model, items), counts, fitted.model.config.fusion)
    ranking = rank_cases(scorer, split.test)
    assert accuracy(ranking.ranks)["hr10"] > 3 * 10 / len(items)
    again = fit(data, split, TINY, seed=0, progress=False)
    other = rank_cases(fused(encoder(again.model, items), counts, again.model.config.fusion), split.test)
    assert ranking.ranks.tolist() == other.ranks.tolist()


def test_what_is_kept_is_taken_up_and_of_another_recipe_is_not(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = leave_one_out(data.sequences)
    short = replace(TINY, rounds=1)
    first = fit(data, split, short, seed=0, progress=False, folder=tmp_path)
    begun: list[int] = []
    begin = sequential.begin
    monkeypatch.setattr(sequential, "begin", lambda *given: begun.append(1) or begin(*given))
    second = fit(data, split, short, seed=0, progress=False, folder=tmp_path)
    assert not begun
    assert second.seconds == first.seconds
    assert second.model.config == first.model.config
    fit(data, split, short, seed=1, progress=False, folder=tmp_path)
    assert begun


def test_encoding_rows_is_encoding_users(data: Data) -> None:
    """The flat reading of the benchmark against the service's reading of one user after the other."""
    from datetime import UTC, datetime, timedelta

    from persona.taste.history import HistoryEntry

    split = leave_one_out(data.sequences)
    items = data.items(split.train)
    model = fit(data, split, replace(TINY, rounds=1), seed=0, progress=False).model
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


def test_fusion_is_chosen_by_what_helps(data: Data) -> None:
    """Where the encoder knows nothing, co-occurrence is given weight; where it knows the answer, none."""
    split = leave_one_out(data.sequences)
    counts = count(split.train)
    noise = torch.from_numpy(np.random.default_rng(0).random((1000, len(data.sequences.items)), np.float32))
    chosen = choose_fusion(lambda cases: noise[: len(cases)].clone(), counts, split.validation)
    assert min(chosen.weights[1:]) > 0
    assert chosen.weights[0] == 0

    def knows(cases: Cases) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.from_numpy(cases.targets), len(data.sequences.items)).float() * 0.01

    assert choose_fusion(knows, counts, split.validation).weights == (0, 0, 0, 0)


def test_fused_adds_the_bonus(data: Data) -> None:
    split = leave_one_out(data.sequences)
    counts, fusion = count(split.train), Fusion((0, 2, 3, 4), 0.1)
    part = next(split.test.batches(7))
    scores = fused(lambda cases: torch.ones(len(cases), len(counts)), counts, fusion)(part)
    together = counts.scores(*part.histories()).toarray()
    wanted = 1 + fusion.weight(part.lengths)[:, None] * np.log1p(together / 0.1)
    np.testing.assert_allclose(scores.numpy(), wanted, rtol=1e-5)


def test_factors_put_together_what_is_taken_together(data: Data) -> None:
    factors = item_factors(count(data.sequences), 16)
    near = factors @ factors.T
    ring = np.arange(len(factors)) // LENGTH
    same = ring[:, None] == ring[None, :]
    assert near[same].mean() > 5 * abs(near[~same].mean())
    assert factors.std() == pytest.approx(0.3, rel=1e-3)
    assert not item_factors(Cooccurrence.empty(9), 4).any()
    some = item_factors(Cooccurrence.of(9, np.array([0, 4]), np.array([1, 2, 3, 4])), 4)
    assert not some[[0, 5, 6, 7, 8]].any()


def test_a_whole_benchmark(data: Data, tmp_path: Path) -> None:
    said: list[str] = []
    recipe = replace(TINY, rounds=2)
    told: dict[str, Any] = benchmark(data, seeds=2, recipe=recipe, say=said.append, progress=False, folder=tmp_path)
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
    plain = benchmark(Data(data.sequences), seeds=1, recipe=recipe, progress=False)
    assert plain["intra_list_diversity10"] is None
    assert plain["hr10_sd"] is None
