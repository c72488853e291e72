"""The guide table finds the item that a binary search finds, for every point."""

from __future__ import annotations

import numpy as np
import pytest

from persona.taste.exposure import Shelves


@pytest.mark.parametrize("spread", [0.0, 0.8, 6.0])
@pytest.mark.parametrize("items", [1, 7, 900])
def test_points_are_found_as_by_a_search(items: int, spread: float) -> None:
    rng = np.random.default_rng(items)
    codes, exposure = rng.integers(0, 4, (items, 4)), spread * rng.standard_normal(items)
    shelves = Shelves(codes, exposure)
    order = np.argsort(codes[:, 0] * 4 + codes[:, 1], kind="stable")
    ends = np.cumsum(np.exp(exposure[order]))
    points = np.concatenate([rng.random(5000) * shelves.all, shelves.low, np.nextafter(shelves.high, 0), [shelves.all]])
    found = shelves.at(points.reshape(-1, 1))
    assert found.shape == (len(points), 1)
    wanted = np.minimum(np.searchsorted(ends, points, side="right"), items - 1)
    assert np.array_equal(found[:, 0], order[wanted])
