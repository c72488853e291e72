"""Differential privacy: what is spent, whose gradient is how long, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from opacus.accountants import PRVAccountant
from opacus.accountants.analysis.rdp import compute_rdp
from opacus.optimizers import DPOptimizer

from persona.errors import BadInput, OutOfDate
from persona.store import Event, Profile, Store
from persona.taste import private
from persona.taste.fit import train_from_store
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.private import Budget, UserLoss, gradients, noise_for, spent, told, train_privately
from persona.taste.private_benchmark import private_cost
from persona.taste.sequential import Data
from persona.taste.simulate import Simulation
from persona.taste.table import ItemTable
from persona.taste.train import TrainSettings, begin, draw, loss_of
from persona.taste.users import Users

from .conftest import DAY, SIMULATOR
from .test_sequential import TINY as RECIPE

TINY = TrainSettings(steps=4, users=8, negatives=20, warm_up=2, ahead=0.0, token_dropout=0.0, profile_dropout=0.0)
BUDGET = Budget(8.0, 1e-4, steps=3, users=40)


@pytest.fixture
def untrained() -> TasteModel:
    torch.manual_seed(0)
    return TasteModel(TasteConfig(dropout=0.0, feature_version="visual@test")).eval()


@pytest.fixture
def trained(untrained: TasteModel) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in untrained.named_parameters() if name not in private.FROZEN}


def test_the_accountant_spends_what_was_published() -> None:
    """Abadi et al. 2016, section 3.2: q = .01, sigma = 4, 10,000 steps and delta 1e-5 make an epsilon of about 1.26, by
    the conversion of their day. Today's is tighter; what is really spent (Gopi et al. 2021) is less still."""
    orders = list(range(2, 65))
    renyi = np.array(compute_rdp(q=0.01, noise_multiplier=4.0, steps=10_000, orders=orders))
    published = (renyi + np.log(1e5) / (np.array(orders) - 1)).min()
    assert published == pytest.approx(1.26, abs=0.01)
    numerical = PRVAccountant()
    numerical.history = [(4.0, 0.01, 10_000)]
    with private._loosely():
        assert numerical.get_epsilon(1e-5) < spent(4.0, 0.01, 10_000, 1e-5) < published


@pytest.mark.parametrize("epsilon", [0.5, 8.0])
def test_the_noise_spends_the_budget_and_no_more(epsilon: float) -> None:
    budget = Budget(epsilon, 1e-5, steps=50, users=100)
    found = spent(noise_for(budget, 2000), 0.05, 50, 1e-5)
    assert epsilon * 0.98 <= found <= epsilon


def test_each_users_gradient_is_that_of_ordinary_training_on_them_alone(
    untrained: TasteModel, trained: dict[str, torch.nn.Parameter], known: ItemTable, simulation: Simulation
) -> None:
    loss, chosen = UserLoss(untrained, known, TINY), np.array([0, 3, 5, 8])
    found = next(gradients(loss, trained, simulation.users, chosen, np.random.default_rng(1)))
    rng = np.random.default_rng(1)
    negatives = loss.negatives(rng)
    items = torch.from_numpy(known.features), torch.from_numpy(known.attributes), None
    popularity = torch.from_numpy(untrained.log_popularity(known.popularity))
    sample = draw(simulation.users, chosen, rng, TINY)
    for place in range(len(chosen)):
        alone = type(sample)(*(array[[place]] for array in vars(sample).values()))
        untrained.zero_grad()
        loss_of(untrained, alone, negatives, items, popularity, TINY).backward()
        for name, parameter in trained.items():
            wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(found[name][place], wanted, atol=2e-5, rtol=1e-3)


