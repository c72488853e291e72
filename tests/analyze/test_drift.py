"""Drift of tastes: what is there is found, what is not is not, and the intervals hold what they promise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert

from persona.analyze import AnalystStore, open_store
from persona.analyze.drift import Step, _measured
from persona.errors import BadInput, NotFound
from persona.store import Store
from persona.store.analysis_schema import TasteMonthRow, UserTasteRow
from tests.analyze.histories import Past, Version, day, remember

MONTHS = [date(2025, month, 1) for month in (1, 2, 3)]
TURN = {"colour=green": 2.0, "category=dress": 1.0}, {"colour=blue": 2.0, "category=dress": 1.0}


def tell(store: Store, names: list[str], band: str | None, tastes: list[dict[str, float]]) -> None:
    """Users of an age band with these tastes in the first months, each their own strength, which does not count."""
    remember(store, *(Past(name, [Version(day(0), band)]) for name in names))
    times = {"events": 3, "first_at": day(1), "last_at": day(80), "vector": bytes(148)}
    months = [
        {"user_id": name, "month": month, "events": 3, "weights": {said: w * (n + 1) for said, w in taste.items()}}
        for n, name in enumerate(names)
        for month, taste in zip(MONTHS, tastes)
    ]
    with store._engine.begin() as connection:
        connection.execute(insert(UserTasteRow), [{"user_id": name, **times} for name in names])
        connection.execute(insert(TasteMonthRow), months)


@pytest.fixture
def analysts(store: Store) -> Iterator[AnalystStore]:
    tell(store, [f"y{n}" for n in range(30)], "18-24", [TURN[0], TURN[1], TURN[1]])
    tell(store, [f"o{n}" for n in range(40)], "65-plus", [TURN[0]] * 3)
    tell(store, [f"f{n}" for n in range(4)], "35-44", [TURN[1], TURN[0], TURN[1]])
    with open_store(store.url) as opened:
        yield opened


def test_a_turn_is_found_where_it_is(analysts: AnalystStore) -> None:
    found = analysts.drift(by="age_band")
    assert found.attrs["hidden"] == 4
    assert found.attrs["of_users"] == {"18-24": 30, "65-plus": 40}
    young, old = (found[found["group"] == band].reset_index(drop=True) for band in ("18-24", "65-plus"))
    assert young["month_from"].tolist() == [pd.Timestamp(month) for month in MONTHS[:2]]
    assert young["cosine"].tolist() == pytest.approx([1 / 5, 1])  # of (2, 0, 1) and (0, 2, 1): strength does not count
    assert young["p"][0] < 0.01 < 0.9 < young["p"][1]
    assert young["control"][0] > 0.9
    assert old["cosine"].tolist() == pytest.approx([1, 1])
    assert found["users"].tolist() == [30, 30, 40, 40]
    everybody = analysts.drift(months=2)
    assert everybody["users"].tolist() == [74]
    pd.testing.assert_frame_equal(everybody, analysts.drift(months=2))  # by the seed


def test_what_drives_it_adds_up(analysts: AnalystStore) -> None:
    found = analysts.changes(by="age_band")
    turned = found[(found["group"] == "18-24") & (found["month_from"] == pd.Timestamp(MONTHS[0]))]
    assert turned[["facet", "value"]].iloc[:2].apply(tuple, axis=1).tolist() == [
        ("colour", "green"),
        ("colour", "blue"),
    ]
    assert turned["part"].sum() == pytest.approx(1)
    assert turned["part"].iloc[:2].tolist() == pytest.approx([0.5, 0.5])
    cosine = analysts.drift(by="age_band")["cosine"][0]
    assert (turned["change"] ** 2).sum() / 2 == pytest.approx(1 - cosine, abs=1e-6)
    assert (turned["low"] <= turned["high"]).all()


def test_groups_may_come_from_a_frame_and_small_ones_go_together(analysts: AnalystStore) -> None:
    users = [f"y{n}" for n in range(30)]
    segments = pd.DataFrame({"user_id": users, "segment": ["big"] * 24 + ["s", "s", "t", "t", "t", "t"]})
    found = analysts.drift(by=segments)
    assert set(found["group"]) == {"big"}
    assert found.attrs["hidden"] == 6
    halves = analysts.drift(
        by=pd.concat([segments, segments.assign(user_id=[f"o{n}" for n in range(30)], segment="s")])
    )
    assert halves.groupby("group")["users"].first().to_dict() == {"big": 24, "s": 32}
    many = analysts.drift(by=segments.assign(segment=[f"s{n % 10}" for n in range(30)]))
    assert many["group"].unique().tolist() == ["other"]


def test_what_cannot_be_compared_is_told(store: Store, analysts: AnalystStore) -> None:
    with pytest.raises(BadInput, match="by: 'size_top' does not divide users"):
        analysts.drift(by="size_top")
    with pytest.raises(BadInput, match="months"):
        analysts.drift(months=1)
    with pytest.raises(BadInput, match="lacks the column 'segment'"):
        analysts.drift(by=pd.DataFrame({"user_id": ["y1"]}))
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM taste_months")
    with pytest.raises(NotFound, match="persona analyze refresh"):
        analysts.drift()


def drawn(rng: np.random.Generator, users: int, turn: float) -> Step:
    """Users with tastes of their own that change at random from month to month, and all by `turn` in one direction."""
    own = rng.standard_normal((users, 37)) + np.linspace(0, 1, 37)
    old, new = (own + rng.standard_normal((users, 37)) for _ in range(2))
    new[:, 0] += turn
    return Step("all", pd.Timestamp(2025, 1, 1), pd.Timestamp(2025, 2, 1), *(_at_length_1(x) for x in (old, new)))


def _at_length_1(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_intervals_hold_the_true_cosine_and_chance_seldom_looks_like_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persona.analyze.drift.TIMES", 200)
    rng = np.random.default_rng(3)
    many = drawn(np.random.default_rng(0), 200_000, 2.0)
    a, b = many.old.sum(0), many.new.sum(0)
    truth = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    turned = [_measured(drawn(rng, 100, 2.0), rng) for _ in range(100)]
    assert np.mean([row[5] <= truth <= row[6] for row in turned]) >= 0.88  # binomial: of 95 % under 88 % once in 700
    assert all(row[5] <= row[4] <= row[6] for row in turned)
    assert np.mean([row[9] < 0.05 for row in turned]) > 0.9
    still = [_measured(drawn(rng, 100, 0.0), rng) for _ in range(100)]
    assert np.mean([row[9] < 0.05 for row in still]) <= 0.11
    assert np.mean([row[4] for row in still]) == pytest.approx(np.mean([row[7] for row in still]), abs=0.003)
