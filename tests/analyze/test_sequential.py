"""The promise of looking as often as one likes, tried out: errors stay where they should, and differences are found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from persona.analyze.sequential import always_valid, cautious_variance

EFFECT, TESTS, USERS, EVERY = 0.01, 400, 6000, 20
Looks = tuple[Any, Any, Any]


def arm(rng: np.random.Generator, rate: float, things: int = 12) -> Any:
    """Sums of users' rates as they come, (TESTS, looks): number, total, squares. Tastes differ from user to user."""
    likes = rng.binomial(things, rng.beta(2, 2 / rate - 2, (TESTS, USERS))) / things
    looks = slice(EVERY - 1, None, EVERY)
    count = np.arange(1, USERS + 1)[looks]
    return count, np.cumsum(likes, 1)[:, looks], np.cumsum(likes**2, 1)[:, looks]


def looks(rng: np.random.Generator, first: float, second: float) -> Looks:
    """Differences, their cautious variances and their plain ones, at every look of every test."""
    arms = arm(rng, first), arm(rng, second)
    difference = arms[1][1] / arms[1][0] - arms[0][1] / arms[0][0]
    plain = sum((squares - total**2 / count) / (count - 1) / count for count, total, squares in arms)
    return difference, sum(cautious_variance(*one) for one in arms), plain


@pytest.fixture(scope="module")
def alike() -> Looks:
    """Tests of arms that do not differ."""
    return looks(np.random.default_rng(0), 0.06, 0.06)


def test_no_difference_is_seldom_found_however_often_one_looks(alike: Looks) -> None:
    difference, variance, plain = alike
    low, high, p_value = always_valid(difference, variance, effect=EFFECT)
    found = ((low > 0) | (high < 0)).any(1).mean()
    assert found <= 0.05
    assert found == (p_value <= 0.05).any(1).mean()  # the interval and the p value say the same
    naive = (np.abs(difference) > norm.ppf(0.975) * np.sqrt(plain)).any(1).mean()
    assert naive > 0.25  # what looking every twenty users does to a test that is meant for once


def test_a_difference_is_found_and_covered_all_the_way() -> None:
    difference, variance, _ = looks(np.random.default_rng(1), 0.06, 0.07)
    low, high, _ = always_valid(difference, variance, effect=EFFECT)
    assert ((low <= 0.01) & (high >= 0.01)).all(1).mean() >= 0.95
    found = low > 0
    assert found.any(1).mean() > 0.9
    first = np.where(found.any(1), found.argmax(1), found.shape[1])
    assert np.median(first) * EVERY < USERS / 2  # and stops early


def test_no_difference_is_seldom_found_while_the_same_users_do_more() -> None:
    """Nobody new comes; each user's rate settles with every thing that they are shown."""
    rng, users, things = np.random.default_rng(2), 400, 60
    sums = []
    for _ in range(2):
        rate = rng.beta(2, 30, (TESTS, users, 1))
        likes = rng.random((TESTS, users, things), dtype=np.float32) < rate
        so_far = np.cumsum(likes, 2, dtype=np.float32) / np.arange(1, things + 1, dtype=np.float32)
        sums.append((users, so_far.sum(1), (so_far**2).sum(1)))
    difference = (sums[1][1] - sums[0][1]) / users
    low, high, _ = always_valid(difference, sum(cautious_variance(*one) for one in sums), effect=EFFECT)
    assert ((low > 0) | (high < 0)).any(1).mean() <= 0.05


@pytest.mark.parametrize("effect", [0.002, 0.05])
def test_the_effect_looked_for_moves_only_the_width(alike: Looks, effect: float) -> None:
    difference, variance, _ = alike
    low, high, _ = always_valid(difference, variance, effect=effect)
    assert ((low > 0) | (high < 0)).any(1).mean() <= 0.05


def test_the_interval_is_that_of_the_mixture() -> None:
    """Against the likelihood ratio itself, integrated over the mixture by quadrature."""
    d, v, effect = 0.013, 0.00002, 0.01
    grid = np.linspace(-0.2, 0.2, 200_001)
    weights = norm.pdf(grid, scale=effect) * (grid[1] - grid[0])

    def p_value(truth: float) -> float:
        return float(1 / np.sum(weights * np.exp((grid * (d - truth) - grid**2 / 2) / v)))

    low, high, p = always_valid(d, v, effect=effect)
    assert float(p) == pytest.approx(min(1, p_value(0)), rel=1e-6)
    assert p_value(float(low)) == pytest.approx(0.05, rel=1e-6)
    assert p_value(float(high)) == pytest.approx(0.05, rel=1e-6)
