"""What was shown: rates by group of users, and how the places are shared among items and their owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.fairness import SMALLEST, TRAITS, by_groups
from persona.analyze.likes import LIKES
from persona.analyze.store import AnalystStore
from persona.store.records import Item

MOST_OWNERS = 20  # told by name

_RATES = f"""
    SELECT s.user_id, {", ".join(f"u.{name}" for name in TRAITS)}, s.shown, s.favoured
    FROM (
        SELECT r.user_id, count(*) AS shown, sum(CASE WHEN EXISTS (
            SELECT 1 FROM fct_event e WHERE e.user_id = r.user_id AND e.rec_id = r.rec_id AND e.at >= r.at
                AND (e.item_id = r.item_id OR e.generation_id = r.generation_id)
                AND e.type IN ('{"', '".join(LIKES)}')
        ) THEN 1 ELSE 0 END) AS favoured
        FROM fct_recommendation r WHERE r.origin = :origin GROUP BY r.user_id
    ) s JOIN dim_user u ON u.user_id = s.user_id ORDER BY s.user_id
"""
_PLACES = "SELECT item_id, count(*) AS shown FROM fct_recommendation WHERE origin = 'retrieved' GROUP BY item_id"


def online_rates(store: AnalystStore, seed: int = 0) -> dict[str, Any]:
    """Share of what was shown that its user then liked, saved, put in the cart or bought, by group and origin.

    An act counts once for a thing in an answer, and only if it names that answer.
    """
    return {origin: _rates(_asked(store, _RATES, {"origin": origin}), seed) for origin in ("retrieved", "generated")}


def _rates(users: pd.DataFrame, seed: int) -> dict[str, Any]:
    shown, favoured = (users[name].to_numpy(np.float64) for name in ("shown", "favoured"))
    return by_groups(users, favoured, shown, seed=seed)


def places(store: AnalystStore) -> dict[str, int]:
    """How often each item was shown to users whom analysts see, in the answers of the endpoint."""
    found = _asked(store, _PLACES)
    return dict(zip(found["item_id"], found["shown"].astype(int), strict=True))


def _asked(store: AnalystStore, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
    with store.warehouse.query(sql, parameters) as result:
        pages = [pd.DataFrame(page, columns=list(result.columns)) for page in result.pages]
    return pd.concat(pages, ignore_index=True) if pages else pd.DataFrame(columns=list(result.columns))


def exposure(items: Sequence[Item], shown: Mapping[str, int]) -> dict[str, Any]:
    """How places are shared among the active items and among their owners, and who has none.

    An owner's `ratio` is the share of places over the share of the catalogue: 1 is even. Owners of fewer than SMALLEST
    items may be single people, and are told together.
    """
    active = [item for item in items if item.active]
    counts = np.array([shown.get(item.id, 0) for item in active], np.float64)
    if not counts.sum():
        return {"places": 0, "items": len(active)}
    owners = pd.Series([item.owner or "no owner" for item in active])
    by_owner = pd.DataFrame({"owner": owners, "items": 1, "places": counts}).groupby("owner", as_index=False).sum()
    return {
        "places": int(counts.sum()),
        "items": len(active),
        "items_never_shown": int((counts == 0).sum()),
        "gini_items": gini(counts),
        "top_tenth_share": round(float(np.sort(counts)[::-1][: max(1, len(counts) // 10)].sum() / counts.sum()), 4),
        "owners": len(by_owner),
        "owners_never_shown": int((by_owner["places"] == 0).sum()),
        "owners_never_shown_items": int(by_owner.loc[by_owner["places"] == 0, "items"].sum()),
        "gini_owners": gini(by_owner["places"].to_numpy(), by_owner["items"].to_numpy(np.float64)),
        "by_owner": _told(by_owner),
    }


def _told(by_owner: pd.DataFrame) -> list[dict[str, Any]]:
    """The largest owners by name and all others together, largest first."""
    large = by_owner[by_owner["items"] >= SMALLEST].nlargest(MOST_OWNERS, "items")
    rest = by_owner.drop(large.index)
    columns = (large[name].tolist() for name in ("owner", "items", "places"))
    rows = list(zip(*columns, strict=True))
    if len(rest):
        rows.append((f"{len(rest)} others", int(rest["items"].sum()), int(rest["places"].sum())))
    everything, every_place = by_owner["items"].sum(), by_owner["places"].sum()
    return [
        {
            "owner": owner, "items": items, "share_of_catalogue": round(items / everything, 4),
            "share_of_places": round(found / every_place, 4),
            "ratio": round(found / every_place * everything / items, 3),
        } for owner, items, found in rows
    ]  # fmt: skip


def gini(amounts: NDArray[np.floating], sizes: NDArray[np.floating] | None = None) -> float:
    """The Gini index of amounts (n,) among holders of these sizes (None: all alike): 0 even, near 1 with one holder.

    One less twice the area under the Lorenz curve, holders in the order of what they have for their size.
    """
    sizes = np.ones(len(amounts)) if sizes is None else sizes
    order = np.argsort(amounts / sizes, kind="stable")
    held = np.concatenate([[0], np.cumsum(amounts[order])]) / amounts.sum()
    base = np.concatenate([[0], np.cumsum(sizes[order])]) / sizes.sum()
    return round(float(1 - np.sum(np.diff(base) * (held[1:] + held[:-1]))), 4)
