"""Profiles of segments: the numbers of a plain count, and nothing about few."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from persona.analyze import AnalystStore, open_store
from persona.analyze.groups import OTHER, interval
from persona.errors import BadInput
from persona.store import Profile, Store
from persona.store.popularity import SEGMENT
from persona.store.records import Traits

from .company import company


def test_a_profile_says_what_a_plain_count_says(analyst: AnalystStore) -> None:
    found = analyst.segment(k=4)
    segment = found["plain dark casual"]
    profile = analyst.profile(segment)
    users = analyst.frame("dim_user")
    own = users[users["user_id"].isin(segment.users)]
    assert (profile.size, profile.everybody) == (len(own), len(users))
    ages = profile.traits[(profile.traits["trait"] == "age_band")].set_index("value")["users"]
    counts = own["age_band"].value_counts()
    assert ages.to_dict() == {**counts[counts >= SEGMENT].to_dict(), **ages.filter([OTHER]).to_dict()}
    best = profile.tastes.sort_values("difference", ascending=False)["value"][:4].tolist()
    assert set(best) == {"plain", "black", "navy", "casual"}
    assert profile.colours["colour"][:2].isin(["black", "navy"]).all()
    assert profile.colours["lab_l"][:2].max() < 20
    events = analyst.frame("fct_event")
    liked = events[events["user_id"].isin(own["user_id"]) & events["type"].isin(["like", "save", "cart", "purchase"])]
    by_item = liked.groupby("item_id")["user_id"].nunique()
    first = profile.items.iloc[0]
    assert first["users"] == by_item.max() == by_item[first["item_id"]]
    assert profile.activity["value"].tolist() == ["medium"]
    assert profile.archetype is None  # nobody has a condition vector here


def test_intervals_of_tastes_hold_everybodys_difference(analyst: AnalystStore) -> None:
    users = analyst.frame("dim_user", ["user_id"])["user_id"]
    halves = analyst.segment(k=1)["all-round"]
    whole = analyst.profile(halves).tastes
    assert np.allclose(whole["difference"], 0)  # everybody against everybody
    drawn = np.random.default_rng(0).permutation(len(users))[:160]
    half = type(halves)("half", users.iloc[drawn], halves.taste)
    tastes = analyst.profile(half).tastes
    inside = (tastes["low"] <= 0) & (tastes["high"] >= 0)
    assert inside.mean() > 0.8  # 95 % intervals of a random half; facets' values go together
    assert (tastes["high"] > tastes["low"]).all()


def test_intervals_are_wilsons() -> None:
    for count, total in ((0, 20), (7, 20), (400, 1000)):
        known = stats.binomtest(count, total).proportion_ci(method="wilson")
        assert interval(count, total) == pytest.approx((known.low, known.high), abs=1e-6)


def test_nothing_is_told_of_few(store: Store) -> None:
    company(store, 90)
    store.bulk_users(
        [Profile(id=f"u{n:05}", consents={"analytics": True}, traits=Traits(age_band="65-plus")) for n in range(19)]
    )
    with open_store(store.url) as opened:
        with pytest.raises(BadInput, match="has 19 users; nothing is told of fewer than 20"):
            opened.profile(opened.segment(rule="age_band=65-plus")["age_band=65-plus"])
        profile = opened.profile(opened.segment(k=1)["all-round"])
        assert "65-plus" not in set(profile.traits["value"])
        counted = pd.concat([profile.traits["users"], profile.activity["users"], profile.items["users"].dropna()])
        assert (counted >= SEGMENT).all()
        assert profile.items["users"].isna().any()  # things of fewer users are there without their number
