"""Cohorts: who comes back, counted by hand and by plain loops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from persona.analyze import AnalystStore, open_store
from persona.errors import BadInput, NotFound
from persona.store import Store
from tests.analyze.histories import Act, Past, Version, day, remember, stock

MONTHS = [datetime(2025, month, 3, 12, tzinfo=UTC) for month in (1, 2, 3, 4)]


def active(name: str, *months: int, band: str | None = None) -> Past:
    return Past(name, [Version(day(0), band)], [Act(MONTHS[month], "like", "dress") for month in months])


@pytest.fixture
def analysts(store: Store) -> Iterator[AnalystStore]:
    """January: 20, of whom 10 are back in February and 5 in March; February: 25, all back in March; April goes on."""
    stock(store)
    january = [active(f"j{n}", 0, *[1] * (n < 10), *[2] * (n < 5), 3, band="18-24") for n in range(20)]
    february = [active(f"f{n}", 1, 2, band="25-34" if n < 22 else None) for n in range(25)]
    remember(store, *january, *february, active("m", 2), active("a", 3), Past("none"))
    with open_store(store.url) as opened:
        yield opened


def told(found: pd.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(row) for row in found[["cohort", "months", "users", "active"]].itertuples(index=False)]


def test_those_who_began_in_a_month(analysts: AnalystStore) -> None:
    found = analysts.cohort()
    assert told(found) == [
        ("2025-01", 0, 20, 20), ("2025-01", 1, 20, 10), ("2025-01", 2, 20, 5),
        ("2025-02", 0, 25, 25), ("2025-02", 1, 25, 25),
    ]  # fmt: skip
    assert found["share"].tolist() == [1, 0.5, 0.25, 1, 1]
    expected = binomtest(10, 20).proportion_ci(method="wilson")
    assert (found["low"][1], found["high"][1]) == (expected.low, expected.high)
    assert found.attrs == {"hidden": 1, "until": MONTHS[3]}  # of March, alone; April's month was not over


def test_until_and_months(analysts: AnalystStore) -> None:
    found = analysts.cohort(until=datetime(2025, 5, 1, tzinfo=UTC), months=3)
    assert told(found)[3] == ("2025-01", 3, 20, 20)
    assert told(found)[-1] == ("2025-02", 2, 25, 0)
    assert told(analysts.cohort(months=0)) == [("2025-01", 0, 20, 20), ("2025-02", 0, 25, 25)]
    assert told(analysts.cohort(until=datetime(2025, 2, 28, 23, 59, tzinfo=UTC))) == [("2025-01", 0, 20, 20)]


def test_those_with_a_trait_by_what_could_be_seen_of_each(analysts: AnalystStore) -> None:
    """Of who is unknown there are five: too few to be shown, and two bands make no others."""
    found = analysts.cohort(by="age_band")
    assert told(found) == [
        ("18-24", 0, 20, 20), ("18-24", 1, 20, 10), ("18-24", 2, 20, 5), ("25-34", 0, 22, 22), ("25-34", 1, 22, 22),
    ]  # fmt: skip
    assert found.attrs["hidden"] == 4
    everybody = analysts.cohort(by="source")
    assert told(everybody) == [("app", 0, 46, 46), ("app", 1, 45, 35), ("app", 2, 20, 5)]


def test_small_groups_are_one_together(store: Store, analysts: AnalystStore) -> None:
    remember(store, *(active(f"x{n}", 0, 1, band="45-54" if n % 2 else "55-64") for n in range(30)))
    found = analysts.cohort(by="age_band", months=1)
    assert ("other", 0, 34, 34) in told(found)
    assert found.attrs["hidden"] == 0


def test_it_equals_plain_loops(sqlite_store: Store) -> None:
    stock(sqlite_store)
    rng = np.random.default_rng(5)
    did = {f"u{n}": sorted(rng.choice(4, rng.integers(1, 4), replace=False).tolist()) for n in range(200)}
    remember(sqlite_store, *(active(name, *months) for name, months in did.items()))
    with open_store(sqlite_store.url) as analysts:
        found = analysts.cohort(until=datetime(2025, 5, 1, tzinfo=UTC))
    for cohort, later, users, back in told(found):
        start = int(str(cohort)[-2:]) - 1
        began = [months for months in did.values() if months[0] == start]
        assert (users, back) == (len(began), sum(start + int(str(later)) in months for months in began))
    assert len(found) == sum(4 - start for start in {months[0] for months in did.values()} if start < 3)


def test_bad_input_is_told(sqlite_store: Store) -> None:
    with open_store(sqlite_store.url) as analysts:
        with pytest.raises(NotFound, match="nobody whom analysts see"):
            analysts.cohort()
        with pytest.raises(BadInput, match="does not divide users; choose from age_band"):
            analysts.cohort(by="skin_tone; DROP TABLE users")
        with pytest.raises(BadInput, match=r"until: .* no time zone"):
            analysts.cohort(until=datetime(2025, 5, 1))
