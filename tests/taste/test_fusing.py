"""On the world of rings, and on simulated users: how much co-occurrence is to count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from persona.store.records import EVENT_TYPES
from persona.taste.companions import Companions
from persona.taste.cooccurrence import Fusion
from persona.taste.fusing import _asked, choose_fusion, counts_of, fuse, fused, together
from persona.taste.history import WEIGHT_OF_CODE, HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.sequences import Cases, leave_one_out
from persona.taste.sequential import Data, count
from persona.taste.simulate import Simulation
from persona.taste.table import ItemTable

from .conftest import DAY


def test_fusion_is_chosen_by_what_helps(rings: Data) -> None:
    """Where the encoder knows nothing, co-occurrence is given weight; where it knows the answer, none."""
    split = leave_one_out(rings.sequences)
    counts = count(split.train)
    noise = torch.from_numpy(np.random.default_rng(0).random((1000, len(rings.sequences.items)), np.float32))
    chosen = choose_fusion(lambda cases: noise[: len(cases)].clone(), together(counts), split.validation)
    assert min(chosen.weights[1:]) > 0
    assert chosen.weights[0] == 0

    def knows(cases: Cases) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.from_numpy(cases.targets), len(rings.sequences.items)).float() * 0.01

    assert choose_fusion(knows, together(counts), split.validation).weights == (0, 0, 0, 0)


def test_fused_adds_the_bonus(rings: Data) -> None:
    split = leave_one_out(rings.sequences)
    counts, fusion = count(split.train), Fusion((0, 2, 3, 4), 0.1)
    part = next(split.test.batches(7))
    scores = fused(lambda cases: torch.ones(len(cases), len(counts)), together(counts), fusion)(part)
    beside = counts.scores(*part.histories()).toarray()
    wanted = 1 + fusion.weight(part.lengths)[:, None] * np.log1p(beside / 0.1)
    np.testing.assert_allclose(scores.numpy(), wanted, rtol=1e-5)


def test_what_is_asked_speaks_for_an_item_and_is_weighed_as_in_the_service(
    simulation: Simulation, table: ItemTable
) -> None:
    """Against what the service does for one user after the other."""
    users = simulation.users
    cases = _asked(users, table.ids, np.random.default_rng(0))
    events = users.events[cases.users] + cases.places
    assert (WEIGHT_OF_CODE[users.kind[events]] > 0).all()
    assert (cases.places > 0).all()
    counts, fusion = counts_of(users, len(table)), Fusion((0, 3, 2, 1), 0.1)
    companions = Companions(counts, fusion)
    part = next(cases.batches(9))
    scores = fused(lambda cases: torch.zeros(len(cases), len(table)), together(counts, users), fusion)(part)
    for number in range(9):
        first = users.events[part.users[number]]
        history = [
            HistoryEntry(EVENT_TYPES[users.kind[at]], DAY, int(users.row[at]))
            for at in range(first, first + part.places[number])
        ]
        np.testing.assert_allclose(scores[number].numpy(), companions.bonus(history), atol=1e-5)


def test_a_model_is_given_the_fusion_that_is_best_for_the_judged(
    model: TasteModel, known: ItemTable, simulation: Simulation
) -> None:
    some = np.arange(len(simulation.users)) % 4 == 0
    before = model.config
    try:
        told = fuse(model, known, simulation.users.select(~some), simulation.users.select(some))
        assert told["fused_ndcg10"] >= told["encoder_ndcg10"] > 0
        assert model.config == replace(before, fusion=model.config.fusion)
    finally:
        model.config = before


def test_selected_users_are_whole(simulation: Simulation) -> None:
    users = simulation.users
    some = np.arange(len(users)) % 3 == 1
    part = users.select(some)
    assert part.ids == users.ids[1::3]
    for number in range(len(part)):
        old, new = users.history(3 * number + 1), part.history(number)
        assert users.row[old].tolist() == part.row[new].tolist()
        assert users.preferences(3 * number + 1) == part.preferences(number)
