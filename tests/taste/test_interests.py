from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona.taste.history import HistoryEntry
from persona.taste.interests import Interests, interests_of
from persona.taste.model import TasteModel
from persona.taste.modes import interest_modes, taste_modes
from persona.taste.table import ItemTable

from .conftest import DAY, did, prefers


@pytest.fixture(scope="module")
def far(known: ItemTable, model: TasteModel) -> tuple[np.ndarray, list[int], list[int]]:
    """Item vectors of which twenty are two tight, opposite groups; and the rows of the groups."""
    vectors = model.item_vectors(known).copy()
    one, two = list(range(10)), list(range(10, 20))
    rng = np.random.default_rng(0)
    vectors[one] = np.eye(64)[0] * 8 + 0.1 * rng.standard_normal((10, 64))
    vectors[two] = -np.eye(64)[1] * 8 + 0.1 * rng.standard_normal((10, 64))
    return vectors.astype(np.float32), one, two


def test_one_interest_is_the_user(model: TasteModel, known: ItemTable, far: tuple) -> None:  # type: ignore[type-arg]
    vectors, one, two = far
    for history in ([], did(one[0]), did(*one[:6]), did(*one[:3], type="like") + did(*two, type="dislike")):
        found = interests_of(model, prefers(("colour", "green", 1.0)), history, known, vectors)
        assert found.shares.tolist() == [1]
        whole = model.encode(prefers(("colour", "green", 1.0)), history, known, vectors)
        np.testing.assert_allclose(found.vectors[0], whole, atol=1e-6)


def test_two_interests_are_read_apart_strongest_first(model: TasteModel, known: ItemTable, far: tuple) -> None:  # type: ignore[type-arg]
    vectors, one, two = far
    mixed = [row for pair in zip(one[:4], two[:4], strict=True) for row in pair]
    history = did(*mixed) + [replace(entry, type="purchase") for entry in did(two[5])] + did(40, type="hide")
    found = interests_of(model, None, history, known, vectors)
    assert found.shares.tolist() == pytest.approx([6 / 10, 4 / 10])
    kept = [[entry for entry in history if entry.item in part or entry.type == "hide"] for part in (two, one)]
    for vector, part in zip(found.vectors, kept, strict=True):
        np.testing.assert_allclose(vector, model.encode(None, part, known, vectors), atol=1e-5)


def test_generated_pictures_are_read_with_every_interest(model: TasteModel, known: ItemTable, far: tuple) -> None:  # type: ignore[type-arg]
    vectors, one, two = far
    picture = HistoryEntry("like", DAY, None, np.ones(64, np.float32), 0)
    found = interests_of(model, None, [*did(*one[:4], *two[:4]), picture], known, vectors)
    assert len(found.shares) == 2
    only = model.encode(None, [*did(*one[:4]), picture], known)
    assert any(np.allclose(vector, only, atol=0.5) for vector in found.vectors)


def test_turns_give_everybody_one_and_then_go_by_share() -> None:
    three = Interests(np.zeros((3, 4), np.float32), np.array([0.6, 0.3, 0.1], np.float32))
    assert three.turns(2) == [0, 1]
    assert sorted(three.turns(3)) == [0, 1, 2]
    assert [three.turns(10).count(number) for number in range(3)] == [6, 3, 1]
    assert Interests.whole(np.zeros(4, np.float32)).turns(3) == [0, 0, 0]
    assert three.turns(0) == []


def test_modes_are_drawn_for_each_interest_in_turn(model: TasteModel, known: ItemTable) -> None:
    vectors = model.item_vectors(known)
    people = model.encode_many([(None, did(1, 2, 3)), (None, did(50, 51))], known)
    both = Interests(people, np.array([0.7, 0.3], np.float32))
    modes = interest_modes(both, known, vectors, count=5, seed=4)
    turns = both.turns(5)
    for number, person in enumerate(people):
        alone = taste_modes(person, known, vectors, count=turns.count(number), seed=4 + number)
        mine = [mode for mode, turn in zip(modes, turns, strict=True) if turn == number]
        assert [mode.items for mode in mine] == [mode.items for mode in alone]
    single = interest_modes(Interests.whole(people[0]), known, vectors, count=3, seed=4)
    assert [m.items for m in single] == [m.items for m in taste_modes(people[0], known, vectors, count=3, seed=4)]
