from __future__ import annotations

import numpy as np

from persona.taste.cases import Case
from persona.taste.companions import Companions
from persona.taste.cooccurrence import Cooccurrence, Fusion
from persona.taste.deletion import deletion
from persona.taste.model import TasteModel
from persona.taste.table import ItemTable

from .conftest import did, prefers

N = 150


def cases_of_length(*lengths: int) -> list[Case]:
    rng = np.random.default_rng(0)
    stated = prefers(("colour", "green", 1.0))
    return [
        Case(number, stated, did(*rng.permutation(N - 1)[:length].tolist()), np.array([N - 1]))
        for number, length in enumerate(lengths)
    ]


def test_histories_longer_than_what_is_read_are_judged_by_what_is_read(model: TasteModel, known: ItemTable) -> None:
    """Of 70 events 50 are read: one of the first twenty is no cause, however much is taken together with it."""
    rng = np.random.default_rng(1)
    counts = Cooccurrence.of(N, 6 * np.arange(301), rng.integers(0, N, 1800))
    companions = Companions(counts, Fusion((0, 2, 2, 2), 0.1))
    told = deletion(model, known, cases_of_length(70, 90, 3, 8), np.random.default_rng(0), companions)
    assert told["deletion_users"] == 4
    assert 0 <= told["deletion_win"] <= 1


def test_one_planted_cause_is_named_and_decides(model: TasteModel, known: ItemTable) -> None:
    """Item 149 is taken after item 7 by everybody: forgetting item 7 costs it most."""
    pairs = np.tile([7, N - 1], 40)
    companions = Companions(Cooccurrence.of(N, 2 * np.arange(41), pairs), Fusion((0, 90, 90, 90), 0.1))
    cases = [
        Case(number, prefers(), did(*others[:2], 7, *others[2:]), np.array([N - 1]))
        for number, others in enumerate(np.random.default_rng(2).integers(8, N - 1, (25, 4)).tolist())
    ]
    told = deletion(model, known, cases, np.random.default_rng(0), companions)
    assert told["deletion_win"] == 1
    assert told["deletion_named_rank"] > 10 >= told["deletion_random_rank"]


def test_who_has_one_cause_is_left_out(model: TasteModel, known: ItemTable) -> None:
    lonely = [Case(0, prefers(), did(3), np.array([5]))]
    told = deletion(model, known, lonely + cases_of_length(4), np.random.default_rng(0))
    assert told["deletion_users"] == 1
