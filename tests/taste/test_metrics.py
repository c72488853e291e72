from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.taste import baselines
from persona.taste.metrics import accuracy, by_length, intervals, rank_cases, variety
from persona.taste.sequences import Cases, Sequences, leave_one_out, read_sequences


def four_items() -> Sequences:
    """Items a, b, c, d; ann took a b c, bob b a d, cem d a b c."""
    rows = [0, 1, 2, 1, 0, 3, 3, 0, 1, 2]
    return Sequences(["ann", "bob", "cem"], ["a", "b", "c", "d"], np.array([0, 3, 6, 10]), np.array(rows))


def fixed(scores: list[float]):  # type: ignore[no-untyped-def]
    return lambda cases: torch.tensor(scores).repeat(len(cases), 1)


def test_ranks_by_hand() -> None:
    """a .9, b .5, c .1, d .2. ann, who took a and b: d before c. bob, who took b and a: d. cem: c is left."""
    ranking = rank_cases(fixed([0.9, 0.5, 0.1, 0.2]), leave_one_out(four_items()).test)
    assert ranking.ranks.tolist() == [1, 0, 0]
    assert ranking.lists[0][:2].tolist() == [3, 2]
    told = accuracy(ranking.ranks)
    assert told["hr5"] == told["hr20"] == 1
    assert told["ndcg10"] == pytest.approx((1 / math.log2(3) + 2) / 3)


def test_among_equals_the_target_is_in_the_middle() -> None:
    ranking = rank_cases(fixed([1.0] * 4), leave_one_out(four_items()).test)
    assert ranking.ranks.tolist() == [0.5, 0.5, 0]


def test_a_target_that_was_taken_before_is_still_ranked() -> None:
    again = Sequences(["ann"], ["a", "b"], np.array([0, 3]), np.array([0, 1, 0]))
    assert rank_cases(fixed([0.1, 0.9]), leave_one_out(again).test).ranks.tolist() == [0]


def test_by_length_and_intervals() -> None:
    sequences = four_items()
    cases = leave_one_out(sequences).test
    told = by_length(rank_cases(fixed([0.9, 0.5, 0.1, 0.2]), Cases(sequences, cases.users, cases.places)))
    assert [told[name]["cases"] for name in ("0", "1-4", "5-9", "10+")] == [0, 3, 0, 0]
    assert told["0"]["hr10"] is None
    ranks = np.random.default_rng(0).integers(0, 20, 400).astype(float)
    low, high = intervals(ranks)["hr10_interval"]
    deviation = math.sqrt((ranks < 10).mean() * (ranks >= 10).mean() / 400)
    assert (high - low) / 2 == pytest.approx(1.96 * deviation, rel=0.15)


def test_variety_by_hand() -> None:
    ranking = rank_cases(fixed([0.9, 0.5, 0.1, 0.2]), leave_one_out(four_items()).test)
    ranking = type(ranking)(ranking.cases, ranking.ranks, np.array([[0, 1], [0, 2]]))
    told = variety(ranking, np.array([1, 5, 1, 1], np.float32), np.array([[0, 1], [1, 2], [2, -1], [3, -1]]))
    assert told["coverage10"] == 3 / 4
    assert told["popularity_share10"] == 1 / 4  # b is the most popular, once among four places
    assert told["intra_list_diversity10"] == pytest.approx(((1 - 1 / 3) + 1) / 2)
    assert variety(ranking, np.ones(4, np.float32))["intra_list_diversity10"] is None


def test_ease_solves_its_least_squares() -> None:
    """Against its definition, column by column in float64: ridge regression of an item on the others (Steck 2019)."""
    rng = np.random.default_rng(0)
    taken = [rng.choice(6, size, replace=False) for size in rng.integers(3, 6, 40)]
    data = Sequences(
        [str(i) for i in range(40)], list("abcdef"), np.cumsum([0, *map(len, taken)]), np.concatenate(taken)
    )
    matrix = np.zeros((40, 6))
    for user, rows in enumerate(taken):
        matrix[user, rows] = 1
    weights = np.zeros((6, 6))
    for item in range(6):
        others = np.delete(np.arange(6), item)
        part = matrix[:, others]
        weights[others, item] = np.linalg.solve(part.T @ part + 2 * np.eye(5), part.T @ matrix[:, item])
    cases = leave_one_out(data).test
    starts, rows = cases.histories()
    history = np.zeros((len(cases), 6))
    history[np.repeat(np.arange(len(cases)), np.diff(starts)), rows] = 1
    np.testing.assert_allclose(baselines.ease(data, 2.0)(cases).numpy(), history @ weights, atol=1e-4)


def test_ials_beats_popularity_where_tastes_differ() -> None:
    pytest.importorskip("implicit")
    rng = np.random.default_rng(0)
    taken = [rng.permutation(20)[:8] + 20 * (user % 2) for user in range(200)]
    data = Sequences(
        [str(i) for i in range(200)], [str(i) for i in range(40)], 8 * np.arange(201), np.concatenate(taken)
    )
    split = leave_one_out(data)
    scorers = baselines.ials(split.train, factors=8), baselines.popularity(split.train.popularity())
    right, popular = (accuracy(rank_cases(scorer, split.test).ranks)["hr10"] for scorer in scorers)
    assert right > 0.65 > 0.4 > popular


@pytest.mark.slow
def test_published_popularity_on_beauty(datasets: Path) -> None:
    """.0152 and .0068 are what popularity reaches when it has counted the test events too, to the last digit; honestly
    counted it reaches less, which is what we report."""
    data = read_sequences(datasets / "interactions/Beauty.txt.gz")
    split = leave_one_out(data)
    everything = accuracy(rank_cases(baselines.popularity(data.popularity()), split.test).ranks)
    assert (round(everything["hr10"], 4), round(everything["ndcg10"], 4)) == (0.0152, 0.0068)
    honest = accuracy(rank_cases(baselines.popularity(split.train.popularity()), split.test).ranks)
    assert (round(honest["hr10"], 4), round(honest["ndcg10"], 4)) == (0.0120, 0.0056)
