"""Frames for learning: what was known of a user at a moment, and nothing from after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona.analyze import AnalystStore, open_store
from persona.analyze.training import COUNTS, FEATURES, STATED, TASTE
from persona.errors import BadInput
from persona.store import Profile, Store
from persona.taste.table import FACET_NAMES
from tests.analyze.histories import ITEMS, START, TYPES, Act, Past, Version, day, remember, stock

_NUMBERS = count()


@pytest.fixture
def analysts(store: Store) -> Iterator[AnalystStore]:
    stock(store)
    with open_store(store.url) as opened:
        yield opened


moments = st.integers(0, 30).map(day)  # few, so that they coincide
acts = st.lists(st.builds(Act, moments, st.sampled_from(list(TYPES)), st.sampled_from([*ITEMS, "print"])), max_size=8)
stated = st.dictionaries(st.sampled_from(["colour=green", "style=smart"]), st.sampled_from([-1, 0.5, 1]))
versions = st.lists(
    st.builds(Version, moments, st.sampled_from([None, "25-34", "35-44"]), stated),
    min_size=1, max_size=3, unique_by=lambda version: version.since,
).map(lambda found: sorted(found, key=lambda version: version.since))  # fmt: skip
embeddings = st.dictionaries(st.sampled_from(["m@1", "m@2"]), moments)
pasts = st.lists(
    st.tuples(versions, acts.map(lambda found: list({(a.at, a.type, a.item): a for a in found}.values())), embeddings),
    min_size=1, max_size=4,
)  # fmt: skip


def expected(past: Past, at: datetime) -> dict[str, Any]:
    """What was known, by plain loops."""
    valid = [version for version in past.versions if version.since <= at]
    done = sorted((a for a in past.acts if a.at < at and a.item in ITEMS), key=lambda act: act.at)
    known: dict[str, Any] = {"age_band": valid[-1].age_band if valid else None, "events": len(done)}
    known |= {name: (valid[-1].stated.get(name[7:], 0) if valid else None) for name in STATED}
    known |= {name: sum(act.type == name[7:] for act in done) for name in COUNTS}
    known["days_since"] = (at - done[-1].at) / timedelta(days=1) if done else None
    weights = dict.fromkeys(TASTE, 0.0)
    for act in done:
        for facet, value in zip(FACET_NAMES, ITEMS[act.item]):
            if value:
                weights[f"taste_{facet}={value}"] += TYPES[act.type]
    for name, weight in weights.items():
        size = sum(abs(w) for other, w in weights.items() if other.split("=")[0] == name.split("=")[0])
        known[name] = weight / size if size else 0
    made = sorted((made, version) for version, made in past.embeddings.items() if made < at)
    known["embedding"], known["embedding_version"] = made[-1] if made else (None, None)
    return known


def assert_known(row: pd.Series, known: dict[str, Any]) -> None:
    for name, value in known.items():
        found = row[name]
        if value is None:
            assert found is None or pd.isna(found), name
        elif name == "embedding":
            assert found[0] == np.float32(value.timestamp())
        elif isinstance(value, str):
            assert found == value, name
        else:
            assert found == pytest.approx(value, abs=1e-6), name


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pasts=pasts, asked=st.lists(st.tuples(st.integers(0, 3), moments, st.integers(-1, 1)), min_size=1, max_size=8))
def test_a_row_knows_what_was_known_and_nothing_later(
    store: Store, analysts: AnalystStore, pasts: list[Any], asked: list[tuple[int, datetime, int]]
) -> None:
    """Equal to plain loops, and the same when everything that happened at or after each moment is left out."""
    run = next(_NUMBERS)
    told = [Past(f"r{run}-{n}", *past) for n, past in enumerate(pasts)]
    remember(store, *told)
    wanted = [(told[who % len(told)], at + timedelta(microseconds=shift)) for who, at, shift in asked]
    entities = pd.DataFrame({"user_id": [p.user_id for p, _ in wanted], "at": [at for _, at in wanted], "label": 1})
    found = analysts.training_frame(entities)
    pd.testing.assert_frame_equal(found[list(entities)].astype(str), entities.astype(str))
    for (past, at), (_, row) in zip(wanted, found.iterrows()):
        assert_known(row, expected(past, at))

    before = []
    for n, (past, at) in enumerate(wanted):
        kept = [version for version in past.versions if version.since <= at] or [Version(past.versions[0].since)]
        done = [act for act in past.acts if act.at < at]
        before.append(Past(f"r{run}-then-{n}", kept, done, {v: m for v, m in past.embeddings.items() if m < at}))
    remember(store, *before)
    then = analysts.training_frame(entities.assign(user_id=[past.user_id for past in before]))
    pd.testing.assert_frame_equal(found[list(FEATURES)], then[list(FEATURES)], check_categorical=False)


def test_entities_keep_their_order_index_and_columns(store: Store, analysts: AnalystStore) -> None:
    remember(store, Past("a", acts=[Act(day(1), "like", "dress")]), Past("b"))
    entities = pd.DataFrame({"at": [day(9), day(0.5), day(2)], "label": [1, 2, 3], "user_id": ["b", "a", "a"]})
    entities.index = [30, 10, 20]
    found = analysts.training_frame(entities)
    assert list(found.columns) == [*entities, *FEATURES]
    assert list(found.index) == [30, 10, 20]
    assert found["label"].tolist() == [1, 2, 3]
    assert found["events_like"].tolist() == [0, 0, 1]
    assert found["taste_colour=green"].tolist() == [0, 0, 1]
    assert found["days_since"].tolist()[2] == 1.0
    assert analysts.training_frame(entities.iloc[:0]).empty


def test_who_is_not_seen_or_does_not_allow_training_is_left_out_and_counted(
    store: Store, analysts: AnalystStore
) -> None:
    remember(store, Past("yes"), Past("unseen", consents=["training"]), Past("untrained", consents=["analytics"]))
    entities = pd.DataFrame({"user_id": ["unseen", "yes", "untrained", "nobody"], "at": [day(1)] * 4})
    found = analysts.training_frame(entities)
    assert found["user_id"].tolist() == ["yes"]
    assert found.attrs["left_out"] == {"not seen": 2, "no consent": 1}
    store.put_user(Profile(id="yes", consents={"analytics": True, "training": False}))
    assert analysts.training_frame(entities).empty


def test_times_of_any_zone_and_unit_are_the_same_moments(store: Store, analysts: AnalystStore) -> None:
    remember(store, Past("a", acts=[Act(day(1), "like", "dress")]))
    fine = pd.Series([day(1), day(1)]).dt.as_unit("ns") + pd.to_timedelta([0, 1], unit="ns")
    frame = pd.DataFrame({"user_id": "a", "at": fine})
    assert analysts.training_frame(frame)["events"].tolist() == [0, 1]
    local = pd.DataFrame({"user_id": ["a"], "at": pd.Series([day(1.01)]).dt.tz_convert("Asia/Tokyo")})
    assert analysts.training_frame(local)["events"].tolist() == [1]


@pytest.mark.parametrize(
    ("entities", "why"),
    [
        ({"user_id": ["a"]}, "has no column 'at'"),
        ({"at": [START]}, "has no column 'user_id'"),
        ({"user_id": ["a"], "at": [datetime(2025, 1, 1)]}, "no time zone"),
        ({"user_id": ["a", "a"], "at": np.array([START, datetime(2025, 1, 1)], object)}, "no time zone"),
        ({"user_id": ["a"], "at": ["2025-01-01T00:00:00Z"]}, "no time"),
        ({"user_id": ["a"], "at": [20250101]}, "no time"),
        ({"user_id": ["a", "a"], "at": pd.to_datetime([START, None], utc=True)}, "is missing in row 1"),
        ({"user_id": ["a", None], "at": [START, START]}, "lacks a user_id"),
        ({"user_id": ["a"], "at": [START], "events": [1]}, "would be written over"),
    ],
)  # fmt: skip
def test_bad_entities_are_told(sqlite_store: Store, entities: dict[str, Any], why: str) -> None:
    with open_store(sqlite_store.url) as analysts, pytest.raises(BadInput, match=why):
        analysts.training_frame(pd.DataFrame(entities))
