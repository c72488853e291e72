"""Training of the taste model: next-item prediction with a sampled softmax. The loop yields, its caller saves.

All randomness of a step comes from (seed, step), so a run that was killed and resumed equals one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from persona.errors import BadInput
from persona.taste.history import LONGEST, NEGATIVE_CODES, WEIGHT_OF_CODE, gap_buckets
from persona.taste.model import TasteConfig, TasteModel, Tokens
from persona.taste.table import Floats, Items
from persona.taste.users import Ints, Users


@dataclass(frozen=True)
class TrainSettings:
    """How to train. dislike_weight: how many sampled negatives one disliked item of the user's counts as.

    ahead: share of the targets that are predicted from an earlier place than just before them, early places more
    often, so that short histories and preferences alone learn a taste and not a next click (after PinnerFormer's
    dense all-action loss, Pancha et al. 2022). token_dropout: chance that a stated preference is left out;
    profile_dropout: that all of a user's are. wardrobes: share of the users drawn that are real wardrobes, where
    there are any.
    """

    steps: int = 4000
    users: int = 64
    negatives: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warm_up: int = 100
    token_dropout: float = 0.2
    profile_dropout: float = 0.2
    dislikes: int = 4
    dislike_weight: float = 20.0
    ahead: float = 0.7
    wardrobes: float = 0.1
    with_ids: bool = True
    seed: int = 0


DEFAULT = TrainSettings()
GROUP = 16  # steps whose users are drawn together


@dataclass(frozen=True)
class Sample:
    """b users as one step reads them, padded with -1 on the right: up to 50 events in a row, preferences, dislikes."""

    row: Ints
    kind: Ints
    gap: Ints
    statement: Ints
    weight: Floats
    disliked: Ints


@dataclass
class TrainState:
    """A run: what must be kept to go on with it."""

    model: TasteModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    loss: float = math.nan


def begin(
    table: Items, settings: TrainSettings, config: TasteConfig | None = None, start: TasteModel | None = None,
    device: torch.device | str = "cpu",
) -> TrainState:  # fmt: skip
    """A model to train for these items: untrained, or with what `start` has learned (warm start).

    Of start the sizes are taken too; an item that it did not know begins as content and attributes alone. Raises
    OutOfDate if it was trained on another visual network's content vectors.
    """
    config = config or (start.config if start else TasteConfig(feature_version=table.feature_version))
    config = replace(config, epsilon=None, delta=None)  # what is learned here is no secret kept
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = TasteModel(config, table.ids if settings.with_ids else ())
    if start is not None:
        start.check(table)
        model.learn_from(start)
    model.to(device)
    optimiser = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    return TrainState(model, optimiser)


def train(state: TrainState, table: Items, users: Users, settings: TrainSettings) -> Iterator[TrainState]:
    """Go on from state.step to settings.steps, yielding the state after each step. Raises BadInput without events."""
    if not (WEIGHT_OF_CODE[users.kind] > 0).any():
        raise BadInput("users", "have no event to learn from; import events, or simulate users first")
    device, known = state.model.device, state.model.ids
    features, attributes = (torch.from_numpy(given).to(device) for given in (table.features, table.attributes))
    ids = torch.tensor([known.get(name, 0) for name in table.ids], device=device) if known else None
    log_popularity = torch.from_numpy(state.model.log_popularity(table.popularity)).to(device)
    chances = _chances(users, settings)
    while state.step < settings.steps:
        rng = np.random.default_rng([settings.seed, state.step])
        sample = draw(users, _chosen(users, chances, settings, state.step), rng, settings)
        chosen = rng.choice(len(table), min(settings.negatives, len(table)), replace=False)
        negatives = torch.from_numpy(chosen).to(device)
        for group in state.optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(state.step, settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            state.model.train()
            loss = loss_of(state.model, sample, negatives, (features, attributes, ids), log_popularity, settings)
            state.optimiser.zero_grad()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
        state.optimiser.step()
        state.step, state.loss = state.step + 1, float(loss.detach())
        yield state


def _chances(users: Users, settings: TrainSettings) -> NDArray[np.float64]:
    """How often each user is drawn: those without events never, wardrobes as the settings say."""
    active = np.diff(users.events) > 0
    people, wardrobes = active & users.ordered, active & ~users.ordered
    share = settings.wardrobes if people.any() and wardrobes.any() else float(wardrobes.any())
    return people * ((1 - share) / max(1, people.sum())) + wardrobes * (share / max(1, wardrobes.sum()))


def _chosen(users: Users, chances: NDArray[np.float64], settings: TrainSettings, step: int) -> Ints:
    """The users of a step. Those of some steps are drawn at once and dealt out by length, so that little is padding."""
    group, turn = divmod(step, GROUP)
    rng = np.random.default_rng([settings.seed, group, 1])
    drawn = rng.choice(len(users), GROUP * settings.users, p=chances)
    by_length = drawn[np.argsort(np.diff(users.events)[drawn], kind="stable")]
    return by_length.reshape(GROUP, -1)[rng.permutation(GROUP)[turn]]


def _schedule(step: int, settings: TrainSettings) -> float:
    """Share of the learning rate: a linear rise, then half a cosine down to a twentieth."""
    rise = min(1.0, (step + 1) / max(1, settings.warm_up))
    return rise * (0.05 + 0.95 * (1 + math.cos(math.pi * min(1.0, step / settings.steps))) / 2)


def draw(users: Users, chosen: Ints, rng: np.random.Generator, settings: TrainSettings) -> Sample:
    """The chosen users' preferences and events: a window of 50 from longer histories, any 50 anyhow from wardrobes."""
    starts, counts = users.events[chosen], np.diff(users.events)[chosen]
    length = np.minimum(counts, LONGEST)
    place = np.arange(length.max())
    there = place[None, :] < length[:, None]
    offset = rng.integers(0, counts - length + 1)
    index = np.where(there, (starts + offset)[:, None] + place[None, :], 0)
    for number in np.flatnonzero(~users.ordered[chosen]):
        index[number, : length[number]] = starts[number] + rng.permutation(counts[number])[: length[number]]
    row, kind = np.where(there, users.row[index], -1), np.where(there, users.kind[index], -1)
    gap = np.where(there & users.ordered[chosen][:, None], gap_buckets(users.at[index]), 0)
    statement, weight = _statements(users, chosen, rng, settings)
    against = np.where(np.isin(kind, NEGATIVE_CODES), rng.random(kind.shape), 2.0)
    first = np.argsort(against, 1)[:, : settings.dislikes]
    disliked = np.where(np.take_along_axis(against, first, 1) < 2, np.take_along_axis(row, first, 1), -1)
    return Sample(row, kind, gap, statement, weight, disliked)


