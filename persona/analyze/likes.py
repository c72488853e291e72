"""What users like, as their favourable events on garments say: read of a sample of them, counted in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from persona.store.popularity import SEGMENT

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

SAMPLE = 2000  # users of a group whose events are read
LIKES = ("like", "save", "cart", "purchase")
_AT_ONCE = 500  # users in one statement


def some(user_ids: Sequence[str], seed: int, most: int = SAMPLE) -> list[str]:
    """At most so many of the users, drawn by the seed."""
    if len(user_ids) <= most:
        return list(user_ids)
    rows = np.random.default_rng([seed, len(user_ids)]).permutation(len(user_ids))[:most]
    return [user_ids[row] for row in np.sort(rows)]


def liked_items(store: AnalystStore, user_ids: Sequence[str]) -> pd.DataFrame:
    """What these users liked, saved or bought: a row an item, with its users and events, most users first."""
    columns = "item_id", "category", "title", "colour"
    counted = _counts(store, user_ids, columns, "count(*)").rename(columns={"extra": "events"})
    order = counted.sort_values(["users", "events", "item_id"], ascending=[False, False, True])
    return order.reset_index(drop=True)


def liked_colours(store: AnalystStore, user_ids: Sequence[str]) -> pd.DataFrame:
    """The colours of what these users liked, saved or bought, by share of those events, most first: colour, share, and
    the mean of the colours as measured, lab_l, lab_a, lab_b. Colours of fewer than SEGMENT users are left out."""
    measured = ("count(i.lab_l)", "sum(i.lab_l)", "sum(i.lab_a)", "sum(i.lab_b)")
    found = _counts(store, user_ids, ("colour",), *measured)
    found.columns = pd.Index(["colour", "users", "events", "lab_l", "lab_a", "lab_b"])
    known = found[found["colour"].notna() & (found["events"] > 0)].astype(
        {"lab_l": float, "lab_a": float, "lab_b": float}
    )
    labs = known[["lab_l", "lab_a", "lab_b"]].div(known["events"], axis=0)
    shown = known.assign(share=known["events"] / max(1, known["events"].sum()), **labs)[known["users"] >= SEGMENT]
    ordered = shown.sort_values(["share", "colour"], ascending=[False, True])
    return ordered[["colour", "share", "lab_l", "lab_a", "lab_b"]].reset_index(drop=True)


def _counts(store: AnalystStore, user_ids: Sequence[str], columns: Sequence[str], *sums: str) -> pd.DataFrame:
    """Users, and sums over their favourable events, by columns of dim_item; these are added up over parts of users."""
    named = ", ".join(f"i.{column}" for column in columns)
    rows: dict[tuple[Any, ...], list[float]] = {}
    for users in parts(user_ids):
        sql = f"""SELECT {named}, count(DISTINCT e.user_id), {", ".join(sums)}
            FROM fct_event e JOIN dim_item i ON i.item_id = e.item_id
            WHERE e.user_id IN ({", ".join(f":{name}" for name in users)}) AND i.domain = 'garment'
            AND e.type IN ({", ".join(f"'{kind}'" for kind in LIKES)}) GROUP BY {named}"""
        with store.warehouse.query(sql, users) as result:
            for row in (row for page in result.pages for row in page):
                values = [value or 0 for value in row[len(columns) :]]
                known = rows.setdefault(tuple(row[: len(columns)]), [0] * len(values))
                known[:] = [before + value for before, value in zip(known, values, strict=True)]
    extra = ["extra"] if len(sums) == 1 else [f"extra{number}" for number in range(len(sums))]
    return pd.DataFrame([(*key, *values) for key, values in rows.items()], columns=[*columns, "users", *extra])


def parts(user_ids: Sequence[str]) -> Iterator[dict[str, str]]:
    """Users as the parameters of one statement at a time."""
    for at in range(0, len(user_ids), _AT_ONCE):
        yield {f"u{number}": name for number, name in enumerate(user_ids[at : at + _AT_ONCE])}
