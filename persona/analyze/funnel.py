"""The funnel: of what was shown, how much was seen, liked and bought; retrieved against generated, or by any group."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from persona.analyze.shown import Parameters, column, people
from persona.store.popularity import SEGMENT
from persona.store.warehouse import Warehouse

STEPS = {"viewed": "view", "liked": "like", "bought": "purchase"}
OTHER = "other"


def funnel(
    warehouse: Warehouse,
    by: str = "origin",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """What was shown and what came of it: a row for each value of `by`, most shown first.

    by: a column of fct_recommendation (origin, arm, cold_start, category, rank, taste_model, generator_model) or of
    dim_user (age_band, skin_tone_band, undertone, body_shape, activity, source). since, until: of the showing, with
    time zones. Columns: users, shown, then viewed, liked and bought with `_rate` (of what was shown), `_low` and
    `_high`. Each thing of each answer counts once, and only what was done with it after it was shown, by who was shown
    it, in an event that names the answer.

    The intervals are Wilson's (1927), at the number of things that would tell as much if each were shown to somebody
    else: of things shown to one user each tells less (Kish's design effect). Groups of fewer than 20 users are summed
    under "other"; attrs["left_out"] says how many things were shown to fewer still. Raises BadInput.
    """
    sql, parameters = people(by, since, until)
    found = _small_summed(warehouse, sql, parameters, _groups(warehouse, sql, parameters))
    shown = found[found.users >= SEGMENT].sort_values(["shown", "group"], ascending=[False, True], ignore_index=True)
    told = pd.DataFrame({by: shown.group.astype("category"), "users": shown.users, "shown": shown.shown})
    for step in STEPS:
        told[step] = shown[step]
        told[f"{step}_rate"], told[f"{step}_low"], told[f"{step}_high"] = _rates(shown, step, level)
    told.attrs["left_out"] = int(found.shown.sum() - shown.shown.sum())
    return told


def wilson(rate: np.ndarray, count: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of rates, each of so many trials, which need be no whole number."""
    z2 = norm.ppf((1 + level) / 2) ** 2
    middle = (rate + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (rate * (1 - rate) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return np.clip(middle - half, 0, rate), np.clip(middle + half, rate, 1)


def _groups(warehouse: Warehouse, sql: str, parameters: Parameters) -> pd.DataFrame:
    """Sums by group: users, shown, each step, and the sums of squares and products that variances are made of."""
    sums = {"users": "count(*)", "shown": "sum(shown)", "shown_shown": "sum(shown * shown)"}
    for name, step in STEPS.items():
        did = column(step)
        sums |= {name: f"sum({did})", f"{name}_{name}": f"sum({did} * {did})", f"{name}_shown": f"sum({did} * shown)"}
    told = ", ".join(f"{of} AS {name}" for name, of in sums.items())
    with warehouse.query(f"SELECT grp, {told} FROM ({sql}) AS p GROUP BY grp", parameters) as result:
        rows = [(group, *map(int, rest)) for page in result.pages for group, *rest in page]
    return pd.DataFrame(rows, columns=["group", *sums]).astype({"group": "str"} | dict.fromkeys(sums, "int64"))


def _small_summed(warehouse: Warehouse, sql: str, parameters: Parameters, groups: pd.DataFrame) -> pd.DataFrame:
    """Groups, with those of fewer users than may be told of as one."""
    small = groups.users < SEGMENT
    if small.sum() < 2:
        return groups
    names = {f"group_{number}": name for number, name in enumerate(groups.group[small])}
    among = ", ".join(f":{name}" for name in names)
    counted = f"SELECT count(DISTINCT user_id) FROM ({sql}) AS p WHERE grp IN ({among})"
    with warehouse.query(counted, {**parameters, **names}) as result:
        users = next(page[0][0] for page in result.pages)
    other = {**groups[small].drop(columns="group").sum(), "group": OTHER, "users": users}
    return pd.concat([groups[~small], pd.DataFrame([other])], ignore_index=True)


def _rates(groups: pd.DataFrame, step: str, level: float) -> tuple[Any, Any, Any]:
    shown, done = groups.shown.to_numpy(float), groups[step].to_numpy(float)
    rate = done / shown
    squares = groups[f"{step}_{step}"] - 2 * rate * groups[f"{step}_shown"] + rate**2 * groups.shown_shown
    alone = rate * (1 - rate) * shown  # the same, were things of one user no more alike than of two
    known = alone > 0
    effect = np.divide(squares.to_numpy(float), alone, out=shown / groups.users.to_numpy(float), where=known)
    return rate, *wilson(rate, shown / np.maximum(effect, 1), level)