def _statements(users: Users, chosen: Ints, rng: np.random.Generator, settings: TrainSettings) -> tuple[Ints, Floats]:
    counts = np.diff(users.stated)[chosen] * (rng.random(len(chosen)) >= settings.profile_dropout)
    place = np.arange(counts.max())
    there = place[None, :] < counts[:, None]
    there &= rng.random(there.shape) >= settings.token_dropout
    if not len(users.statement):
        return np.zeros((len(chosen), 0), np.int64), np.zeros((len(chosen), 0), np.float32)
    index = np.where(there, users.stated[chosen][:, None] + place[None, :], 0)
    return np.where(there, users.statement[index], -1), np.where(there, users.weight[index], 0).astype(np.float32)


def loss_of(
    model: TasteModel,
    sample: Sample,
    negatives: Tensor,
    items: tuple[Tensor, Tensor, Tensor | None],
    log_popularity: Tensor,
    settings: TrainSettings,
) -> Tensor:
    """The sampled softmax over every event of the sample that is a target.

    A target is an event of weight above 0 on an item that the user had not met before; it is not predicted where
    nothing is known yet (no preference, no event). negatives (s,): table rows, shared by the whole sample.
    """
    device = model.device
    row, kind, gap, statement, weight, disliked = (torch.from_numpy(x).to(device) for x in vars(sample).values())
    features, attributes, ids = items
    needed, where = torch.unique(
        torch.cat([row.flatten(), negatives, disliked.flatten()]).clamp(min=0), return_inverse=True
    )
    vectors = model.item(features[needed], attributes[needed], None if ids is None else ids[needed])
    events = vectors[where[: row.numel()]].view(*row.shape, -1)
    against = vectors[where[row.numel() : row.numel() + len(negatives)]]
    hated = vectors[where[row.numel() + len(negatives) :]].view(*disliked.shape, -1)
    read = model(Tokens(statement, weight, kind[:, :-1], gap[:, :-1], events[:, :-1]))
    prior = log_popularity * model.prior_weight

    met = (row[:, :, None] == row[:, None, :]).tril(-1).any(-1)
    importance = torch.from_numpy(WEIGHT_OF_CODE).to(device)[kind.clamp(min=0)] * (kind >= 0) * ~met
    user, step = importance.nonzero(as_tuple=True)
    earlier = torch.rand(len(step), device=device) < settings.ahead
    place = torch.where(earlier, ((step + 1) * torch.rand(len(step), device=device) ** 2).long(), step)
    known = (place > 0) | (statement >= 0).any(1)[user]
    user, step, place = user[known], step[known], place[known]
    u, target = read[user, place], row[user, step]
    positive = (u * events[user, step]).sum(-1) + prior[target]
    sampled = (u @ against.T + prior[negatives]).masked_fill(negatives == target[:, None], -torch.inf)
    own = torch.einsum("md,mkd->mk", u, hated[user]) + prior[disliked[user].clamp(min=0)]
    left_out = (disliked[user] < 0) | (disliked[user] == target[:, None])
    own = (own + math.log(settings.dislike_weight)).masked_fill(left_out, -torch.inf)
    return sampled_softmax(positive, torch.cat([sampled, own], 1), importance[user, step])


def sampled_softmax(positive: Tensor, negative: Tensor, weight: Tensor) -> Tensor:
    """Mean of -log(exp(p) / (exp(p) + sum exp(n))) by weight (m,): scores p (m,) and n (m, s), -inf where left out."""
    scores = torch.cat([positive[:, None], negative], 1)
    losses = F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device), reduction="none")
    return (losses * weight).sum() / weight.sum().clamp(min=1e-9)
