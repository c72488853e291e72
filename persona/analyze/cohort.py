"""Who stays: of the users who began in a month, or who have a trait in common, the share that comes back later."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from persona.analyze.dictionary import view_named
from persona.analyze.frames import everything
from persona.analyze.groups import checked, hide_small, interval
from persona.analyze.times import aware
from persona.errors import NotFound

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore


def cohort(
    store: AnalystStore, by: str = "month", months: int | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """The share of users who did something again, by months since the month of their first event.

    by: "month", that of the first event, or a word that `dim_user` says of users now. months: at most so many later;
    until: as of then (an aware time), else as of the last event. Only months that were over by then count, so that
    each share is of a whole month, and only users whose month so much later was over. Months are those of UTC.

    Columns: cohort (a month as 2026-03, or the word), months (0: that of the first event), users, active, share, low,
    high (95 %, Wilson). Cohorts of fewer than SEGMENT users are taken together as "other", or left out where these,
    too, are fewer; `attrs["hidden"]` says how many users that are. Raises NotFound where nobody did anything.
    """
    if by != "month":
        checked(by)
    at = _until(store, until)
    counts = _counts(store, by, at)
    over = pd.Timestamp(at).tz_localize(None).to_period("M")
    counts = counts[counts["month"].dt.to_period("M") < over]
    names = counts["first"].dt.strftime("%Y-%m") if by == "month" else counts["word"].astype(object).fillna("unknown")
    began = counts[counts["first"] == counts["month"]].assign(cohort=names)
    shown = hide_small(began.groupby("cohort")["users"].sum())
    found = _table(counts.assign(cohort=names.map(shown)).dropna(subset="cohort"), over, months)
    found.attrs["hidden"] = int(began.loc[~began["cohort"].isin(list(shown)), "users"].sum())
    found.attrs["until"] = at
    return found


def _until(store: AnalystStore, until: datetime | None) -> datetime:
    if until is not None:
        return aware("until", until)
    types = {"at": view_named("fct_event").columns["at"]}
    last = everything(store.warehouse, "SELECT max(at) AS at FROM fct_event", None, types)["at"].iloc[0]
    if pd.isna(last):
        raise NotFound("cohort: nobody whom analysts see did anything; there is nothing to count")
    return aware("until", last)


def _counts(store: AnalystStore, by: str, at: datetime) -> pd.DataFrame:
    """How many users began in a month (`first`, of those of a `word`) and did something in a month: `users`."""
    word, users = ("NULL", "") if by == "month" else (f"u.{by}", "JOIN dim_user u ON u.user_id = a.user_id")
    sql = f"""
        WITH acts AS MATERIALIZED (SELECT DISTINCT user_id, month FROM fct_event WHERE at < :until),
            began AS MATERIALIZED (SELECT user_id, min(month) AS first FROM acts GROUP BY user_id)
        SELECT b.first, a.month, {word} AS word, count(*) AS users
        FROM acts a JOIN began b ON b.user_id = a.user_id {users}
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    month = view_named("fct_event").columns["month"]
    return everything(store.warehouse, sql, {"until": at}, {"first": month, "month": month})


def _table(counts: pd.DataFrame, over: pd.Period, months: int | None) -> pd.DataFrame:
    """Cohorts by months later. A first month counts for what is so much later only if that was over."""
    first, month = (counts[name].dt.to_period("M") for name in ("first", "month"))
    counts = counts.assign(first=first, later=[(b - a).n for a, b in zip(first, month)])
    rows = []
    for name, of in counts.groupby("cohort", sort=True):
        began = of[of["later"] == 0].groupby("first")["users"].sum()
        longest = max((over - start).n - 1 for start in began.index)
        for later in range(min(longest, longest if months is None else months) + 1):
            firsts = [start for start in began.index if start + later < over]
            users = int(began[firsts].sum())
            active = int(of.loc[of["first"].isin(firsts) & (of["later"] == later), "users"].sum())
            rows.append((name, later, users, active, active / users, *interval(active, users)))
    return pd.DataFrame(rows, columns=["cohort", "months", "users", "active", "share", "low", "high"])
