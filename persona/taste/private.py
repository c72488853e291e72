"""Training with differential privacy for whole users: what a user did changes the model no more than a budget allows.

DP-SGD (Abadi et al. 2016) with a user as the unit (McMahan et al. 2018): each step draws every user by itself with the
same chance, clips the gradient of what is read of each to the same length, adds Gaussian noise and counts what that
spends (Renyi accountant, Mironov 2017). Clipping, noise and accounting are Opacus'; the gradient of each user comes
from `torch.func`, since the blocks use parameters that Opacus' own hooks do not see.

What is promised: epsilon and delta hold for adding or removing one user with all their events and preferences, for who
sees the weights. What is not: popularity and co-occurrence, which a service counts from its store beside the model, and
how often training was tried with other settings. Noise and draws come from the operating system's entropy, never from a
seed, for who knows the seed could take the noise away again; so no two runs are alike, and none can be resumed.
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from tqdm import tqdm

from persona.errors import BadInput, OutOfDate
from persona.taste.history import WEIGHT_OF_CODE
from persona.taste.model import TasteModel, Tokens
from persona.taste.table import Items
from persona.taste.train import Sample, TrainSettings, draw, sampled_softmax
from persona.taste.users import Ints, Users

FEWEST = 100  # users; among fewer the noise is all that is left
LARGEST = 20.0  # epsilon; beyond it the promise is worth nothing
CHUNK = 64  # users whose gradients are held at once
FROZEN = ("id_embedding.weight", "prior_weight")


@dataclass(frozen=True)
class Budget:
    """What may be spent, and on what. users: expected in a step; clip: longest gradient of a user, in the 2-norm."""

    epsilon: float
    delta: float = 1e-5
    steps: int = 300
    users: int = 512
    clip: float = 1.0
    learning_rate: float = 1e-3

    def rate(self, count: int) -> float:
        """Chance of each of so many users to be in a step."""
        return min(self.users / count, 0.5)

    def check(self, count: int) -> None:
        """Raise BadInput for a budget that promises nothing, or for too few users."""
        if not 0 < self.epsilon <= LARGEST:
            raise BadInput("dp-epsilon", f"{self.epsilon:g} is not above 0 and up to {LARGEST:g}; 1 to 8 are usual")
        if count < FEWEST:
            raise BadInput(
                "dp-epsilon", f"{count} users who consented to training, and {FEWEST} are needed; train without it"
            )
        if not 0 < self.delta < 1 / count:
            raise BadInput(
                "dp-delta", f"{self.delta:g} is not above 0 and below 1 / {count} users; take a tenth of that"
            )


def noise_for(budget: Budget, count: int) -> float:
    """Standard deviation of the noise, in units of the clip, that spends the budget on so many users."""
    from opacus.accountants.utils import get_noise_multiplier

    with _loosely():
        return float(
            get_noise_multiplier(
                target_epsilon=budget.epsilon, target_delta=budget.delta, sample_rate=budget.rate(count),
                steps=budget.steps, accountant="rdp",
            )
        )  # fmt: skip


def spent(noise: float, rate: float, steps: int, delta: float) -> float:
    """The epsilon of so many steps that each draw everybody with the same chance."""
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(noise, rate, steps)]
    with _loosely():
        return float(accountant.get_epsilon(delta))


@contextmanager
def _loosely() -> Iterator[None]:
    """Let a bound be looser than it could be: with little spent the best order of Renyi's divergence is a high one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is the")
        yield


def train_privately(
    model: TasteModel, table: Items, users: Users, budget: Budget, settings: TrainSettings, *, progress: bool = True
) -> dict[str, Any]:
    """Go on training a model, in place, on users whose part in it is to stay their own; returns what was spent.

    table: its popularity must be public, as that of simulated users; it is what the model's prior is read from. Of
    `settings` only what concerns the loss is used. Id embeddings and the prior's weight stay as they are. Raises
    BadInput as `Budget.check` and for a model that has spent a budget already, OutOfDate without Opacus.
    """
    needs_opacus()
    active = users.select(np.diff(users.events) > 0)
    budget.check(len(active))
    if model.config.epsilon is not None:
        raise BadInput("model", "has spent a privacy budget already; begin from one that has not")
    rate, noise = budget.rate(len(active)), noise_for(budget, len(active))
    descend(model, table, active, budget, settings, noise, progress=progress)
    epsilon = round(spent(noise, rate, budget.steps, budget.delta), 3)
    model.config = replace(model.config, epsilon=epsilon, delta=budget.delta)
    return {
        "dp_epsilon": epsilon, "dp_delta": budget.delta, "dp_unit": "user", "dp_noise": round(noise, 4),
        "dp_clip": budget.clip, "dp_steps": budget.steps, "dp_users": len(active),
        "dp_users_a_step": round(rate * len(active)),
    }  # fmt: skip


