"""The views as they would have been read at a moment of the past: SQL over the views themselves.

What happened later is not in it. What is known only as it is now stays as it is: consents and who is seen, and what
catalogue and models say of an item.
"""

from __future__ import annotations

from collections.abc import Callable

from persona.analyze.dictionary import View, view_named
from persona.store.sums import WEIGHTS
from persona.taste.table import FACET_NAMES, STATEMENTS

_TRAITS = ("age_band", "skin_tone", "skin_tone_band", "undertone", "body_shape")


def as_of_source(view: str, dialect: str) -> str:
    """A view's rows at the moment `:as_of` (an aware time) as a table expression, with the view's columns.

    Facts, items and embeddings: those with a time up to then, that moment included (of embeddings no more than the
    last of a version is kept). `dim_user`: who was stored by then, with traits as they were (unknown for the time
    before histories were kept) and the events up to then. `dim_user_history`: what is valid at the moment has no end.
    `agg_user_taste_month`: from the events up to then, the month's later ones not counted. `agg_item_day`: the days
    that were over, since by whom the last day's events are is not all for analysts to see.
    """
    made = _MADE.get(view)
    return f"({made(dialect) if made else _up_to(view_named(view))})"


def weight_of(column: str) -> str:
    """SQL: what an event weighs in its user's taste, by its type."""
    cases = " ".join(f"WHEN '{name}' THEN {weight}" for name, weight in WEIGHTS.items())
    return f"CAST(CASE {column} {cases} END AS DOUBLE PRECISION)"


def _up_to(view: View) -> str:
    return f"SELECT * FROM {view.name} WHERE {view.time} <= :as_of"


def _history(dialect: str) -> str:
    ends = "CASE WHEN valid_to > :as_of THEN NULL ELSE valid_to END AS valid_to"
    columns = ", ".join(ends if name == "valid_to" else name for name in view_named("dim_user_history").columns)
    return f"SELECT {columns} FROM dim_user_history WHERE valid_from <= :as_of"


def _item_days(dialect: str) -> str:
    today = "date(:as_of)" if dialect == "sqlite" else "(CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date"
    return f"SELECT * FROM agg_item_day WHERE day < {today}"


_ACTS = f"""acts AS (
    SELECT e.user_id, e.month, e.at, {", ".join(f"i.{facet}" for facet in FACET_NAMES)}, {weight_of("e.type")} AS weight
    FROM fct_event e JOIN dim_item i ON i.item_id = e.item_id WHERE i.domain = 'garment' AND e.at <= :as_of)"""


def _by_facet(keys: str) -> str:
    """What the acts weigh for each value of each facet."""
    return " UNION ALL ".join(
        f"SELECT {keys}, '{facet}' AS facet, {facet} AS value, sum(weight) AS weight FROM acts "
        f"WHERE {facet} IS NOT NULL GROUP BY {keys}, {facet}"
        for facet in FACET_NAMES
    )


def _months(dialect: str) -> str:
    return f"""
        WITH {_ACTS}, weights AS ({_by_facet("user_id, month")}),
            counts AS (SELECT user_id, month, count(*) AS events FROM acts GROUP BY user_id, month)
        SELECT w.user_id, w.month, w.facet, w.value, w.weight, c.events
        FROM weights w JOIN counts c ON c.user_id = w.user_id AND c.month = w.month"""


def _users(dialect: str) -> str:
    places = " ".join(f"WHEN '{facet}={value}' THEN {place}" for place, (facet, value) in enumerate(STATEMENTS))
    tops = ", ".join(
        f"max(CASE WHEN facet = '{facet}' AND n = 1 THEN value END) AS top_{facet}" for facet in FACET_NAMES
    )
    vector = "json_group_object(place, weight)" if dialect == "sqlite" else "jsonb_object_agg(place, weight)"
    return f"""
        WITH {_ACTS}, weights AS ({_by_facet("user_id")}),
            placed AS (SELECT *, CASE facet || '=' || value {places} END AS place FROM weights),
            ranked AS (SELECT *, CASE WHEN weight > 0 THEN
                row_number() OVER (PARTITION BY user_id, facet ORDER BY weight DESC, place) END AS n FROM placed),
            tastes AS (SELECT user_id, {vector} AS taste, {tops} FROM ranked GROUP BY user_id),
            counts AS (SELECT user_id, count(*) AS events, min(at) AS first_at, max(at) AS last_at FROM acts
                GROUP BY user_id),
            traits AS MATERIALIZED (SELECT user_id, valid_from, {", ".join(_TRAITS)} FROM dim_user_history
                WHERE valid_from <= :as_of AND (valid_to IS NULL OR valid_to > :as_of))
        SELECT u.user_id, {", ".join(f"h.{trait}" for trait in _TRAITS)}, u.source, u.training, u.created_at,
            coalesce(h.valid_from, u.created_at) AS valid_from, coalesce(c.events, 0) AS events,
            c.first_at AS first_event_at, c.last_at AS last_event_at,
            CASE WHEN c.events >= 50 THEN 'high' WHEN c.events >= 10 THEN 'medium' WHEN c.events >= 1 THEN 'low'
                ELSE 'none' END AS activity,
            {", ".join(f"t.top_{facet}" for facet in FACET_NAMES)}, t.taste
        FROM dim_user u LEFT JOIN traits h ON h.user_id = u.user_id
            LEFT JOIN counts c ON c.user_id = u.user_id LEFT JOIN tastes t ON t.user_id = u.user_id
        WHERE u.created_at <= :as_of"""


_MADE: dict[str, Callable[[str], str]] = {
    "dim_user": _users,
    "dim_user_history": _history,
    "agg_user_taste_month": _months,
    "agg_item_day": _item_days,
}
