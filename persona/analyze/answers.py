"""The saved questions answered in pandas, each by the function of its name: the same numbers as the SQL gives.

They read whole views. For a company of millions ask in SQL, or give `AnalystStore.frame` a `where`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from persona.analyze.likes import LIKES
from persona.analyze.store import AnalystStore

FAVOURABLE = list(LIKES)


def colours_by_age(store: AnalystStore, since: date, at_least: int) -> pd.DataFrame:
    """age_band, colour, users, times, share (of the age band's)."""
    events = store.frame("fct_event", ["user_id", "item_id", "type", "day"])
    events = events[events["type"].isin(FAVOURABLE) & (events["day"] >= pd.Timestamp(since))]
    users = store.frame("dim_user", ["user_id", "age_band"]).dropna()
    items = store.frame("dim_item", ["item_id", "colour"]).dropna()
    liked = events.merge(users, on="user_id").merge(items, on="item_id").groupby(["age_band", "colour"], observed=True)
    found = liked["user_id"].agg(users="nunique", times="size").reset_index()
    found["share"] = found["times"] / found.groupby("age_band", observed=True)["times"].transform("sum")
    return found[found["users"] >= at_least]


def top_tastes(store: AnalystStore, age_band: str, at_least: int) -> pd.DataFrame:
    """top_category, top_colour, users, events_per_user."""
    users = store.frame("dim_user", ["age_band", "top_category", "top_colour", "events"])
    users = users[(age_band == "all") | (users["age_band"] == age_band)]
    groups = users.groupby(["top_category", "top_colour"], observed=True)["events"]
    found = groups.agg(users="size", events_per_user="mean").reset_index()
    return found[found["users"] >= at_least]


def taste_by_month(store: AnalystStore, facet: str, since: date, at_least: int) -> pd.DataFrame:
    """month, value, users, weight, share (of the month's)."""
    tastes = store.frame("agg_user_taste_month", ["user_id", "month", "facet", "value", "weight"])
    tastes = tastes[(tastes["facet"] == facet) & (tastes["weight"] > 0) & (tastes["month"] >= pd.Timestamp(since))]
    groups = tastes.groupby(["month", "value"], observed=True)
    found = groups.agg(users=("user_id", "nunique"), weight=("weight", "sum")).reset_index()
    found["share"] = found["weight"] / found.groupby("month")["weight"].transform("sum")
    return found[found["users"] >= at_least]


def active_users(store: AnalystStore, since: date, at_least: int) -> pd.DataFrame:
    """month, users, events, events_per_user, beginners (NaN: too few)."""
    events = store.frame("fct_event", ["user_id", "month"])
    found = events.groupby("month")["user_id"].agg(users="nunique", events="size").reset_index()
    found["events_per_user"] = found["events"] / found["users"]
    beginners = found["month"].map(events.groupby("user_id")["month"].min().value_counts()).fillna(0)
    found["beginners"] = beginners.where(beginners >= at_least)
    return found[(found["users"] >= at_least) & (found["month"] >= pd.Timestamp(since))]


def retention(store: AnalystStore, since: date, at_least: int) -> pd.DataFrame:
    """began_month, month, users (who began), returned, share."""
    active = store.frame("fct_event", ["user_id", "month"]).drop_duplicates()
    active["began_month"] = active.groupby("user_id")["month"].transform("min")
    found = active.groupby(["began_month", "month"]).size().reset_index(name="returned")
    sizes = active.groupby("began_month")["user_id"].nunique()
    found.insert(2, "users", found["began_month"].map(sizes))
    found["share"] = found["returned"] / found["users"]
    return found[(found["users"] >= at_least) & (found["began_month"] >= pd.Timestamp(since))]


def funnel(store: AnalystStore, at_least: int) -> pd.DataFrame:
    """origin, users, shown, liked, bought, like_rate, purchase_rate."""
    seen = reactions(store, liked=["like", "save"], bought=["purchase"])
    found = seen.groupby("origin", observed=True).agg(
        users=("user_id", "nunique"), shown=("user_id", "size"), liked=("liked", "sum"), bought=("bought", "sum")
    )
    found["like_rate"], found["purchase_rate"] = found["liked"] / found["shown"], found["bought"] / found["shown"]
    return found[found["users"] >= at_least].reset_index()


def fairness(store: AnalystStore, trait: str, at_least: int) -> pd.DataFrame:
    """of_group, users, shown, liked, like_rate."""
    seen = reactions(store, liked=FAVOURABLE).merge(store.frame("dim_user", ["user_id", trait]), on="user_id")
    groups = seen.groupby(seen[trait].astype(object).fillna("unknown").rename("of_group"))
    found = groups.agg(users=("user_id", "nunique"), shown=("user_id", "size"), liked=("liked", "sum"))
    found["like_rate"] = found["liked"] / found["shown"]
    return found[found["users"] >= at_least].reset_index()


def exposure(store: AnalystStore, since: date) -> pd.DataFrame:
    """owner, items, views, share_of_items, share_of_views."""
    days = store.frame("agg_item_day", ["item_id", "day", "views"])
    views = days[days["day"] >= pd.Timestamp(since)].groupby("item_id")["views"].sum()
    items = store.frame("dim_item", ["item_id", "domain", "owner"])
    items = items[items["domain"] == "garment"]
    items = items.assign(owner=items["owner"].fillna("nobody"), views=items["item_id"].map(views).fillna(0))
    found = items.groupby("owner")["views"].agg(items="size", views="sum").reset_index()
    found["share_of_items"] = found["items"] / found["items"].sum()
    found["share_of_views"] = found["views"] / (found["views"].sum() or np.nan)
    return found


def top_items(store: AnalystStore, since: date, count: int) -> pd.DataFrame:
    """item_id, title, category, colour, likes, saves, carts, purchases, wanted."""
    counted = ["likes", "saves", "carts", "purchases"]
    days = store.frame("agg_item_day", ["item_id", "day", *counted])
    done = days[days["day"] >= pd.Timestamp(since)].groupby("item_id")[counted].sum().reset_index()
    items = store.frame("dim_item", ["item_id", "domain", "title", "category", "colour"])
    found = items[items["domain"] == "garment"].drop(columns="domain").merge(done, on="item_id")
    found["wanted"] = found["likes"] + found["saves"] + found["carts"] + 2 * found["purchases"]
    return found.sort_values(["wanted", "item_id"], ascending=[False, True]).head(count)


def generated_pictures(store: AnalystStore, at_least: int) -> pd.DataFrame:
    """model, users, pictures, liked, disliked, like_rate."""
    pictures = store.frame("fct_generation", ["generation_id", "user_id", "model"]).dropna()
    events = store.frame("fct_event", ["generation_id", "type"])
    for name, types in {"liked": FAVOURABLE, "disliked": ["dislike", "hide"]}.items():
        reacted = events.loc[events["type"].isin(types), "generation_id"]
        pictures[name] = pictures["generation_id"].isin(reacted)
    found = pictures.groupby("model", observed=True).agg(
        users=("user_id", "nunique"), pictures=("user_id", "size"), liked=("liked", "sum"), disliked=("disliked", "sum")
    )
    found["like_rate"] = found["liked"] / found["pictures"]
    return found[found["users"] >= at_least].reset_index()


def reactions(store: AnalystStore, **wanted: list[str]) -> pd.DataFrame:
    """Each thing that was shown, and whether its user did to it, in that answer and not before, what is asked for."""
    shown = store.frame("fct_recommendation", ["rec_id", "user_id", "at", "origin", "rank", "item_id", "generation_id"])
    shown["thing"] = shown["item_id"].fillna(shown["generation_id"])
    events = store.frame("fct_event", ["rec_id", "user_id", "at", "type", "item_id", "generation_id"])
    events["thing"] = events["item_id"].fillna(events["generation_id"])
    both = shown.merge(events.dropna(subset=["rec_id"]), on=["rec_id", "user_id", "thing"], suffixes=("", "_done"))
    both = both[both["at_done"] >= both["at"]]
    key = ["rec_id", "origin", "rank"]
    for name, types in wanted.items():
        done = both.loc[both["type"].isin(types), key].drop_duplicates().assign(**{name: True})
        shown = shown.merge(done, on=key, how="left")
        shown[name] = shown[name].eq(True)
    return shown


ANSWERS: dict[str, Callable[..., pd.DataFrame]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        colours_by_age, top_tastes, taste_by_month, active_users, retention, funnel, fairness, exposure, top_items,
        generated_pictures,
    )
}  # fmt: skip


def answer_in_pandas(store: AnalystStore, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    """What the question of this name gives, worked out in pandas; columns and rows as the SQL's, rows in any order."""
    return ANSWERS[name](store, **parameters).reset_index(drop=True)
