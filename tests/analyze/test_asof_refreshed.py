"""What the views say after a refresh and what is made anew of their events as of now are the same."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from persona.analyze import open_store
from persona.store import Store
from tests.analyze.histories import ITEMS, TYPES, Act, Past, day, remember, stock


def test_as_of_now_is_what_a_refresh_gives(store: Store) -> None:
    stock(store)
    rng = np.random.default_rng(1)
    subjects = [*ITEMS, "print"]

    def act() -> Act:
        at, kind, item = day(float(rng.uniform(0, 99))), rng.choice(list(TYPES)), subjects[rng.integers(4)]
        return Act(at, str(kind), item)

    remember(store, *(Past(f"u{n}", acts=[act() for _ in range(rng.integers(0, 70))]) for n in range(60)))
    store.refresh_analysis()
    now = datetime.now(UTC)
    with open_store(store.url) as analysts:
        users = [analysts.frame("dim_user", as_of=at).sort_values("user_id", ignore_index=True) for at in (None, now)]
        months = [analysts.frame("agg_user_taste_month", as_of=at) for at in (None, now)]
    pd.testing.assert_frame_equal(*(frame.drop(columns="taste") for frame in users), check_categorical=False)
    for stored, made in zip(*(frame["taste"] for frame in users), strict=True):
        assert stored is made is None or np.array_equal(stored, made)
    keys = ["user_id", "month", "facet", "value"]
    stored, made = (
        frame.astype(dict.fromkeys(("facet", "value"), str)).sort_values(keys, ignore_index=True) for frame in months
    )
    pd.testing.assert_frame_equal(stored, made)
