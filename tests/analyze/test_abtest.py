"""A/B tests: known numbers against scipy's, looks that are not allowed, and arms that are not what was set."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_ind

from persona.analyze import AnalystStore, open_store
from persona.analyze.shown import STEPS
from persona.errors import BadInput
from persona.store import Store

from .answered import BEGAN, Answered, fill, rates


@pytest.mark.parametrize("metric", ["like", "purchase", "dislike"])
def test_a_final_look_is_welchs(analysts: AnalystStore, answered: Answered, metric: str) -> None:
    by_user = rates(answered, STEPS[metric])
    first, second = ([*by_user[arm].values()] for arm in "ab")
    done = analysts.ab_test(metric, look="final", planned=len(first) + len(second))
    exact = ttest_ind(second, first, equal_var=False)
    interval = exact.confidence_interval(0.95)
    assert [(arm.name, arm.users) for arm in done.arms] == [("a", len(first)), ("b", len(second))]
    assert [arm.rate for arm in done.arms] == pytest.approx([np.mean(first), np.mean(second)])
    told = done.difference, done.low, done.high, done.p_value
    assert told == pytest.approx((np.mean(second) - np.mean(first), interval.low, interval.high, exact.pvalue))
    assert done.significant == (exact.pvalue <= 0.05)
    frame = done.frame()
    assert frame.rate.tolist() == [arm.rate for arm in done.arms]
    assert frame.p_value.isna().tolist() == [True, False]


def test_a_sequential_look_is_wider_and_needs_no_plan(analysts: AnalystStore, answered: Answered) -> None:
    users = sum(len(arm) for arm in rates(answered, ("like",)).values())
    any_time, once = analysts.ab_test(), analysts.ab_test(look="final", planned=users)
    assert any_time.look == "sequential"
    assert any_time.difference == pytest.approx(once.difference)
    assert any_time.low < once.low < once.high < any_time.high
    assert any_time.p_value > once.p_value
    swapped = analysts.ab_test(arms=["b", "a"])
    assert (swapped.difference, swapped.low, swapped.p_value) == pytest.approx(
        (-any_time.difference, -any_time.high, any_time.p_value)
    )


def test_a_final_look_has_to_be_planned_and_is_taken_of_the_first(analysts: AnalystStore, answered: Answered) -> None:
    with pytest.raises(BadInput, match="planned: a final look needs the number of users that was planned"):
        analysts.ab_test(look="final")
    with pytest.raises(BadInput, match=r"planned: \d+ of 5,000 users so far: a final look is taken once"):
        analysts.ab_test(look="final", planned=5000)
    with pytest.raises(BadInput, match=r"planned: 10 users are too few"):
        analysts.ab_test(look="final", planned=10)
    with pytest.raises(BadInput, match=r"planned: goes with look=\"final\""):
        analysts.ab_test(planned=60)
    done = analysts.ab_test(look="final", planned=60)
    assert sum(arm.users for arm in done.arms) == 60
    began: dict[str, float] = {}
    for answer in answered.answers:
        began[answer.user_id] = min(answer.at.timestamp(), began.get(answer.user_id, np.inf))
    by_user = rates(answered, STEPS["like"])
    order = sorted((began[user], user, arm) for arm in "ab" for user in by_user[arm])[:60]
    for arm in done.arms:
        expected = [by_user[name][user] for _, user, name in order if name == arm.name]
        assert (arm.users, arm.rate) == (len(expected), pytest.approx(np.mean(expected)))


def test_users_who_were_in_both_arms_count_in_none(sqlite_store: Store) -> None:
    answered = fill(sqlite_store)
    seen = rates(answered, ("like",))
    gone = [*seen["a"]][:5]
    answers = [answer for answer in answered.answers if answer.user_id in gone]
    moved = [a.__class__(**{**a.__dict__, "id": f"{a.id}-again", "arm": "b"}) for a in answers]
    sqlite_store.add_recommendations(moved)
    with open_store(sqlite_store.url) as analysts:
        done = analysts.ab_test()
    assert (done.arms[0].users, done.arms[1].users, done.moved) == (len(seen["a"]) - 5, len(seen["b"]), 5)


def test_arms_of_the_wrong_size_are_suspect(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = fill(sqlite_store, arms="aaaab")
    sizes = {arm: len(users) for arm, users in rates(answered, ("like",)).items()}
    with open_store(sqlite_store.url) as analysts:
        told = analysts.ab_test()
        assert told.suspect  # equal shares, which nobody has set
        exact = binomtest(sizes["a"], sum(sizes.values()), 0.5).pvalue
        assert told.shares_p == pytest.approx(exact, rel=0.9, abs=1e-8)
        assert not analysts.ab_test(shares={"a": 0.8, "b": 0.2}).suspect
        monkeypatch.setenv("PERSONA_ARMS", '{"a": {"share": 4}, "b": {"share": 1}}')
        assert not analysts.ab_test().suspect
        with pytest.raises(BadInput, match="shares: need a share above 0 for each of a, b"):
            analysts.ab_test(shares={"a": 1})


def test_what_cannot_be_compared_is_told(answered: Answered, analysts: AnalystStore) -> None:
    with pytest.raises(BadInput, match=r"metric: there is no 'smile'; choose from view, like"):
        analysts.ab_test("smile")
    with pytest.raises(BadInput, match=r"arms: 'c' was shown to fewer than 20 users; there are: a, b"):
        analysts.ab_test(arms=["a", "c"])
    with pytest.raises(BadInput, match=r"arms: name two .*there are: a, b"):
        analysts.ab_test(arms=["a"])
    with pytest.raises(BadInput, match=r"arms: name two .*none of 20 users or more"):
        analysts.ab_test(since=BEGAN + timedelta(days=30))
    with pytest.raises(BadInput, match="alpha: 5 is no chance"):
        analysts.ab_test(alpha=5)
    with pytest.raises(BadInput, match="effect: 0 is no difference"):
        analysts.ab_test(effect=0)
    with pytest.raises(BadInput, match="look: there is no 'often'"):
        analysts.ab_test(look="often")  # type: ignore[arg-type]


def test_where_nobody_did_anything_nothing_is_told(sqlite_store: Store) -> None:
    fill(sqlite_store)
    with sqlite_store._writing() as session:
        session.connection().exec_driver_sql("DELETE FROM events")
    with open_store(sqlite_store.url) as analysts:
        seen = analysts.ab_test()
        assert (seen.difference, seen.p_value, seen.significant) == (0, 1, False)
        assert seen.low < -0.02 < 0.02 < seen.high
        once = analysts.ab_test(look="final", planned=60)
        assert (once.low, once.high, once.p_value) == (-1, 1, 1)
