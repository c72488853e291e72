"""Directed, decaying co-occurrence: by hand, refreshed as counted anew, and divided exactly among the events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.errors import BadInput
from persona.taste.cooccurrence import UNIT, Cooccurrence, CooccurrenceConfig, Fusion, lengths

PLAIN = CooccurrenceConfig(decay=0.5, backward=0.25, source_power=0, target_power=0, recency=0.5)
History = list[tuple[int, float]]  # row and weight of each event

events = st.tuples(st.integers(-1, 6), st.sampled_from([0.0, 0.25, 1.0, 2.0]))
histories = st.lists(events, max_size=12)
powers = st.sampled_from([CooccurrenceConfig(), CooccurrenceConfig(window=3), PLAIN])


def flat(users: Sequence[History]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *map(len, users)])
    rows, weights = [row for user in users for row, _ in user], [weight for user in users for _, weight in user]
    return starts, np.array(rows, np.int64), np.array(weights)


def plainly(*users: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return flat([[(row, 1.0) for row in user] for user in users])


def counted(cooccurrence: Cooccurrence) -> np.ndarray:
    return np.asarray(cooccurrence.counts.toarray() * UNIT)


def same(one: Cooccurrence, other: Cooccurrence) -> bool:
    alike = (one.counts != other.counts).nnz == 0 and one.counts.nnz == other.counts.nnz
    return alike and bool((one.taken == other.taken).all()) and one.config == other.config


def test_pairs_are_directed_and_decay() -> None:
    found = Cooccurrence.of(4, *plainly([0, 1, 2], [1, 0]), config=PLAIN)
    wanted = np.zeros((4, 4))
    wanted[0, 1], wanted[1, 2], wanted[0, 2] = 1 + 0.25, 1, 0.5  # 0.25: backwards in the second history
    wanted[1, 0], wanted[2, 1], wanted[2, 0] = 0.25 + 1, 0.25, 0.125
    assert np.allclose(counted(found), wanted, atol=1e-9)
    assert found.popularity.tolist() == [2, 2, 1, 0]


def test_a_score_by_hand() -> None:
    config = CooccurrenceConfig(decay=0.5, backward=0, source_power=0.5, target_power=1, recency=0.25)
    found = Cooccurrence.of(3, *plainly([0, 1], [0, 1], [1, 2], [0, 2]), config=config)
    scores = found.scores(*plainly([0, 1], [])).toarray()
    zero_to_two, one_to_two = 1 / (4**0.5 * 3), 1 / (4**0.5 * 3)
    assert np.allclose(scores[0], [0, 0.25 * 2 / (4**0.5 * 4), 0.25 * zero_to_two + one_to_two])
    assert not scores[1].any()


def test_what_does_not_count_neither_pairs_nor_parts() -> None:
    there = Cooccurrence.of(5, *plainly([0, 1, 2]))
    users = [[(0, 1.0), (-1, 1.0), (3, 0.0), (1, 1.0), (4, -1.0), (2, 1.0)]]
    assert same(there, Cooccurrence.of(5, *flat(users)))
    assert (there.scores(*flat(users)) != there.scores(*plainly([0, 1, 2]))).nnz == 0
    assert lengths(*flat(users)).tolist() == [3]
    only_dislikes = flat([[(0, 0.0), (1, 0.0)]])
    assert there.scores(*only_dislikes).nnz == Cooccurrence.of(5, *only_dislikes).counts.nnz == 0


def test_weights_multiply_and_an_item_makes_no_pair_with_itself() -> None:
    found = Cooccurrence.of(2, *flat([[(0, 0.25), (0, 2.0), (1, 2.0)]]), config=PLAIN)
    assert np.allclose(counted(found), [[0, 2 * 2 + 0.5 * 0.25 * 2], [0.25 * (2 * 2 + 0.5 * 0.25 * 2), 0]], atol=1e-9)
    assert found.popularity.tolist() == [2.25, 2]


def test_pairs_and_histories_end_at_the_window() -> None:
    config = CooccurrenceConfig(window=2, backward=0)
    found = Cooccurrence.of(5, *plainly([0, 1, 2, 3]), config=config)
    assert found.counts.nnz == 5
    assert counted(found)[0, 3] == 0
    assert (found.scores(*plainly([0, 1, 2, 3])) != found.scores(*plainly([2, 3]))).nnz == 0


def test_a_history_of_100_000_events_is_counted_within_the_window() -> None:
    rows = np.arange(100_000) % 97
    found = Cooccurrence.of(97, np.array([0, len(rows)]), rows)
    assert found.taken.sum() * UNIT == 100_000
    assert found.counts.nnz == 97 * 96
    part = np.concatenate([[0], np.cumsum([40_000, 60_000])])
    halves = Cooccurrence.of(97, part, rows)
    assert 0 < (found.counts - halves.counts).nnz <= 97 * 96  # the pairs over the seam


@given(st.lists(histories, max_size=5), st.lists(histories, max_size=5), powers)
def test_refreshed_is_as_counted_anew(before: list[History], after: list[History], config: CooccurrenceConfig) -> None:
    refreshed = Cooccurrence.of(7, *flat(before), config=config)
    refreshed = refreshed.subtract(*flat(before[:3])).add(*flat(after))
    assert same(refreshed, Cooccurrence.of(7, *flat([*before[3:], *after]), config=config))
    nothing = refreshed.subtract(*flat([*before[3:], *after]))
    assert nothing.counts.nnz == nothing.taken.any() == 0


@given(st.lists(histories, max_size=5), st.permutations(range(9)))
def test_a_catalogue_that_grows_or_turns_keeps_its_counts(users: list[History], places: list[int]) -> None:
    rows = np.array([*places[:7], -1])  # where items 0 to 6 go; what is unknown stays so
    there = Cooccurrence.of(7, *flat(users)).arranged(rows[:7], 9)
    assert same(there, Cooccurrence.of(9, *flat([[(int(rows[row]), weight) for row, weight in u] for u in users])))


def test_an_item_that_goes_takes_its_pairs_along() -> None:
    found = Cooccurrence.of(3, *plainly([0, 1, 2])).arranged([0, -1, 1], 2)
    assert found.counts.nnz == 2
    assert found.popularity.tolist() == [1, 1]


@given(st.lists(histories, min_size=1, max_size=6), powers)
def test_contributions_add_up_to_the_score(users: list[History], config: CooccurrenceConfig) -> None:
    found = Cooccurrence.of(7, *flat(users), config=config)
    scores = found.scores(*flat(users)).toarray()
    for user, score in zip(users, scores, strict=True):
        _, rows, weights = flat([user])
        parts = found.contributions(rows, np.arange(7), weights)
        assert parts.shape == (len(user), 7)
        assert np.allclose(parts.sum(0), score)
        assert not parts[(rows < 0) | (weights <= 0)].any()


def test_the_bonus_is_by_bucket_and_logarithmic() -> None:
    found = Cooccurrence.of(3, *plainly([0, 1, 2]))
    scores = found.scores(*plainly([0], [0], [0], [0], [0]))
    fusion = Fusion((1, 2, 3, 4), scale=0.5)
    bonus = fusion.bonus(scores, np.array([0, 1, 4, 9, 10])).toarray()
    assert np.allclose(bonus, np.array([1, 2, 2, 3, 4])[:, None] * np.log1p(scores.toarray() / 0.5))
    assert Fusion().neutral
    assert not fusion.neutral
    assert not Fusion().bonus(scores, np.arange(5)).toarray().any()


@pytest.mark.parametrize(
    ("starts", "rows", "weights", "field"),
    [
        ([0, 1], [3], None, "rows"),
        ([0, 2], [1], None, "starts"),
        ([1, 1], [1], None, "starts"),
        ([0, 2, 1], [1], None, "starts"),
        ([], [], None, "starts"),
        ([0, 1], [1], [1, 1], "weights"),
    ],
)
def test_sequences_that_cannot_be(starts: list[int], rows: list[int], weights: list[float] | None, field: str) -> None:
    given_weights = None if weights is None else np.array(weights)
    with pytest.raises(BadInput) as error:
        Cooccurrence.of(3, np.array(starts), np.array(rows, np.int64), given_weights)
    assert error.value.field == field


def test_what_was_never_counted_cannot_be_subtracted() -> None:
    with pytest.raises(BadInput, match="count anew"):
        Cooccurrence.of(3, *plainly([0, 1])).subtract(*plainly([1, 2]))


def test_settings_that_cannot_be() -> None:
    for field, make in {
        "window": lambda: CooccurrenceConfig(window=0),
        "decay": lambda: CooccurrenceConfig(decay=1.5),
        "weights": lambda: Fusion((1, 1, 1)),  # type: ignore[arg-type]
        "scale": lambda: Fusion(scale=0),
    }.items():
        with pytest.raises(BadInput) as error:
            make()
        assert error.value.field == field
