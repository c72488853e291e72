"""Is a measure the same for every group of users? Means by group, the worst over the best, and what chance would give.

Groups of fewer than SMALLEST users are never told, nor can they be found by subtraction: they are counted together as
hidden, with the smallest of the others where they are too few.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.store.popularity import SEGMENT

TRAITS = {
    "age_band": "age band", "skin_tone_band": "skin tone band", "body_shape": "body shape", "activity": "activity",
}  # fmt: skip
UNKNOWN = "unknown"
SMALLEST = SEGMENT
DRAWS = 1000  # of the bootstrap, and of the shuffled groups

Values = NDArray[np.float64]


def by_groups(
    users: pd.DataFrame, numerator: Values, denominator: Values | None = None, *, seed: int = 0
) -> dict[str, Any]:
    """A measure, sum of numerators over sum of denominators (None: the mean), of all users and by each of TRAITS.

    users: a row for each user, with the columns TRAITS; numerator, denominator: float64 (u,). For all and every group:
    users, value and its 95 % interval (bootstrap over users, Efron 1979). For every trait: `hidden_users`, in groups
    too small to tell; `worst_over_best`, `expected_by_chance`, its mean where the same users are put into groups of the
    same sizes at random, and `p_value`, how often it is then as low. None under two groups; all None under SMALLEST.
    """
    rng = np.random.default_rng(seed)
    below = np.ones(len(users)) if denominator is None else denominator
    if len(users) < SMALLEST:
        return {"all": None, "by": {}, "users": None}
    every = {"users": len(users), **_value(numerator, below, rng)}
    return {"all": every, "by": {name: _by(users[name], numerator, below, rng) for name in TRAITS}}


def _by(groups: pd.Series, numerator: Values, below: Values, rng: np.random.Generator) -> dict[str, Any]:
    codes, names = pd.factorize(groups.astype(object).where(groups.notna(), UNKNOWN), sort=True)
    counts = np.bincount(codes, minlength=len(names))
    told = _told(counts)
    values = {
        str(names[code]): {
            "users": int(counts[code]), **_value(numerator[codes == code], below[codes == code], rng)
        } for code in told
    }  # fmt: skip
    found: dict[str, Any] = {"groups": values, "hidden_users": int(counts.sum() - counts[told].sum())}
    named = [code for code in told if names[code] != UNKNOWN]
    return found | _unequal(codes, named, numerator, below, rng)


def _told(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The groups that may be told: all others together are none or SMALLEST, lest they be found by subtraction."""
    largest = np.argsort(-counts, kind="stable")
    most = int((counts >= SMALLEST).sum())
    while most and 0 < counts[largest[most:]].sum() < SMALLEST:
        most -= 1
    return np.sort(largest[:most])


def _value(numerator: Values, below: Values, rng: np.random.Generator) -> dict[str, Any]:
    picks = rng.integers(0, len(numerator), (DRAWS, len(numerator))) if len(numerator) <= 5000 else None
    if below.sum() <= 0:
        return {"value": None, "interval": None}
    value = float(numerator.sum() / below.sum())
    if picks is not None:
        drawn = numerator[picks].sum(1) / below[picks].sum(1).clip(1e-12)
        low, high = np.quantile(drawn, [0.025, 0.975])
    else:  # of so many the ratio is as good as normal (delta method), and a bootstrap would take memory
        spread = 1.96 * float(np.std(numerator - value * below)) / np.sqrt(len(numerator)) / float(below.mean())
        low, high = value - spread, value + spread
    return {"value": round(value, 5), "interval": [round(float(low), 5), round(float(high), 5)]}


def _unequal(
    codes: NDArray[np.int64], named: list[np.int64], numerator: Values, below: Values, rng: np.random.Generator
) -> dict[str, Any]:
    """Worst over best of the groups that are told and known, beside the same of shuffled groups."""
    none = dict.fromkeys(("worst", "best", "worst_over_best", "expected_by_chance", "p_value"))
    inside = np.isin(codes, named)
    place = np.searchsorted(named, codes[inside]) if named else codes[:0]
    above, under = numerator[inside], below[inside]

    def ratio(place: NDArray[np.int64]) -> float:
        sums, bases = (np.bincount(place, values, minlength=len(named)) for values in (above, under))
        means = sums / bases.clip(1e-12)
        return float(means.min() / means.max()) if means.max() > 0 and (bases > 0).all() else np.nan

    if len(named) < 2 or np.isnan(found := ratio(place)):
        return none
    chance = np.array([ratio(rng.permutation(place)) for _ in range(DRAWS)])
    chance = chance[~np.isnan(chance)]
    return {
        "worst_over_best": round(found, 4),
        "expected_by_chance": round(float(chance.mean()), 4) if len(chance) else None,
        "p_value": round(float(((chance <= found).sum() + 1) / (len(chance) + 1)), 4),
    }
