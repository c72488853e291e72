"""The funnel: what it counts against a plain count, its intervals against scipy's, and whom it does not show."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from persona.analyze import AnalystStore, open_store
from persona.analyze.funnel import _rates
from persona.analyze.shown import STEPS
from persona.errors import BadInput
from persona.store import Profile, Store, Traits

from .answered import BEGAN, Answered, fill, outcomes

COLUMNS = {"viewed": "view", "liked": "like", "bought": "purchase"}


def counted(answered: Answered, by: str) -> dict[str, dict[str, int]]:
    """The same with a loop."""
    bands = {user.id: user.traits.age_band or "unknown" for user in answered.users}
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("shown", *COLUMNS), 0))
    for answer, thing, done in outcomes(answered):
        origin = "generated" if "generation_id" in thing else "retrieved"
        group = found[{"origin": origin, "arm": answer.arm, "age_band": bands[answer.user_id]}[by]]
        group["shown"] += 1
        for column, step in COLUMNS.items():
            group[column] += bool(done & set(STEPS[step]))
    return dict(found)


@pytest.mark.parametrize("by", ["origin", "arm", "age_band"])
def test_it_counts_as_one_would_by_hand(analysts: AnalystStore, answered: Answered, by: str) -> None:
    told = analysts.funnel(by)
    expected = counted(answered, by)
    assert {row[by]: {name: row[name] for name in ("shown", *COLUMNS)} for _, row in told.iterrows()} == expected
    assert sum(group["liked"] for group in expected.values()) > 50
    assert isinstance(told[by].dtype, pd.CategoricalDtype)
    assert list(told.shown) == sorted(told.shown, reverse=True)
    for step in COLUMNS:
        assert np.allclose(told[f"{step}_rate"], told[step] / told.shown)
        assert (told[f"{step}_low"] < told[f"{step}_rate"]).all()
        assert (told[f"{step}_rate"] < told[f"{step}_high"]).all()


def test_a_stretch_of_time(analysts: AnalystStore, answered: Answered) -> None:
    middle = BEGAN + timedelta(days=1)
    first, second = analysts.funnel(until=middle), analysts.funnel(since=middle)
    whole = analysts.funnel()
    assert first.shown.sum() == second.shown.sum() == whole.shown.sum() / 2
    assert first.liked.sum() + second.liked.sum() == whole.liked.sum()
    assert analysts.funnel(since=middle + timedelta(days=30)).empty
    zoned = middle.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    pd.testing.assert_frame_equal(analysts.funnel(until=zoned), first)


def test_groups_of_few_are_not_shown(sqlite_store: Store) -> None:
    answered = fill(sqlite_store, 60)
    bands = ("under-18", "45-54", "55-64", "25-34")
    sizes = (15, 12, 18, 15)
    names = iter([user.id for user in answered.users])
    for band, size in zip(bands, sizes):
        traits = Traits(age_band=band)
        sqlite_store.bulk_users(
            Profile(id=next(names), traits=traits, consents={"analytics": True}) for _ in range(size)
        )
    with open_store(sqlite_store.url) as analysts:
        told = analysts.funnel("age_band")
        assert list(told.age_band) == ["other"]  # and children are in no view
        assert (told.users[0], told.shown[0], told.attrs["left_out"]) == (45, 45 * 10, 0)
        whole = analysts.funnel("origin")
        assert whole.users.tolist() == [45, 45]
        assert told.liked[0] == whole.liked.sum()
    keep = [user.id for user in answered.users][15:34]
    sqlite_store.bulk_users(Profile(id=user.id) for user in answered.users if user.id not in keep)
    with open_store(sqlite_store.url) as analysts:
        alone = analysts.funnel("origin")  # nineteen users
        assert alone.empty
        assert alone.attrs["left_out"] == 190


def test_intervals_are_wilsons_where_nobody_sees_two_things(sqlite_store: Store) -> None:
    fill(sqlite_store, 100, things=0)  # one generated thing in each of two answers
    with open_store(sqlite_store.url) as analysts:
        told = analysts.funnel(until=BEGAN + timedelta(days=1)).iloc[0]
    for step in COLUMNS:
        exact = binomtest(int(told[step]), int(told.shown)).proportion_ci(method="wilson")
        assert (told[f"{step}_low"], told[f"{step}_high"]) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_intervals_hold_where_tastes_differ() -> None:
    """Users like all or nothing of what they are shown: as if each were shown one thing."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        shown, likes = np.full(200, 10), rng.beta(0.5, 2, 200)
        done = rng.binomial(shown, likes)
        sums = {"users": 200, "shown": shown.sum(), "shown_shown": (shown**2).sum(), "liked": done.sum()}
        groups = pd.DataFrame([{**sums, "liked_liked": (done**2).sum(), "liked_shown": (done * shown).sum()}])
        _, low, high = _rates(groups, "liked", 0.95)
        hits += low[0] <= 0.2 <= high[0]
    assert hits / 300 > 0.92  # without the design effect .72


def test_bad_input_is_told(answered: Answered, analysts: AnalystStore) -> None:
    with pytest.raises(BadInput, match=r"by: there is no 'shoe_size'; choose from origin, .*activity"):
        analysts.funnel("shoe_size")
    with pytest.raises(BadInput, match=r"since: .* has no time zone"):
        analysts.funnel(since=datetime(2025, 5, 1))
    with pytest.raises(BadInput, match=r"until: .* is not after"):
        analysts.funnel(since=datetime(2025, 5, 2, tzinfo=UTC), until=BEGAN)
