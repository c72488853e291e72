from __future__ import annotations

import numpy as np
import pytest

from persona.taste.segments import pseudo_count, segment_popularity

EVERYBODY = np.array([400, 300, 200, 100, 0], np.float32)


def test_a_segment_like_everybody_is_everybody() -> None:
    assert np.array_equal(segment_popularity(EVERYBODY / 10, EVERYBODY), EVERYBODY)
    assert np.array_equal(segment_popularity(np.zeros(5, np.float32), EVERYBODY), EVERYBODY)
    assert np.array_equal(segment_popularity(np.zeros(5, np.float32), np.zeros(5, np.float32)), np.zeros(5))


def test_a_segment_of_its_own_stands_apart_the_more_events_it_has() -> None:
    own = np.array([60, 60, 40, 40, 0], np.float32)
    few, many = segment_popularity(own, EVERYBODY), segment_popularity(own * 5, EVERYBODY)
    assert many[3] > few[3] > EVERYBODY[3]
    assert few.sum() == pytest.approx(many.sum()) == pytest.approx(EVERYBODY.sum())
    assert few[4] == many[4] == 0


def test_the_pseudo_count_is_that_of_the_draw() -> None:
    """Counts drawn from a Dirichlet-multinomial of known concentration give it back."""
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.full(400, 2.0))
    for concentration in (20.0, 200.0):
        found = [
            pseudo_count(rng.multinomial(2000, rng.dirichlet(concentration * share)).astype(float), share)
            for _ in range(40)
        ]
        assert np.median(found) == pytest.approx(concentration, rel=0.25)
    plain = [pseudo_count(rng.multinomial(2000, share).astype(float), share) for _ in range(20)]
    assert np.median(plain) > 5000