def descend(
    model: TasteModel, table: Items, users: Users, budget: Budget, settings: TrainSettings, noise: float, *,
    progress: bool = True,
) -> None:  # fmt: skip
    """DP-SGD with Adam, in place, with this much noise (in units of the clip) in each step."""
    from opacus.optimizers import DPOptimizer

    rate = budget.rate(len(users))
    trained = {name: parameter for name, parameter in model.named_parameters() if name not in FROZEN}
    optimiser = DPOptimizer(
        torch.optim.Adam(list(trained.values()), budget.learning_rate), noise_multiplier=noise,
        max_grad_norm=budget.clip, expected_batch_size=max(1, round(rate * len(users))), secure_mode=True,
        generator=torch.Generator(model.device).manual_seed(secrets.randbits(63)),
    )  # fmt: skip
    rng, loss = np.random.default_rng(), UserLoss(model, table, settings)
    model.eval()  # no dropout: noise is regularisation enough
    for _ in tqdm(range(budget.steps), desc="private", unit="step", disable=not progress):
        chosen = np.flatnonzero(rng.random(len(users)) < rate)
        _step(optimiser, trained, gradients(loss, trained, users, chosen, rng))


def needs_opacus() -> None:
    """Raise OutOfDate where Opacus is not installed."""
    try:
        import opacus  # noqa: F401
    except ImportError as error:
        raise OutOfDate("differential privacy needs Opacus: pip install 'persona[dp]'") from error


def _step(optimiser: Any, trained: dict[str, nn.Parameter], parts: Iterator[dict[str, Tensor]]) -> None:
    """One step over all parts of a draw; a draw of nobody is a step of noise alone, as the accountant takes it."""
    optimiser.zero_grad()
    for part in parts:
        for name, parameter in trained.items():
            parameter.grad_sample = part[name]  # type: ignore[attr-defined]
        optimiser.signal_skip_step(True)
        optimiser.step()
        optimiser.zero_grad()
    for parameter in trained.values():
        parameter.grad_sample = parameter.new_zeros(0, *parameter.shape)  # type: ignore[attr-defined]
    optimiser.signal_skip_step(False)
    optimiser.step()


def gradients(
    loss: UserLoss, trained: dict[str, nn.Parameter], users: Users, chosen: Ints, rng: np.random.Generator
) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients (b, ...) of some of the chosen users at a time, by the parameter's name."""
    given = {name: parameter.detach() for name, parameter in trained.items()}
    negatives = loss.negatives(rng)
    of_user = vmap(grad(lambda p, user: functional_call(loss, p, (user, negatives))), in_dims=(None, 0))
    prefixed = {f"model.{name}": tensor for name, tensor in given.items()}
    for at in range(0, len(chosen), CHUNK):
        sample = draw(users, chosen[at : at + CHUNK], rng, loss.settings)
        found = of_user(prefixed, told(sample, loss.settings, rng, loss.model.device))
        yield {name: found[f"model.{name}"] for name in trained}


def told(sample: Sample, settings: TrainSettings, rng: np.random.Generator, device: torch.device) -> dict[str, Tensor]:
    """A sample as tensors, with each event's weight as a target (b, t), and the place it is predicted from (b, t)."""
    row, kind = sample.row, sample.kind
    met = np.tril(row[:, :, None] == row[:, None, :], -1).any(-1)
    step = np.broadcast_to(np.arange(row.shape[1]), row.shape)
    earlier = rng.random(row.shape) < settings.ahead
    place = np.where(earlier, ((step + 1) * rng.random(row.shape) ** 2).astype(np.int64), step)
    known = (place > 0) | (sample.statement >= 0).any(1)[:, None]
    target = WEIGHT_OF_CODE[kind.clip(min=0)].clip(min=0) * ((kind >= 0) & ~met & known)
    arrays = vars(sample) | {"place": place, "target": target.astype(np.float32)}
    return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}


class UserLoss(nn.Module):
    """The sampled softmax of `persona.taste.train.loss_of` over one user's events, in fixed shapes, so that the
    gradients of many users can be taken at once."""

    def __init__(self, model: TasteModel, table: Items, settings: TrainSettings) -> None:
        super().__init__()
        self.model, self.settings, self.count = model, settings, len(table)
        self.features = torch.from_numpy(table.features).to(model.device)
        self.attributes = torch.from_numpy(table.attributes).to(model.device)
        popularity = torch.from_numpy(model.log_popularity(table.popularity)).to(model.device)
        self.prior = popularity * model.prior_weight.detach()

    def negatives(self, rng: np.random.Generator) -> Tensor:
        """Table rows (s,) that a step's targets are told from."""
        chosen = rng.choice(self.count, min(self.settings.negatives, self.count), replace=False)
        return torch.from_numpy(chosen).to(self.model.device)

    def _items(self, rows: Tensor) -> Tensor:
        rows = rows.clamp(min=0)
        return self.model.item(self.features[rows], self.attributes[rows])

    def forward(self, user: dict[str, Tensor], negatives: Tensor) -> Tensor:
        """The loss of one user of `told`, whose tensors have no first dimension here."""
        row, kind, disliked = user["row"], user["kind"], user["disliked"]
        events, against, hated = self._items(row), self._items(negatives), self._items(disliked)
        one = (user["statement"], user["weight"], kind[:-1], user["gap"][:-1], events[:-1])
        u = self.model(Tokens(*(part[None] for part in one)))[0][user["place"]]
        target = row.clamp(min=0)
        positive = (u * events).sum(-1) + self.prior[target]
        sampled = (u @ against.T + self.prior[negatives]).masked_fill(negatives == target[:, None], -torch.inf)
        own = u @ hated.T + self.prior[disliked.clamp(min=0)] + math.log(self.settings.dislike_weight)
        own = own.masked_fill((disliked < 0) | (disliked == target[:, None]), -torch.inf)
        return sampled_softmax(positive, torch.cat([sampled, own], 1), user["target"])
