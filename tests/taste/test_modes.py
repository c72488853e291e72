from __future__ import annotations

import numpy as np
import pytest

from persona.errors import BadInput
from persona.taste.model import TasteModel
from persona.taste.modes import taste_modes
from persona.taste.rank import best
from persona.taste.table import CATEGORY_NAMES, ItemTable

from .conftest import did, prefers


@pytest.fixture
def vector(model: TasteModel, known: ItemTable) -> np.ndarray:
    return model.encode(prefers(("colour", "green", 1.0)), did(1, 2), known)


@pytest.fixture
def vectors(model: TasteModel, known: ItemTable) -> np.ndarray:
    return model.item_vectors(known)


def test_the_same_seed_gives_the_same_modes(vector: np.ndarray, vectors: np.ndarray, known: ItemTable) -> None:
    one, again, other = (taste_modes(vector, known, vectors, count=6, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a.condition, b.condition) and a.items == b.items for a, b in zip(one, again, strict=True))
    assert any(not np.array_equal(a.condition, b.condition) for a, b in zip(one, other, strict=True))
    assert one[0].condition.dtype == np.float32


def test_modes_lie_between_items_near_the_user(vector: np.ndarray, vectors: np.ndarray, known: ItemTable) -> None:
    scores = vectors @ vector
    each = [best(scores, 16, np.flatnonzero(known.category == code))[0] for code in np.unique(known.category)]
    near = best(scores, 64, np.sort(np.concatenate(each)))[0]
    for mode in taste_modes(vector, known, vectors, count=20, seed=0):
        alike = near[known.category[near] == CATEGORY_NAMES.index(mode.category)]
        mean = known.features[alike].mean(0)
        gaps = np.abs((mode.condition - 0.3 * mean) / 0.7 - known.features[alike]).max(1)
        assert gaps.min() < 1e-4  # 0.7 of one of them and 0.3 of their mean
        nearest = np.linalg.norm(known.features[alike] - mode.condition, axis=1).min()
        spread = np.linalg.norm(known.features[alike] - mean, axis=1).max()
        assert nearest <= 0.3 * spread + 1e-4


def test_neighbours_are_of_the_category_and_nearest(vector: np.ndarray, vectors: np.ndarray, known: ItemTable) -> None:
    for mode in taste_modes(vector, known, vectors, count=5, seed=1):
        same = np.flatnonzero(known.category == CATEGORY_NAMES.index(mode.category))
        order = same[np.argsort(np.linalg.norm(known.features[same] - mode.condition, axis=1))]
        assert mode.items == order[:5].tolist()


def test_no_item_is_drawn_twice_before_all_were(vector: np.ndarray, vectors: np.ndarray, known: ItemTable) -> None:
    modes = taste_modes(vector, known, vectors, count=8, seed=0, nearest=4)
    distinct = {mode.condition.tobytes() for mode in modes}
    assert len(distinct) == 4
    assert len({mode.condition.tobytes() for mode in modes[:4]}) == 4


def test_a_category_can_be_asked_for(vector: np.ndarray, vectors: np.ndarray, known: ItemTable) -> None:
    assert {mode.category for mode in taste_modes(vector, known, vectors, count=4, seed=0, category="shoes")} == {
        "shoes"
    }
    with pytest.raises(BadInput, match="category: there is no blouse to draw from"):
        taste_modes(vector, known, vectors, count=1, seed=0, category="blouse")
    with pytest.raises(BadInput, match="category: 'sock' is none; choose from"):
        taste_modes(vector, known, vectors, count=1, seed=0, category="sock")
    with pytest.raises(BadInput, match="there is no item"):
        taste_modes(vector, known.select([]), vectors[:0], count=1, seed=0)


def test_nobody_draws_from_what_is_popular(model: TasteModel, vectors: np.ndarray, known: ItemTable) -> None:
    prior = model.prior(known)
    modes = taste_modes(np.zeros(64, np.float32), known, vectors, count=3, seed=0, prior=prior, nearest=10, pull=0)
    popular = best(prior, 40)[0]
    for mode in modes:
        assert np.abs(known.features[popular] - mode.condition).max(1).min() < 1e-6


def test_what_the_prior_forbids_is_never_drawn(vector: np.ndarray, vectors: np.ndarray, known: ItemTable) -> None:
    pants_only = np.where(known.category == 2, 0, -np.inf).astype(np.float32)
    modes = taste_modes(vector, known, vectors, count=40, seed=0, prior=pants_only)
    assert {mode.category for mode in modes} == {CATEGORY_NAMES[2]}


def test_one_favourite_category_does_not_crowd_out_all(
    vectors: np.ndarray, model: TasteModel, known: ItemTable
) -> None:
    pants = np.flatnonzero(known.category == 2)
    vector = model.encode(prefers(("category", "pants", 1.0)), did(*pants[:5]), known)
    modes = taste_modes(vector, known, vectors, count=24, seed=0, nearest=24)
    assert len({mode.category for mode in modes}) >= 4
