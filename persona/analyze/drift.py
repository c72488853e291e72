"""How the taste of groups changes from month to month, against what chance alone would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.groups import checked, grouped, hide_small
from persona.analyze.training import among
from persona.errors import BadInput, NotFound
from persona.store.engine import batches
from persona.store.popularity import SEGMENT
from persona.taste.table import STATEMENTS, statement_code

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

DRAWN = 10_000  # users of a group at most: more would not narrow the intervals by what anybody sees
TIMES = 500  # that users are drawn anew, and that months are exchanged
_AT_ONCE = 5_000
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """A group's tastes in two months that follow each other: float32 (u, 37) each, of the same users.

    A row is a user's weights in that month at length 1, so that all count alike; 0 where there were none.
    """

    group: str
    before: pd.Timestamp
    after: pd.Timestamp
    old: Floats
    new: Floats


def drift(
    store: AnalystStore, by: str | pd.DataFrame | None = None, months: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """The cosine between a group's tastes in one month and the next, as of the last `persona analyze refresh`.

    by: a word of `dim_user`, a frame of user_id and segment, or None for all; months: the last so many. Columns: group,
    month_from, month_to, users (in either month), cosine; low, high: its 95 % interval over users (basic bootstrap:
    noise lowers a cosine, and this takes the same off again); control, control_low: mean and lower 5 % of the cosines
    after exchanging, for about half of the users, their two months: what is left when nothing but chance differs;
    p: of so low a cosine by chance. Of groups of more than DRAWN users so many are drawn (by the seed): `attrs` says
    of how many; groups of fewer than SEGMENT are not shown, see `attrs["hidden"]`, and taken together where they can.

    Raises NotFound where there are no monthly tastes.
    """
    steps, about = _steps(store, by, months, seed)
    rng = np.random.default_rng(seed)
    rows = [_measured(step, rng) for step in steps]
    columns = ["group", "month_from", "month_to", "users", "cosine", "low", "high", "control", "control_low", "p"]
    found = pd.DataFrame(rows, columns=columns)
    found.attrs.update(about)
    return found


def changes(
    store: AnalystStore, by: str | pd.DataFrame | None = None, months: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """What of each value of each facet makes up that drift: a row for each, those that drive it first.

    Columns: group, month_from, month_to, facet, value, change (of the value's part in the taste at length 1), low, high
    (95 %, bootstrap over users), part: of 1 - cosine, exactly, since that is half of the sum of the squared changes.
    """
    steps, about = _steps(store, by, months, seed)
    rng = np.random.default_rng(seed)
    names = pd.DataFrame(STATEMENTS, columns=["facet", "value"])
    parts = [_changed(step, names, rng) for step in steps]
    columns = ["group", "month_from", "month_to", "facet", "value", "change", "low", "high", "part"]
    found = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    found.attrs.update(about)
    return found


def _measured(step: Step, rng: np.random.Generator) -> tuple[object, ...]:
    cosine = float(_cosines(step.old.sum(0)[None], step.new.sum(0)[None])[0])
    drawn = _cosines(*_redrawn(step, rng))
    low, high = 2 * cosine - np.quantile(drawn, [0.975, 0.025])
    by_chance = _cosines(*_exchanged(step, rng))
    p = (1 + (by_chance <= cosine).sum()) / (1 + TIMES)
    interval = max(-1.0, min(low, cosine)), min(1.0, max(high, cosine))
    control = float(by_chance.mean()), float(np.quantile(by_chance, 0.05))
    return step.group, step.before, step.after, len(step.old), cosine, *interval, *control, float(p)


def _changed(step: Step, names: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    old, new = (_unit(tastes.sum(0)[None])[0] for tastes in (step.old, step.new))
    drawn_old, drawn_new = _redrawn(step, rng)
    low, high = np.quantile(_unit(drawn_new) - _unit(drawn_old), [0.025, 0.975], axis=0)
    change = new - old
    part = change**2 / max(float((change**2).sum()), 1e-12)
    found = names.assign(group=step.group, month_from=step.before, month_to=step.after)
    found = found.assign(change=change, low=low, high=high, part=part)
    return found.sort_values("part", ascending=False, kind="stable")


def _redrawn(step: Step, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The sums (TIMES, 37) of both months when users are drawn anew with replacement, each with both of their months.

    How often one is drawn is taken from Poisson's distribution, as the bootstrap of many does.
    """
    times = rng.poisson(1, (TIMES, len(step.old))).astype(np.float32)
    return times @ step.old, times @ step.new


def _exchanged(step: Step, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The same when for each user it is a coin's toss which month was which."""
    moved = rng.integers(0, 2, (TIMES, len(step.old))).astype(np.float32) @ (step.new - step.old)
    return step.old.sum(0) + moved, step.new.sum(0) - moved


def _unit(vectors: Floats) -> Floats:
    """At length 1; 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _cosines(some: Floats, others: Floats) -> NDArray[np.float64]:
    return np.einsum("ij,ij->i", _unit(some).astype(float), _unit(others).astype(float))


def _steps(
    store: AnalystStore, by: str | pd.DataFrame | None, months: int | None, seed: int
) -> tuple[list[Step], dict[str, object]]:
    """The months of each group that is shown, by twos, and what is to be said of the sample."""
    if months is not None and months < 2:
        raise BadInput("months", f"{months} cannot be compared; ask for at least 2")
    groups, about = _drawn(store, by, seed)
    tastes = _read(store, list(groups.index), months)
    if not tastes:
        raise NotFound("drift: there are no monthly tastes; run `persona analyze refresh` first")
    steps = []
    for group, places in sorted(pd.Series(range(len(groups))).groupby(groups.to_numpy()).groups.items()):
        for before, after in zip(tastes, list(tastes)[1:]):
            old, new = tastes[before][places], tastes[after][places]
            acted = old.any(1) | new.any(1)
            if acted.sum() >= SEGMENT and old.any() and new.any():
                steps.append(Step(str(group), before, after, old[acted], new[acted]))
    return steps, about


def _drawn(store: AnalystStore, by: str | pd.DataFrame | None, seed: int) -> tuple[pd.Series, dict[str, object]]:
    """Users (index) who did something with the group of each that is shown, at most DRAWN of each."""
    columns = ["user_id", checked(by)] if isinstance(by, str) else ["user_id"]
    groups = grouped(store.frame("dim_user", columns, where="events > 0"), by).sort_index()
    shown = hide_small(groups.value_counts())
    hidden = int((~groups.isin(list(shown))).sum())
    groups = groups.map(shown).dropna()
    drawn = groups.sample(frac=1, random_state=seed).groupby(groups, sort=True).head(DRAWN).sort_index()
    return drawn, {"of_users": groups.value_counts().to_dict(), "drawn_at_most": DRAWN, "hidden": hidden}


def _read(store: AnalystStore, users: list[str], months: int | None) -> dict[pd.Timestamp, Floats]:
    """By month, in their order: the tastes of all these users, (u, 37), at length 1."""
    place = {user: number for number, user in enumerate(users)}
    found: dict[pd.Timestamp, Floats] = {}
    for part in _monthly(store, users):
        rows = part["user_id"].map(place).to_numpy()
        codes = [statement_code(*said) for said in zip(part["facet"], part["value"])]
        weights = part["weight"].to_numpy(np.float32)
        for month, at in part.groupby("month").indices.items():
            tastes = found.setdefault(pd.Timestamp(str(month)), np.zeros((len(users), len(STATEMENTS)), np.float32))
            tastes[rows[at], np.array(codes)[at]] = weights[at]
    last = sorted(found)[-(months or len(found)) :]
    return {month: _unit(found[month]) for month in last}


def _monthly(store: AnalystStore, users: list[str]) -> Iterator[pd.DataFrame]:
    for part in batches(users, _AT_ONCE):
        where, parameters = among(part)
        yield from store.stream(
            "agg_user_taste_month", ["user_id", "month", "facet", "value", "weight"], where, parameters
        )
