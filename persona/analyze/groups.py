"""Users in groups: by a word that `dim_user` says of them, or as a frame tells. Small groups are not shown."""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest

from persona.analyze.dictionary import view_named
from persona.errors import BadInput
from persona.store.popularity import SEGMENT

EVERYBODY = "all"
OTHER = "other"  # groups of fewer than SEGMENT users, together


def words() -> list[str]:
    """The columns of `dim_user` by which users can be divided."""
    return [name for name, column in view_named("dim_user").columns.items() if column.type == "word"]


def checked(by: str) -> str:
    """A column that divides users. Raises BadInput for another."""
    if by not in words():
        raise BadInput("by", f"{by!r} does not divide users; choose from {', '.join(words())}")
    return by


def grouped(users: pd.DataFrame, by: str | pd.DataFrame | None) -> pd.Series:
    """The group (str) of each user (index), in the order of `users`; who is in none is left out.

    users: with user_id, and the column `by` names; by a frame: its user_id and segment; None: all are one group. Of
    those that dim_user knows nothing of the group is "unknown".
    """
    ids = users["user_id"].astype(str)
    if by is None:
        return pd.Series(EVERYBODY, ids, dtype=object)
    if isinstance(by, str):
        return pd.Series(users[by].astype(object).fillna("unknown").to_numpy(), ids, dtype=object)
    if missing := {"user_id", "segment"} - set(by.columns):
        raise BadInput("by", f"lacks the column {min(missing)!r}; give a frame with user_id and segment")
    told = by.drop_duplicates("user_id").set_index("user_id")["segment"].astype(object)
    return told.reindex(ids).dropna().astype(str).astype(object)


def hide_small(sizes: pd.Series) -> dict[str, str]:
    """How groups of these sizes are shown: by their own name, or those under SEGMENT users as OTHER together.

    Where these are too few together, too, they are not shown: they are not in what is returned.
    """
    small = sizes[sizes < SEGMENT]
    shown = {str(name): str(name) for name in sizes.index if name not in small.index}
    if small.sum() >= SEGMENT:
        shown |= {str(name): OTHER for name in small.index}
    return shown


def interval(of: int, all: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (E. B. Wilson, 1927)."""
    found = binomtest(of, all).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