def test_a_step_moves_no_further_than_the_clip_for_each_user_and_noise_alone_for_nobody(
    untrained: TasteModel, trained: dict[str, torch.nn.Parameter], known: ItemTable, simulation: Simulation
) -> None:
    def moved(chosen: list[int], noise: float) -> torch.Tensor:
        optimiser = DPOptimizer(
            torch.optim.SGD(list(trained.values()), 1.0), noise_multiplier=noise, max_grad_norm=0.01,
            expected_batch_size=1, generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        before = torch.cat([p.detach().flatten().clone() for p in trained.values()])
        loss = UserLoss(untrained, known, TINY)
        parts = gradients(loss, trained, simulation.users, np.array(chosen, np.int64), np.random.default_rng(1))
        private._step(optimiser, trained, parts)
        return torch.cat([p.detach().flatten() for p in trained.values()]) - before

    assert moved([4], 0.0).norm() == pytest.approx(0.01, rel=1e-2)
    assert moved(list(range(100)), 0.0).norm() <= 100 * 0.01 * 1.001  # more than one part
    assert moved([], 0.0).norm() == 0
    assert moved([], 3.0).std() == pytest.approx(0.03, rel=0.02)


def test_training_spends_its_budget_once_and_is_never_the_same(
    untrained: TasteModel, known: ItemTable, simulation: Simulation
) -> None:
    before = {name: tensor.clone() for name, tensor in untrained.state_dict().items()}
    again = TasteModel(untrained.config)
    again.load_state_dict(before)
    found = train_privately(untrained, known, simulation.users, BUDGET, TINY, progress=False)
    train_privately(again, known, simulation.users, BUDGET, TINY, progress=False)
    assert 7.8 < found["dp_epsilon"] <= 8.0
    assert (untrained.config.epsilon, untrained.config.delta) == (found["dp_epsilon"], 1e-4)
    assert found["dp_users"] == len(simulation.users)
    assert not torch.equal(untrained.out.weight, again.out.weight)
    for name in private.FROZEN:
        assert torch.equal(untrained.state_dict()[name], before[name])
    with pytest.raises(BadInput, match="has spent a privacy budget already"):
        train_privately(untrained, known, simulation.users, BUDGET, TINY, progress=False)
    assert begin(known, TINY, start=untrained).model.config.epsilon is None  # ordinary training keeps no secret


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"epsilon": 0.0}, "dp-epsilon"),
        ({"epsilon": -1.0}, "dp-epsilon"),
        ({"epsilon": float("nan")}, "dp-epsilon"),
        ({"epsilon": 100.0}, "dp-epsilon"),
        ({"delta": 0.0}, "dp-delta"),
        ({"delta": 0.01}, "dp-delta"),
    ],
)
def test_a_budget_that_promises_nothing_is_refused(change: dict[str, float], field: str) -> None:
    with pytest.raises(BadInput) as error:
        replace(BUDGET, **change).check(400)
    assert error.value.field == field


def test_too_few_users_are_refused_before_anything_is_trained(
    sqlite_store: Store, known: ItemTable, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="0 users who consented"):
        train_from_store(sqlite_store, known, tmp_path / "out", settings=TINY, budget=BUDGET)
    assert not (tmp_path / "out").exists()


def test_without_opacus_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, known: ItemTable, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(OutOfDate, match=r"persona\[dp\]"):
        train_from_store(None, known, tmp_path, settings=TINY, budget=BUDGET)


@pytest.mark.slow
def test_the_stored_users_are_learned_from_privately_and_the_folder_says_so(
    sqlite_store: Store, table: ItemTable, simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "FEWEST", 20)
    sqlite_store.put_items(table.items)
    for number in range(25):
        consents = {"training": number > 0}
        sqlite_store.put_user(Profile(id=f"u{number}", consents=consents))
        rows = np.random.default_rng(number).choice(len(table), 6)
        sqlite_store.add_events(
            [
                Event(key=f"{number}-{step}", user_id=f"u{number}", item_id=table.ids[row], type="like",
                      at=DAY + timedelta(days=step))
                for step, row in enumerate(rows)
            ]
        )  # fmt: skip
    budget = replace(BUDGET, users=10)
    metrics = train_from_store(
        sqlite_store, table, tmp_path, settings=TINY, simulated=60, simulator=SIMULATOR, evaluated=50, progress=False,
        keep_ids=True, budget=budget,
    )  # fmt: skip
    model = TasteModel.load(tmp_path)
    assert not model.ids
    assert model.config.epsilon == metrics["dp_epsilon"] <= 8.0
    assert metrics["dp_users"] == metrics["trained_on_stored"] == 24
    assert f"epsilon {metrics['dp_epsilon']} at delta" in (tmp_path / "README.md").read_text()
    with pytest.raises(BadInput, match="is not counted"):
        train_from_store(sqlite_store, table, tmp_path, settings=TINY, start=model, budget=budget)


@pytest.mark.slow
def test_its_cost_is_measured_beside_controls(rings: Data) -> None:
    found = private_cost(
        rings, [4.0], budget=Budget(4.0, 1e-4, steps=4, users=60), recipe=replace(RECIPE, rounds=2), progress=False
    )
    assert found["epsilon_4_epsilon"] <= 4.0
    assert found["ordinary_hr10"] > found["popularity_hr10"]
    assert {"untrained_ndcg10", "no_noise_ndcg10", "epsilon_4_ndcg10", "epsilon_4_seconds"} <= found.keys()


def test_what_was_met_before_and_what_nothing_precedes_is_no_target(simulation: Simulation) -> None:
    users: Users = simulation.users
    sample = draw(users, np.arange(20), np.random.default_rng(0), TINY)
    found = told(sample, TINY, np.random.default_rng(0), torch.device("cpu"))
    for row, target, statement in zip(sample.row, found["target"].numpy(), sample.statement, strict=True):
        for place in np.flatnonzero(target):
            assert row[place] not in row[:place]
            assert place > 0 or (statement >= 0).any()
