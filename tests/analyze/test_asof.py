"""Views as of a moment of the past: what happened later is not in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from persona.analyze import AnalystStore, open_store
from persona.analyze.dictionary import dictionary
from persona.errors import BadInput
from persona.store import Store
from tests.analyze.histories import Act, Past, Version, day, remember, stock

MOMENT = timedelta(microseconds=1)


@pytest.fixture
def analysts(store: Store) -> Iterator[AnalystStore]:
    stock(store)
    green = [Act(day(n), "like", "dress") for n in (1, 2, 33)]
    acts = [*green, Act(day(2.5), "dislike", "dress"), Act(day(3), "purchase", "shirt"), Act(day(3), "like", "print")]
    profiles = [Version(day(0), "25-34", {"colour=green": 1.0}), Version(day(10), "35-44")]
    remember(store, Past("a", profiles, acts, {"m@1": day(5)}), Past("b", [Version(day(20))]))
    remember(store, Past("unseen", acts=green, consents=["training"]))
    with open_store(store.url) as opened:
        yield opened


def user(analysts: AnalystStore, at: datetime) -> dict[str, Any]:
    (row,) = analysts.frame("dim_user", where="user_id = 'a'", as_of=at).to_dict("records")
    return row


def test_users_are_as_they_were(analysts: AnalystStore) -> None:
    early = user(analysts, day(0))
    assert (early["age_band"], early["events"], early["activity"]) == ("25-34", 0, "none")
    assert pd.isna(early["last_event_at"])
    assert pd.isna(early["top_colour"])
    later = user(analysts, day(3))
    assert (later["age_band"], later["valid_from"], later["events"]) == ("25-34", day(0), 4)
    assert (later["first_event_at"], later["last_event_at"]) == (day(1), day(3))
    assert [later[f"top_{facet}"] for facet in ("category", "colour", "pattern", "style")] == [
        "shirt", "blue", "striped", "smart",
    ]  # fmt: skip
    before = user(analysts, day(3) - MOMENT)
    assert (before["events"], before["top_category"], before["activity"]) == (3, "dress", "low")
    now = user(analysts, day(400))
    assert (now["age_band"], now["valid_from"], now["events"]) == ("35-44", day(10), 5)
    assert now["top_category"] == "shirt"  # as much as the dress, and before it in the order of FACETS
    assert now["top_colour"] == "green"  # as before blue
    assert len(analysts.frame("dim_user", as_of=day(20))) == 2
    assert len(analysts.frame("dim_user", as_of=day(20) - MOMENT)) == 1
    assert analysts.frame("dim_user", as_of=day(-1)).empty


def test_of_the_time_before_histories_were_kept_traits_are_unknown(store: Store, analysts: AnalystStore) -> None:
    remember(store, Past("c", [Version(day(0), "25-34"), Version(day(10), "35-44")]))
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM user_versions WHERE user_id = 'c'")
    (row,) = analysts.frame("dim_user", where="user_id = 'c'", as_of=day(5)).to_dict("records")
    assert pd.isna(row["age_band"])
    assert row["valid_from"] == row["created_at"] == day(0)


def test_histories_have_no_end_that_is_yet_to_come(analysts: AnalystStore) -> None:
    now = analysts.frame("dim_user_history", where="user_id = 'a'")
    assert len(now) == 2
    then = analysts.frame("dim_user_history", where="user_id = 'a'", as_of=day(10) - MOMENT)
    assert then["valid_to"].isna().tolist() == [True]
    assert then["stated"].tolist() == [{"colour=green": 1.0}]


def test_months_are_made_of_what_had_happened(analysts: AnalystStore) -> None:
    def weights(at: datetime) -> dict[tuple[str, str], float]:
        found = analysts.frame("agg_user_taste_month", as_of=at)
        assert set(found["user_id"]) <= {"a"}
        return {(str(row.month.date()), row.value): (row.weight, row.events) for row in found.itertuples()}

    assert weights(day(0)) == {}
    assert weights(day(1)) == {("2025-01-01", name): (1, 1) for name in ("dress", "green", "plain", "smart")}
    end = weights(day(40))
    assert end["2025-01-01", "dress"] == (1, 4)
    assert end["2025-01-01", "shirt"] == (2, 4)
    assert end["2025-02-01", "green"] == (1, 1)


def test_facts_are_those_up_to_the_moment(analysts: AnalystStore) -> None:
    assert len(analysts.frame("fct_event", as_of=day(3))) == 5
    assert len(analysts.frame("fct_event", as_of=day(3) - MOMENT)) == 3
    assert len(analysts.frame("fct_event", where="type = :type", parameters={"type": "like"}, as_of=day(3))) == 3
    assert len(analysts.frame("fct_user_embedding", as_of=day(5))) == 1
    assert analysts.frame("fct_user_embedding", as_of=day(5) - MOMENT).empty
    assert analysts.frame("dim_item", as_of=day(5)).empty  # they were imported now
    assert len(analysts.frame("dim_item", as_of=datetime.max.replace(tzinfo=day(0).tzinfo))) == 4


def test_item_days_are_those_that_were_over(store: Store, analysts: AnalystStore) -> None:
    columns = "views", "likes", "saves", "carts", "purchases", "dislikes", "hides"
    with store._engine.begin() as connection:
        rows = ", ".join(f"('dress', '2025-01-0{n}', {', '.join('1' * len(columns))})" for n in (1, 2, 3))
        connection.exec_driver_sql(f"INSERT INTO item_days (item_id, day, {', '.join(columns)}) VALUES {rows}")
    assert len(analysts.frame("agg_item_day")) == 3
    assert len(analysts.frame("agg_item_day", as_of=day(2))) == 2
    assert len(analysts.frame("agg_item_day", as_of=day(2) - MOMENT)) == 1


def test_every_view_has_the_same_columns_and_types_as_of_then(analysts: AnalystStore) -> None:
    for view, about in dictionary().items():
        now, then = analysts.frame(view), analysts.frame(view, as_of=day(100))
        assert list(now.columns) == list(then.columns)
        assert [dtype.kind for dtype in now.dtypes] == [dtype.kind for dtype in then.dtypes]
        assert len(analysts.frame(view, [next(iter(about.columns))], as_of=day(100))) == len(then)


def test_a_time_without_a_zone_and_what_is_no_time_is_refused(analysts: AnalystStore) -> None:
    wrong: list[Any] = [datetime(2025, 1, 1), "2025-01-01", day(0).date(), pd.NaT, 1735689600]
    for at in wrong:
        with pytest.raises(BadInput, match="as_of"):
            analysts.frame("fct_event", as_of=at)
