from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persona.errors import BadInput
from persona.taste.model import TasteModel
from persona.taste.rank import best, rank
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
