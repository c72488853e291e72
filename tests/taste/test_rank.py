from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persona.errors import BadInput
from persona.taste.model import TasteModel
from persona.taste.rank import best, diversify, intra_list_diversity, rank
from persona.taste.table import ItemTable

SCORES = arrays.arrays(np.float32, st.integers(0, 40), elements=st.integers(-3, 3).map(float))  # many ties


def by_hand(scores: np.ndarray, k: int, allowed: list[int]) -> list[int]:
    return sorted(allowed, key=lambda row: (-scores[row], row))[:k]


@given(SCORES, st.integers(0, 50), st.data())
def test_rank_against_sorting(scores: np.ndarray, k: int, data: st.DataObject) -> None:
    n = len(scores)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    exclude = data.draw(st.lists(st.integers(0, n - 1), max_size=10)) if n else []
    prior = data.draw(arrays.arrays(np.float32, n, elements=st.integers(-2, 2).map(float)))
    vector, vectors = np.array([1.0, 2.0], np.float32), np.stack([scores, np.zeros(n, np.float32)], 1)
    rows, found = rank(vector, vectors, k, mask=mask, exclude=exclude, prior=prior)
    allowed = [row for row in range(n) if mask[row] and row not in exclude]
    assert rows.tolist() == by_hand(scores + prior, k, allowed)
    assert np.array_equal(found, (scores + prior)[rows])
    assert len(rows) == min(k, len(allowed))


@given(SCORES, st.integers(0, 50))
def test_best_without_a_mask(scores: np.ndarray, k: int) -> None:
    assert best(scores, k)[0].tolist() == by_hand(scores, k, list(range(len(scores))))


def test_nobody_gets_what_is_popular(model: TasteModel, known: ItemTable) -> None:
    rows, _ = rank(model.encode(None, [], known), model.item_vectors(known), 20, prior=model.prior(known))
    assert rows.tolist() == by_hand(known.popularity, 20, list(range(len(known))))


def test_bad_input_is_named() -> None:
    vectors = np.zeros((3, 2), np.float32)
    with pytest.raises(BadInput, match="count: -1 is negative"):
        rank(vectors[0], vectors, -1)
    with pytest.raises(BadInput, match="vector: shape"):
        rank(np.zeros(3, np.float32), vectors, 1)
    with pytest.raises(BadInput, match="mask: shape"):
        rank(vectors[0], vectors, 1, mask=np.ones(2, bool))


def greedily(scores: np.ndarray, vectors: np.ndarray, k: int, weight: float) -> list[int]:
    """Maximal marginal relevance as its paper says it, pair by pair."""
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    chosen: list[int] = []

    def worth(place: int) -> float:
        one = vectors[place] / np.linalg.norm(vectors[place])
        near = [float(one @ vectors[other] / np.linalg.norm(vectors[other])) for other in chosen]
        return (1 - weight) * relevance[place] - weight * max(near, default=0)

    while len(chosen) < k:
        chosen.append(max((place for place in range(len(scores)) if place not in chosen), key=worth))
    return chosen


@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.sampled_from([0.05, 0.3, 0.7, 0.95]))
def test_diversify_against_the_definition(seed: int, count: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    scores, vectors = np.sort(rng.standard_normal(count, np.float32))[::-1], rng.standard_normal((count, 4), np.float32)
    rows = rng.permutation(1000)[:count]
    found, kept = diversify(rows, scores, vectors, 8, weight)
    places = greedily(scores, vectors, min(8, count), weight)
    assert found.tolist() == rows[places].tolist()
    assert np.array_equal(kept, scores[places])


def test_diversity_weighs_variety_against_relevance() -> None:
    rng = np.random.default_rng(0)
    scores, vectors = np.sort(rng.standard_normal(100, np.float32))[::-1], rng.standard_normal((100, 8), np.float32)
    lists = [diversify(np.arange(100), scores, vectors, 12, weight) for weight in (0.0, 0.3, 0.7, 1.0)]
    assert lists[0][0].tolist() == list(range(12))
    assert all(rows[0] == 0 for rows, _ in lists)
    variety = [intra_list_diversity(vectors[rows]) for rows, _ in lists]
    assert min(variety[1:]) > variety[0] + 0.03
    means = [kept.mean() for _, kept in lists]
    assert means[0] > means[1] > means[2]


def test_diversity_of_a_list_by_hand() -> None:
    assert intra_list_diversity(np.array([[1, 0], [2, 0], [0, 1]], np.float32)) == pytest.approx((0 + 1 + 1) / 3)
    assert intra_list_diversity(np.ones((1, 2), np.float32)) == 0
    assert intra_list_diversity(np.zeros((0, 2), np.float32)) == 0


def test_diversify_at_the_edges() -> None:
    rows, scores, vectors = np.arange(3), np.ones(3, np.float32), np.ones((3, 2), np.float32)
    assert diversify(rows, scores, vectors, 9, 0.5)[0].tolist() == [0, 1, 2]  # all alike: their order stays
    assert len(diversify(rows, scores, vectors, 0, 0.5)[0]) == 0
    assert len(diversify(rows[:0], scores[:0], vectors[:0], 5, 0.5)[0]) == 0
    with pytest.raises(BadInput, match=r"diversity: 1\.5"):
        diversify(rows, scores, vectors, 1, 1.5)
    with pytest.raises(BadInput, match="count: -1"):
        diversify(rows, scores, vectors, -1, 0.5)
    with pytest.raises(BadInput, match="3 rows, 2 scores"):
        diversify(rows, scores[1:], vectors, 1, 0.5)
