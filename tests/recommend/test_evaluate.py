"""Right user over wrong user, on scores whose answer is known."""

import numpy as np
import pytest

from persona.gan import GarmentModel
from persona.recommend import Recommender
from persona.recommend.evaluate import garments_for, preference_wins
from persona.settings import Settings

OWNERS = np.repeat(np.arange(20), 4)
PICTURES = np.zeros((80, 4, 4, 4), np.uint8)


def test_a_perfect_judge_always_finds_the_owner() -> None:
    wins = preference_wins(PICTURES, OWNERS, lambda p: np.eye(20)[OWNERS] * 3 - np.arange(20))
    assert wins.share == wins.low == wins.high == 1
    assert (wins.pictures, wins.users) == (80, 20)


def test_a_blind_judge_is_at_chance_and_the_interval_says_so() -> None:
    wins = preference_wins(PICTURES, OWNERS, lambda p: np.random.default_rng(1).normal(size=(80, 20)))
    assert wins.low < 0.5 < wins.high
    assert 0.01 < wins.high - wins.low < 0.2


def test_a_judge_who_says_the_same_of_everything_is_at_chance_exactly() -> None:
    assert preference_wins(PICTURES, OWNERS, lambda p: np.ones((80, 20))).share == 0.5


def test_generous_users_win_nothing_by_their_generosity() -> None:
    noise = np.random.default_rng(2).normal(size=(80, 20))
    plain = preference_wins(PICTURES, OWNERS, lambda p: noise)
    generous = preference_wins(PICTURES, OWNERS, lambda p: noise * np.arange(1, 21) + 100 * np.arange(20))
    assert generous.share == pytest.approx(plain.share)


def test_one_user_has_no_wrong_user() -> None:
    with pytest.raises(ValueError, match="two users"):
        preference_wins(PICTURES, np.zeros(80, int), lambda p: np.ones((80, 1)))


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="wanted"):
        preference_wins(PICTURES, OWNERS, lambda p: np.ones((79, 20)))


def test_each_user_gets_garments_of_their_own(recommender: Recommender, settings: Settings) -> None:
    model = GarmentModel.load(settings.models / "garment-64")
    vectors = np.random.default_rng(0).normal(size=(len(recommender.table), 8)).astype(np.float32)
    pictures, owners = garments_for(vectors[:3], recommender.table, vectors, model, each=2)
    assert pictures.shape == (6, model.size, model.size, 4)
    assert owners.tolist() == [0, 0, 1, 1, 2, 2]
    again, _ = garments_for(vectors[:3], recommender.table, vectors, model, each=2)
    assert (again == pictures).all()
    assert len(np.unique(pictures, axis=0)) == 6
