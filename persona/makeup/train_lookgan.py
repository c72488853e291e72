"""Training of the look generator: the cGAN's trainer, with a generator that ends in the renderer.

Real pictures are looks of the corpus on face charts; a generated look goes on the same chart as the real one whose
condition it got, and the discriminator, which knows the chart as its category, judges the pictures. Two terms keep the
look near its condition: the contrast that garments have (`persona.gan.losses.contrast`), and the description of the
look itself, which is free up to the noise on the condition: so far a real look is from its own noisy condition too.

Pictures are dear and descriptions cheap, so the generator has learnt to read conditions before the first picture is
shown (`begin`): it starts with one likely look for each, and learns from the pictures what looks are like besides.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from persona.gan.data import Batch, Garments
from persona.gan.draw import Draw
from persona.gan.networks import LATENT
from persona.gan.recipe import Recipe, Schedule
from persona.gan.train import Trainer
from persona.makeup.description import Drawn, drawn_of, seen, standardised
from persona.makeup.look import Look
from persona.makeup.lookgan import NOISE, LookNetwork
from persona.makeup.studio import Studio

BEGUN = 2000  # steps of `begin`, of 128 conditions each
_AT_ONCE = 64  # pictures rendered together


class LookPictures(Garments):
    """Looks of the corpus, each on one chart of a studio: what the discriminator takes for real."""

    def __init__(self, looks: Sequence[Look], studio: Studio, seed: int = 0) -> None:
        self.studio, self.drawn = studio, drawn_of(looks)
        conditions = standardised(seen(self.drawn)).numpy()
        charts = torch.randint(len(studio), (len(looks),), generator=torch.Generator().manual_seed(seed))
        rgba = np.concatenate([opaque(part) for part in self._painted(charts)])
        names = tuple(f"chart {number}" for number in range(len(studio)))
        super().__init__(rgba, conditions, conditions, charts.numpy(), names, studio.side)

    def _painted(self, charts: Tensor) -> list[Tensor]:
        parts = torch.arange(len(charts)).split(_AT_ONCE)
        with torch.no_grad():
            return [self.studio.paint(charts[rows], self.drawn.rows(rows)) for rows in parts]

    def draw(self, weights: Tensor, n: int, draw: Draw) -> Batch:
        """n random pictures, as they are: a chart is lit from one side, and generated ones are not mirrored either."""
        rows = draw.rows(weights, n)
        return Batch(self.pictures[rows].float().div_(127.5).sub_(1), self.conditions[rows, 0], self.categories[rows])


def opaque(pictures: Tensor) -> np.ndarray:
    """Pictures (n, 3, s, s) from 0 to 1 as RGBA uint8 (n, s, s, 4)."""
    levels = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return np.concatenate([levels, np.full((*levels.shape[:3], 1), 255, np.uint8)], 3)


def begin(network: LookNetwork, conditions: Tensor, noise: float, steps: int, seed: int) -> None:
    """Teach a network to tell looks from noisy conditions (n, 64): the least squared distance of their descriptions."""
    draw = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(steps):
        adam.param_groups[0]["lr"] = 1e-3 * (1 - step / steps) + 1e-5
        wanted = conditions[torch.randint(len(conditions), (128,), generator=draw)]
        given = wanted + noise * torch.randn(wanted.shape, generator=draw)
        made = network(torch.randn(128, LATENT, generator=draw), given)
        loss = (standardised(seen(made)) - wanted).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()


def plan(size: int, images: int, seed: int = 0) -> Recipe:
    """The default recipe: half the discriminator's width, `colour` weighing the distance of descriptions."""
    return Recipe(
        size, images, seed=seed, width=0.5, noise=NOISE, colour=1.0, classify=Schedule(0.0, 0.0, 1),
        contrast=Schedule(0.1, 0.1, 1), conditional=Schedule(0.0, 1.0, max(1, images // 20)), half=True,
        augment=Schedule(0.3, 0.0, images), penalty=Schedule(1.0, 0.25, images), mismatch=Schedule(1.0, 0.0, images),
        ema_images=4000.0, rate_generator=4e-4, rate_discriminator=4e-4,
    )  # fmt: skip


@dataclass
class LookTrainer(Trainer):
    """As the garments' trainer; `garments` are LookPictures."""

    generator: Any = field(init=False)
    studio: Studio = field(init=False)
    _drawn: Drawn = field(init=False)

    def _new_generator(self) -> LookNetwork:
        pictures = self.garments
        assert isinstance(pictures, LookPictures)
        self.studio = pictures.studio.to(self.device)
        network = LookNetwork()
        network.begin_at(pictures.drawn)
        begin(network, pictures.conditions[:, 0], self.recipe.noise, min(BEGUN, self.recipe.images), self.recipe.seed)
        return network.to(self.device)

    def _generate(self, z: Tensor, batch: Batch) -> Tensor:
        self._drawn = self.generator(z, batch.condition)
        pictures = self.studio.paint(batch.category, self._drawn)
        return torch.cat([pictures * 2 - 1, torch.ones_like(pictures[:, :1])], 1)

    def _distance(self, batch: Batch, fake: Tensor) -> Tensor:
        away = (standardised(seen(self._drawn)) - batch.condition).square().mean(1)
        return (away - self.recipe.noise**2).clamp(min=0).mean()

    def averaged(self, batches: int = 0) -> LookNetwork:
        """A copy of the averaged network; it has no batch statistics."""
        network = cast(LookNetwork, copy.deepcopy(self.average))
        return network.eval()
