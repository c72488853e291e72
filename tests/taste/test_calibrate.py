from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from persona.taste.calibrate import enlarged, leave_one_out, simulated_strength, strength
from persona.taste.cooccurrence import Cooccurrence
from persona.taste.simulate import Simulator
from persona.taste.table import ItemTable

from .conftest import features_of, make_item


def test_cooccurrence_by_hand() -> None:
    together = Cooccurrence.of(3, np.array([0, 3, 5]), np.array([0, 1, 2, 1, 0])).strengths.toarray()
    both = 3**-0.5  # of rows and columns of popularity 2
    assert together[0, 1] == pytest.approx((1 + 0.3) * both)
    assert together[0, 2] == pytest.approx(0.8 * 3**-0.3 * 2**-0.2)
    assert together[2, 0] == pytest.approx(0.3 * 0.8 * 2**-0.3 * 3**-0.2)
    assert together[2, 2] == 0


def test_leave_one_out_by_hand() -> None:
    """For the first user 1 is next by what follows 0; the fourth's 3 comes after 0, which often follows 4."""
    histories = [np.array(rows) for rows in ([4, 0, 1], [4, 0, 1], [0, 1, 4], [4, 2, 3], [2, 3, 4], [4, 0, 1])]
    popular, common = leave_one_out(histories, 6, np.array([0, 3]))
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    assert common == pytest.approx((1 + second) / 2)
    assert third <= popular <= second  # second or third for both, in a tie


def test_order_is_seen_and_can_be_shuffled_away() -> None:
    rng = np.random.default_rng(0)
    histories = [(rng.integers(200) + np.arange(6)) % 200 for _ in range(1500)]  # each item leads to the next
    measured = strength(histories, 200)
    assert measured.cooccurrence > 0.9
    assert 0.1 < measured.cooccurrence_shuffled < 0.95
    assert measured.popularity < 0.1
    assert measured.top_tenth == pytest.approx(0.13, abs=0.04)


def test_stronger_taste_and_sessions_are_measured(table: ItemTable) -> None:
    def multiples(settings: Simulator) -> tuple[float, float]:
        found = simulated_strength(table, settings, items=1000, users=1500)
        return (
            found.cooccurrence / found.popularity,
            found.cooccurrence_shuffled / found.popularity_shuffled,
        )

    settings = Simulator()
    ordered, shuffled = multiples(settings)
    deaf = replace(settings, noise=6.0, search=0.0)
    assert max(multiples(deaf)) < 1.2 < shuffled < ordered
    assert multiples(replace(settings, staying=0.0))[0] < ordered


def test_a_catalogue_is_enlarged_by_like_garments(table: ItemTable) -> None:
    large = enlarged(table, 400)
    assert len(large) == len(set(large.ids)) == 400
    assert np.corrcoef(large.features[:150].ravel(), table.features.ravel())[0, 1] > 0.9
    assert {tuple(codes) for codes in large.codes.tolist()} <= {tuple(codes) for codes in table.codes.tolist()}


@pytest.mark.slow
def test_the_simulator_is_as_strong_as_beauty(datasets: Path) -> None:
    with gzip.open(datasets / "interactions" / "Beauty.txt.gz", "rt") as lines:
        histories = [np.array(line.split()[1:], np.int64) - 1 for line in lines]
    real = strength(histories, int(max(rows.max() for rows in histories)) + 1)
    items = [make_item(number) for number in range(4500)]
    made = simulated_strength(ItemTable.of(items, features_of(items)), Simulator())
    assert made.top_tenth == pytest.approx(real.top_tenth, rel=0.15)
    for kind in ("", "_shuffled"):
        multiples = [getattr(x, f"cooccurrence{kind}") / getattr(x, f"popularity{kind}") for x in (real, made)]
        assert 0.5 < multiples[1] / multiples[0] < 2
