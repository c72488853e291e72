"""What became of what was shown, as SQL on the views: the common ground of the funnel and of A/B tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from persona.analyze.times import aware
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


def people(by: str, since: datetime | None, until: datetime | None) -> tuple[str, Parameters]:
    """A query with a row for each user and group, and its parameters.

    Columns: user_id, grp (the value of `by`, as text), first_at (when they were shown something first), shown (how many
    things), and for each of STEPS with how many of these the user did such a thing, after it was shown, in an event
    that names the answer. since, until: of the showing.
    """
    where, parameters = _within(since, until)
    done = ", ".join(f"sum(CASE WHEN a.{_column(step)} >= r.at THEN 1 ELSE 0 END) AS {_column(step)}" for step in STEPS)
    user = "JOIN dim_user u ON u.user_id = r.user_id" if by in OF_THE_USER else ""
    sql = f"""
        SELECT r.user_id, {_group(by)} AS grp, min(r.at) AS first_at, count(*) AS shown, {done}
        FROM fct_recommendation r {user} LEFT JOIN ({_acts()}) AS a ON a.rec_id = r.rec_id AND a.user_id = r.user_id
            AND a.origin = r.origin AND a.thing = coalesce(r.item_id, r.generation_id)
        {where} GROUP BY r.user_id, {_group(by)}"""
    return sql, parameters


def _acts() -> str:
    """A row for each thing of an answer that something was done with: when each step was done last. Made before it is
    joined, it is joined one to one, and nothing has to be grouped thing by thing."""
    last = ", ".join(
        f"max(CASE WHEN type IN ({', '.join(map(repr, types))}) THEN at END) AS {_column(step)}"
        for step, types in STEPS.items()
    )
    key = "rec_id, user_id, origin, coalesce(item_id, generation_id)"
    return f"SELECT {key} AS thing, {last} FROM fct_event WHERE rec_id IS NOT NULL GROUP BY {key}"


def column(step: str) -> str:
    """The column of a step. Raises BadInput for one that is none."""
    if step not in STEPS:
        raise BadInput("metric", f"there is no {step!r}; choose from {', '.join(STEPS)}")
    return _column(step)


def _column(step: str) -> str:
    return f"did_{step}"  # some of them are words of SQL


def _group(by: str) -> str:
    if by in (*OF_THE_ANSWER, *OF_THE_USER):
        return f"coalesce(CAST({'r' if by in OF_THE_ANSWER else 'u'}.{by} AS varchar), '{UNKNOWN}')"
    raise BadInput("by", f"there is no {by!r}; choose from {', '.join((*OF_THE_ANSWER, *OF_THE_USER))}")


def _within(since: datetime | None, until: datetime | None) -> tuple[str, Parameters]:
    """The condition of a stretch of time, and its parameters."""
    limits = {"since": (">=", since), "until": ("<", until)}
    parameters = {name: aware(name, at) for name, (_, at) in limits.items() if at is not None}
    if since is not None and until is not None and since >= until:
        raise BadInput("until", f"{until.isoformat()} is not after {since.isoformat()}: nothing could be between")
    conditions = [f"r.at {limits[name][0]} :{name}" for name in parameters]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", parameters
