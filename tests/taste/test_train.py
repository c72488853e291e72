from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from persona.errors import BadInput
from persona.taste.history import NEGATIVE_CODES, WEIGHT_OF_CODE
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.simulate import Simulation
from persona.taste.table import ItemTable
from persona.taste.train import Sample, TrainSettings, begin, draw, loss_of, sampled_softmax, train
from persona.taste.users import Users

from .conftest import did, prefers

TINY = TrainSettings(steps=6, users=8, negatives=20, warm_up=2)
STILL = TasteConfig(dropout=0, id_dropout=0, attribute_dropout=0, bare=0, feature_version="visual@test")


def test_sampled_softmax_against_numpy() -> None:
    rng = np.random.default_rng(0)
    positive, negative, weight = rng.normal(size=5), rng.normal(size=(5, 7)), rng.uniform(size=5)
    negative[2, 3] = -np.inf
    each = [-math.log(math.exp(p) / (math.exp(p) + np.exp(n).sum())) for p, n in zip(positive, negative, strict=True)]
    wanted = float((np.array(each) * weight).sum() / weight.sum())
    assert float(sampled_softmax(*map(torch.from_numpy, (positive, negative, weight)))) == pytest.approx(wanted)


def test_loss_against_reading_every_prefix_by_itself(table: ItemTable) -> None:
    """Views, likes and dislikes of two users, one of whom stated something: each target by hand, through `encode`."""
    table = table.with_popularity(np.arange(len(table)))
    settings = TrainSettings(ahead=0, dislike_weight=5, with_ids=False)
    model = begin(table, settings, STILL).model
    torch.nn.init.normal_(model.out.weight, std=0.05)
    profiles = [prefers(("colour", "green", 0.5)), prefers()]
    histories = [did(3, 4) + did(9, type="hide") + did(4, 6, type="purchase"), did(7, type="view") + did(8)]
    users = Users.of([(p, sorted(h, key=lambda e: e.at)) for p, h in zip(profiles, histories, strict=True)])
    histories = [sorted(h, key=lambda entry: entry.at) for h in histories]
    sample = draw(users, np.arange(2), np.random.default_rng(0), replace(settings, token_dropout=0, profile_dropout=0))
    negatives = np.array([4, 20, 21, 22])

    vectors, prior = model.item_vectors(table), model.prior(table)
    total, weights = 0.0, 0.0
    for profile, history in zip(profiles, histories, strict=True):
        hated = [entry.item for entry in history if entry.type == "hide"]
        for place, entry in enumerate(history):
            weight = {"view": 0.25, "like": 1.0, "purchase": 2.0, "hide": 0.0}[entry.type]
            met = entry.item in [before.item for before in history[:place]]
            if not weight or met or (place == 0 and not profile.preferences):
                continue
            scores = vectors @ model.encode(profile, history[:place], table) + prior
            others = np.exp(scores[[row for row in negatives if row != entry.item]]).sum()
            others += 5 * np.exp(scores[hated]).sum()
            total += weight * -math.log(math.exp(scores[entry.item]) / (math.exp(scores[entry.item]) + others))
            weights += weight
    items = torch.from_numpy(table.features), torch.from_numpy(table.attributes), None
    popularity = torch.from_numpy(model.log_popularity(table.popularity))
    loss = loss_of(model, sample, torch.from_numpy(negatives), items, popularity, settings)
    assert float(loss.detach()) == pytest.approx(total / weights, rel=1e-4)


def test_draw_pads_and_takes_windows_and_dislikes(simulation: Simulation) -> None:
    users = simulation.users
    sample = draw(users, np.arange(40), np.random.default_rng(0), TrainSettings(token_dropout=0, profile_dropout=0))
    assert sample.row.shape[1] <= 50
    for number in range(40):
        part = users.history(number)
        kept = sample.row[number][sample.row[number] >= 0]
        assert len(kept) == min(50, part.stop - part.start)
        assert kept.tolist() in [
            users.row[part][at : at + 50].tolist() for at in range(max(1, part.stop - part.start - 49))
        ]
        hated = set(users.row[part][np.isin(users.kind[part], NEGATIVE_CODES)].tolist())
        named = set(sample.disliked[number][sample.disliked[number] >= 0].tolist())
        assert named <= hated
        assert bool(named) == bool(hated & set(kept.tolist()))
        said = sample.statement[number][sample.statement[number] >= 0]
        assert said.tolist() == users.statement[users.stated[number] : users.stated[number + 1]].tolist()


def test_wardrobes_come_in_any_order_and_without_gaps() -> None:
    profile = prefers().model_copy(update={"source": "wardrobe"})
    users = Users.of([(profile, did(*range(80)))])
    orders = [draw(users, np.zeros(1, int), np.random.default_rng(seed), TINY) for seed in (0, 1)]
    assert sorted(orders[0].row[0].tolist()) != sorted(orders[1].row[0].tolist())
    assert all(not sample.gap.any() and sample.row.shape == (1, 50) for sample in orders)


def test_training_is_the_same_for_the_same_seed_and_leaves_the_global_one_alone(
    known: ItemTable, simulation: Simulation
) -> None:
    def run(seed: int) -> list[float]:
        settings = replace(TINY, seed=seed)
        return [state.loss for state in train(begin(known, settings), known, simulation.users, settings)]

    torch.manual_seed(1)
    first = run(0)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert run(0) == first
    assert run(1) != first
    assert len(first) == 6


def test_training_lowers_the_loss(known: ItemTable, simulation: Simulation) -> None:
    settings = replace(TINY, steps=40, learning_rate=5e-3)
    losses = [state.loss for state in train(begin(known, settings), known, simulation.users, settings)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1


def test_nothing_to_learn_from_is_said(known: ItemTable) -> None:
    nobody = Users.of([(prefers(("colour", "green", 1.0)), []), (prefers(), did(1, type="hide"))])
    with pytest.raises(BadInput, match="users: have no event to learn from"):
        next(train(begin(known, TINY), known, nobody, TINY))


def test_ids_are_dropped_in_training_only(known: ItemTable) -> None:
    torch.manual_seed(0)
    model = TasteModel(replace(STILL, id_dropout=0.3), known.ids)
    torch.nn.init.normal_(model.id_embedding.weight[1:])
    features, codes = torch.from_numpy(known.features), torch.from_numpy(known.attributes)
    without, ids = model.eval().item(features, codes), torch.arange(1, len(known) + 1)
    dropped = [(model.train().item(features, codes, ids) - without).abs().sum(1) < 1e-6 for _ in range(40)]
    assert torch.stack(dropped).float().mean() == pytest.approx(0.3, abs=0.03)
    assert not ((model.eval().item(features, codes, ids) - without).abs().sum(1) < 1e-6).any()


def test_weights_of_types_order_what_they_say() -> None:
    assert WEIGHT_OF_CODE.tolist() == [0.25, 1, 1, 1.5, 2, 0, 0]
    assert isinstance(Sample(*[np.zeros(0)] * 6), Sample)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_and_reads_like_the_cpu(known: ItemTable, simulation: Simulation) -> None:
    settings = replace(TINY, ahead=0)  # which draws on the device
    states = [begin(known, settings, STILL, device=device) for device in ("cpu", "cuda")]
    losses = [[state.loss for state in train(begun, known, simulation.users, settings)] for begun in states]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    people = [(prefers(("colour", "green", 1.0)), did(1, 2, 3)), (None, did(4))]
    read = [state.model.encode_many(people, known) for state in states]
    np.testing.assert_allclose(read[1], read[0], atol=1e-2)
