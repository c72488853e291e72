"""A/B tests between arms: the difference of users' rates, with an interval, and no harm in looking early or often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chisquare, t

from persona.analyze.sequential import always_valid, cautious_variance
from persona.analyze.shown import Parameters, column, people
from persona.errors import BadInput
from persona.settings import load_settings
from persona.store.popularity import SEGMENT
from persona.store.warehouse import Warehouse

Look = Literal["sequential", "final"]
EFFECT = 0.01  # one more of a hundred things that are shown
SUSPECT = 0.001  # p value below which the arms' sizes are no chance (Fabijan et al., 2019)


@dataclass(frozen=True)
class Arm:
    """An arm's users, and the sums of their rates: of what each was shown, the share that the step was done with."""

    name: str
    users: int
    total: float
    squares: float

    @property
    def rate(self) -> float:
        """The mean of its users' rates."""
        return self.total / self.users

    @property
    def variance(self) -> float:
        """Of the users' rates."""
        return max(0.0, self.squares - self.users * self.rate**2) / (self.users - 1)


@dataclass(frozen=True)
class ABTest:
    """What an A/B test says so far. difference: the second arm's rate less the first's, with its interval.

    shares_p: of the arms' sizes under the shares; moved: users who were in several arms and count in none.
    """

    metric: str
    look: Look
    arms: tuple[Arm, Arm]
    difference: float
    low: float
    high: float
    p_value: float
    alpha: float
    shares_p: float
    moved: int

    @property
    def significant(self) -> bool:
        """Whether the arms differ, at `alpha`."""
        return self.p_value <= self.alpha

    @property
    def suspect(self) -> bool:
        """Whether the arms' sizes are not those of the shares: then something else than the arms differs too, and the
        difference cannot be trusted."""
        return self.shares_p < SUSPECT

    def frame(self) -> pd.DataFrame:
        """A row for each arm: arm, users, rate, and of the second arm difference, low, high and p_value."""
        first, second = ({"arm": arm.name, "users": arm.users, "rate": arm.rate} for arm in self.arms)
        compared = {"difference": self.difference, "low": self.low, "high": self.high, "p_value": self.p_value}
        return pd.DataFrame([first, {**second, **compared}], columns=["arm", "users", "rate", *compared])


def ab_test(
    warehouse: Warehouse,
    metric: str = "like",
    *,
    arms: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    look: Look = "sequential",
    planned: int | None = None,
    shares: Mapping[str, float] | None = None,
    alpha: float = 0.05,
    effect: float = EFFECT,
) -> ABTest:
    """Compare two arms by what their users did with what they were shown, counted as in `funnel`.

    metric: view, like, cart, purchase or dislike. arms: (first, second); None: those two that there are. since, until:
    of the showing, with time zones. shares: of the users by arm; None: as set, else equal.

    look "sequential": may be repeated at any time, and stopped at any result; see `always_valid`. effect: size of the
    difference that is looked for. look "final": Welch's t test, which is narrower and only holds if it is done once, at
    a number of users fixed before: planned, of both arms together. It takes the first so many who were shown something.

    Users are what was assigned by chance, so each counts the same, however much they were shown. Raises BadInput for
    arms that are not there or of fewer than 20 users, and for a final look that was not planned or comes too early.
    """
    did = column(metric)
    _check(look, planned, alpha, effect)
    sql, parameters = people("arm", since, until)
    found, moved = _arms(warehouse, sql, parameters, did)
    sizes = {name: arm.users for name, arm in found.items()}
    pair = _pair(sizes, arms)
    if planned is not None:
        found = _first(warehouse, sql, parameters, did, pair, planned, sum(sizes[name] for name in pair))
    first, second = (found[name] for name in pair)
    difference = second.rate - first.rate
    low, high, p_value = _compared(first, second, look, alpha, effect)
    shares_p = _shares_p(sizes, pair, shares)
    return ABTest(metric, look, (first, second), difference, low, high, p_value, alpha, shares_p, moved)


def _check(look: str, planned: int | None, alpha: float, effect: float) -> None:
    if look not in ("sequential", "final"):
        raise BadInput("look", f"there is no {look!r}; choose sequential or final")
    if look == "final" and planned is None:
        raise BadInput(
            "planned",
            "a final look needs the number of users that was planned before the test began: a test that is repeated "
            'until it says yes says yes to everything; look="sequential" needs no plan',
        )
    if look == "sequential" and planned is not None:
        raise BadInput("planned", 'goes with look="final"; leave it out, or look once at the end')
    if planned is not None and planned < 2 * SEGMENT:
        raise BadInput("planned", f"{planned} users are too few to tell anything; plan {2 * SEGMENT} at least")
    if not 0 < alpha < 1:
        raise BadInput("alpha", f"{alpha:g} is no chance of error; choose one between 0 and 1, such as 0.05")
    if not 0 < effect <= 1:
        raise BadInput("effect", f"{effect:g} is no difference of rates; choose one above 0 and up to 1, such as 0.01")


