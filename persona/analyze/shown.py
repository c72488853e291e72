"""What became of what was shown, as SQL on the views: the common ground of the funnel and of A/B tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from persona.errors import BadInput

# What counts as each step. Who likes a thing has seen it, and who buys it had it in the cart.
STEPS: Mapping[str, tuple[str, ...]] = {
    "view": ("view", "like", "save", "cart", "purchase"),
    "like": ("like", "save"),
    "cart": ("cart", "purchase"),
    "purchase": ("purchase",),
    "dislike": ("dislike", "hide"),
}
OF_THE_ANSWER = ("origin", "arm", "cold_start", "category", "rank", "taste_model", "generator_model")
OF_THE_USER = ("age_band", "skin_tone_band", "undertone", "body_shape", "activity", "source")
UNKNOWN = "unknown"
Parameters = dict[str, Any]


def things(by: str, since: datetime | None, until: datetime | None, dialect: str) -> tuple[str, Parameters]:
    """A query with a row for each thing that was shown, and its parameters.

    Columns: rec_id, user_id, at, grp (the value of `by`, as text), and for each of STEPS 1 or 0: whether the user did
    such a thing with it, after it was shown, in an event that names this answer. since, until: of the showing.
    """
    where, parameters = _within(since, until, dialect)
    done = ", ".join(
        f"max(CASE WHEN e.type IN ({', '.join(map(repr, types))}) THEN 1 ELSE 0 END) AS {_column(step)}"
        for step, types in STEPS.items()
    )
    user = "JOIN dim_user u ON u.user_id = r.user_id" if by in OF_THE_USER else ""
    sql = f"""
        SELECT r.rec_id, r.user_id, r.at, {_group(by)} AS grp, {done}
        FROM fct_recommendation r {user} LEFT JOIN fct_event e ON e.rec_id = r.rec_id AND e.user_id = r.user_id
            AND e.at >= r.at AND (e.item_id = r.item_id OR e.generation_id = r.generation_id)
        {where} GROUP BY r.rec_id, r.user_id, r.at, r.origin, r.rank, {_group(by)}"""
    return sql, parameters


def people(by: str, since: datetime | None, until: datetime | None, dialect: str) -> tuple[str, Parameters]:
    """As `things`, with a row for each user and group: `shown`, and how many of these each step was done with."""
    sql, parameters = things(by, since, until, dialect)
    sums = ", ".join(f"sum({_column(step)}) AS {_column(step)}" for step in STEPS)
    named = f"user_id, grp, min(at) AS first_at, count(*) AS shown, {sums}"
    return f"SELECT {named} FROM ({sql}) AS t GROUP BY user_id, grp", parameters


def column(step: str) -> str:
    """The column of a step. Raises BadInput for one that is none."""
    if step not in STEPS:
        raise BadInput("metric", f"there is no {step!r}; choose from {', '.join(STEPS)}")
    return _column(step)


def moment(field: str, at: datetime, dialect: str) -> datetime | str:
    """A time as the database compares it. Raises BadInput for one without its zone."""
    if at.tzinfo is None:
        raise BadInput(field, "has no time zone, and whose clock is meant cannot be told; write +00:00 or another")
    utc = at.astimezone(UTC)
    return utc if dialect == "postgresql" else utc.strftime("%Y-%m-%d %H:%M:%S.%f")


def _column(step: str) -> str:
    return f"did_{step}"  # some of them are words of SQL


def _group(by: str) -> str:
    if by in (*OF_THE_ANSWER, *OF_THE_USER):
        return f"coalesce(CAST({'r' if by in OF_THE_ANSWER else 'u'}.{by} AS varchar), '{UNKNOWN}')"
    raise BadInput("by", f"there is no {by!r}; choose from {', '.join((*OF_THE_ANSWER, *OF_THE_USER))}")


def _within(since: datetime | None, until: datetime | None, dialect: str) -> tuple[str, Parameters]:
    """The condition of a stretch of time, and its parameters."""
    limits = {"since": (">=", since), "until": ("<", until)}
    parameters = {name: moment(name, at, dialect) for name, (_, at) in limits.items() if at is not None}
    if since is not None and until is not None and since >= until:
        raise BadInput("until", f"{until.isoformat()} is not after {since.isoformat()}: nothing could be between")
    conditions = [f"r.at {limits[name][0]} :{name}" for name in parameters]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", parameters
