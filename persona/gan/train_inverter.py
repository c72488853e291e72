"""Training of the inverter's encoder: pictures drawn again from what it says must look like the pictures given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from persona.errors import BadInput
from persona.gan.data import Garments
from persona.gan.draw import Draw
from persona.gan.invert import Encoder, bounded, difference
from persona.gan.model import GarmentModel
from persona.gan.networks import CONDITION, LATENT

NEAR = 0.03  # weight of a short z and of keeping the condition near the picture's own, beside the difference of the
# pictures: at the rim of their bounds there is nowhere to go for the descent
BALANCE = 0.5  # rare categories are drawn oftener, as for the generator: see `Garments.weights`


@dataclass(frozen=True)
class Plan:
    """images: pictures to show in all; half: the generator in bfloat16."""

    images: int = 12_000
    batch: int = 32
    rate: float = 1e-3
    width: int = 32
    half: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1 or self.images < self.batch:
            raise BadInput("images", f"{self.images} in batches of {self.batch}, wanted at least one batch")


@dataclass(frozen=True)
class State:
    """After so many images: the encoder, and the last batch's difference of pictures."""

    encoder: Encoder
    images: int
    loss: float


def train_inverter(model: GarmentModel, garments: Garments, plan: Plan) -> Iterator[State]:
    """Train on real garments at the generator's size; yields after every batch. Repeats to the bit on one machine.

    Half of the batches begin where the encoder's own first look led, as in use. Raises BadInput for garments of
    another size.
    """
    if garments.size != model.size:
        raise BadInput("size", f"garments of {garments.size} px for a generator of {model.size} px")
    torch.manual_seed(plan.seed)
    draw, encoder = Draw(plan.seed), Encoder(plan.width).to(model.device)
    adam = torch.optim.Adam(encoder.parameters(), plan.rate)
    steps = plan.images // plan.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, plan.rate, total_steps=max(2, steps + 1), pct_start=0.1)
    generator, weights = model.generator, garments.weights(BALANCE)
    for step in range(steps):
        batch = garments.draw(weights, plan.batch, draw)
        target, condition = batch.pictures.to(model.device), batch.condition.to(model.device)
        category, free = batch.category.to(model.device), torch.zeros(plan.batch, LATENT + CONDITION)
        free = free.to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=plan.half):
            with torch.no_grad():
                drawn = generator(*bounded(free, condition), category)
                if step % 2:
                    free = free + encoder(target, drawn, condition).float()
                    drawn = generator(*bounded(free, condition), category)
            free = free + encoder(target, drawn, condition).float()
            z, moved = bounded(free, condition)
            left = difference(generator(z, moved, category), target).mean()
        loss = left + NEAR * (z.square().mean() + (moved - condition).square().mean())
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
        yield State(encoder, (step + 1) * plan.batch, float(left.detach()))