def _arms(warehouse: Warehouse, sql: str, parameters: Parameters, did: str) -> tuple[dict[str, Arm], int]:
    """The arms by name, and how many users were in several: a row each comes out, however many users there are."""
    with warehouse.query(_sums(_users(sql, did)), parameters) as result:
        rows = [row for page in result.pages for row in page]
    found = {name: Arm(name, int(n), float(s), float(q)) for name, n, s, q in rows}
    moved = found.pop(None, None)
    return found, moved.users if moved else 0


def _first(
    warehouse: Warehouse, sql: str, parameters: Parameters, did: str, pair: tuple[str, str], planned: int, users: int
) -> dict[str, Arm]:
    """Both arms of the users who were shown something first, as many as were planned."""
    if users < planned:
        raise BadInput(
            "planned",
            f"{users:,} of {planned:,} users so far: a final look is taken once, when all are there; until then "
            'look="sequential" holds at any time',
        )
    among = f"SELECT * FROM ({_users(sql, did)}) AS w WHERE arm IN (:first, :second) ORDER BY first_at, user_id"
    some, both = f"{among} LIMIT {planned}", {**parameters, "first": pair[0], "second": pair[1]}
    with warehouse.query(_sums(some), both) as result:
        found = {name: Arm(name, int(n), float(s), float(q)) for page in result.pages for name, n, s, q in page}
    if len(found) < 2 or min(arm.users for arm in found.values()) < SEGMENT:
        raise BadInput("planned", f"of the first {planned} users one arm has fewer than {SEGMENT}; plan more")
    return found


def _users(sql: str, did: str) -> str:
    """A row for each user: arm (NULL of those who were in several), first_at, and rate."""
    one = "CASE WHEN min(grp) = max(grp) THEN min(grp) END AS arm"
    rate = f"CAST(sum({did}) AS double precision) / sum(shown) AS rate"
    return f"SELECT user_id, {one}, min(first_at) AS first_at, {rate} FROM ({sql}) AS p GROUP BY user_id"


def _sums(users: str) -> str:
    return f"SELECT arm, count(*), sum(rate), sum(rate * rate) FROM ({users}) AS u GROUP BY arm"


def _pair(sizes: Mapping[str, int], arms: Sequence[str] | None) -> tuple[str, str]:
    told = ", ".join(sorted(name for name in sizes if sizes[name] >= SEGMENT)) or "none of 20 users or more"
    pair = sorted(sizes) if arms is None else list(arms)
    if len(set(pair)) != 2:
        raise BadInput("arms", f"name two that users were shown answers of; there are: {told}")
    for name in pair:
        if sizes.get(name, 0) < SEGMENT:
            raise BadInput("arms", f"{name!r} was shown to fewer than {SEGMENT} users; there are: {told}")
    return pair[0], pair[1]


def _compared(first: Arm, second: Arm, look: Look, alpha: float, effect: float) -> tuple[float, float, float]:
    """(low, high, p value) of the difference."""
    difference = second.rate - first.rate
    if look == "sequential":
        variance = sum(cautious_variance(arm.users, arm.total, arm.squares) for arm in (first, second))
        low, high, p_value = (float(x) for x in always_valid(difference, variance, effect=effect, alpha=alpha))
        return max(-1.0, low), min(1.0, high), p_value
    parts = np.array([arm.variance / arm.users for arm in (first, second)])
    if not parts.sum():
        return -1.0, 1.0, 1.0  # nobody differs from anybody: a t test has nothing to go by
    freedom = parts.sum() ** 2 / sum(part**2 / (arm.users - 1) for part, arm in zip(parts, (first, second)))
    error = float(np.sqrt(parts.sum()))
    half = float(t.ppf(1 - alpha / 2, freedom)) * error
    return difference - half, difference + half, float(2 * t.sf(abs(difference) / error, freedom))


def _shares_p(sizes: Mapping[str, int], pair: tuple[str, str], shares: Mapping[str, float] | None) -> float:
    """The chance of arms so far from their shares (a sample ratio mismatch)."""
    if shares is None:
        arms = load_settings().arms
        shares = {name: arms[name].share if set(pair) <= arms.keys() else 1.0 for name in pair}
    if not all(shares.get(name, 0) > 0 for name in pair):
        raise BadInput("shares", f"need a share above 0 for each of {', '.join(pair)}")
    found, total = [sizes[name] for name in pair], sum(shares[name] for name in pair)
    return float(chisquare(found, [shares[name] / total * sum(found) for name in pair]).pvalue)
