"""The generator of looks: (condition, z) to a look, which the renderer puts on any face.

The condition is a description of a look (`persona.makeup.description`) with some noise, so that many looks fit it, and
z chooses among them. What comes out is a look in numbers: pigment, opacity, weights of finishes and placements, and
whether there is a product at all. These choices are taken at once, as a look has to take them; gradients go through
their soft weights (the straight-through estimator of Bengio et al. 2013), so what the discriminator sees in training is
what the finished look will show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from persona import modelfolder
from persona.errors import BadInput, OutOfDate
from persona.gan.networks import LATENT
from persona.makeup.description import SLOTS, VERSION, Drawn
from persona.makeup.look import FINISHES, REGIONS, Look, Placement, Region
from persona.makeup.render import Layers, look_of
from persona.taste.table import DIMENSIONS, Floats

KIND = "look-gan"

NOISE = 0.4  # deviation of what is added to conditions, in training and in drawing
LEAST = 0.03  # opacity of the faintest product
_PARTS = (3, 1, 1, len(FINISHES))  # of a region: lab, opacity, presence, finish
_BY_REGION = [[slot for slot, (of, _) in enumerate(SLOTS) if of == region] for region in REGIONS]


class LookNetwork(nn.Module):
    """(z (n, 64), condition (n, 64)) to n looks. middle, spread: (R, 3), pigments of the corpus, where it begins."""

    middle: Tensor
    spread: Tensor

    def __init__(self, width: int = 256, blocks: int = 3) -> None:
        super().__init__()
        self.enter = nn.Linear(DIMENSIONS + LATENT, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.leave = nn.Linear(width, len(REGIONS) * sum(_PARTS) + len(SLOTS))
        self.register_buffer("middle", torch.tensor([55.0, 20.0, 15.0]).repeat(len(REGIONS), 1))
        self.register_buffer("spread", torch.tensor([15.0, 12.0, 12.0]).repeat(len(REGIONS), 1))

    @torch.no_grad()
    def begin_at(self, drawn: Drawn) -> None:
        """Set middle and spread by the products of these looks."""
        there = drawn.layers.opacity[..., None] > 0
        count = there.sum(0).clamp(min=1)
        self.middle.copy_((drawn.layers.lab * there).sum(0) / count)
        self.spread.copy_((((drawn.layers.lab - self.middle).square() * there).sum(0) / count).sqrt().clamp(min=2.0))

    def forward(self, z: Tensor, condition: Tensor) -> Drawn:
        """See the class. Colours stay within what pigments have; opacities from LEAST to 1, or 0."""
        x = self.enter(torch.cat([condition, z], 1))
        for block in self.blocks:
            x = x + block(x)
        numbers, places = self.leave(x).split([len(REGIONS) * sum(_PARTS), len(SLOTS)], 1)
        lab, opacity, presence, finish = numbers.unflatten(1, (len(REGIONS), -1)).split(list(_PARTS), 2)
        lab = self.middle + self.spread * lab
        lab = torch.cat([bounded(lab[..., :1], 3.0, 97.0), bounded(lab[..., 1:], -80.0, 80.0)], 2)
        cover = LEAST + (1 - LEAST) * opacity[..., 0].sigmoid()
        layers = Layers(lab, cover * decided(presence[..., 0].sigmoid()), chosen(finish))
        return Drawn(layers, torch.cat([chosen(places[:, own]) for own in _BY_REGION], 1))


def bounded(x: Tensor, low: float, high: float) -> Tensor:
    """Clamped, but with the gradient of the unclamped, so that nothing stays stuck at a bound."""
    return x + (x.clamp(low, high) - x).detach()


def decided(share: Tensor) -> Tensor:
    """0 or 1, whichever is nearer, with the gradient of the share itself."""
    return share + ((share > 0.5).to(share) - share).detach()


def chosen(logits: Tensor) -> Tensor:
    """One-hot (..., k) of the highest, with the gradient of the softmax."""
    soft = logits.softmax(-1)
    return soft + (F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft) - soft).detach()


class LookGenerator:
    """A trained network as shipped: conditions and seeds to looks."""

    def __init__(self, network: LookNetwork, version: str = "untrained") -> None:
        self.network, self.version = network.eval().requires_grad_(False), version

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.middle.device

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> LookGenerator:
        """Read a model folder. Raises as `persona.modelfolder.read`, and OutOfDate for another description of looks."""
        stored = modelfolder.read(folder, KIND)
        if stored.config["description"] != VERSION:
            raise OutOfDate(f"{folder}: reads {stored.config['description']}, not {VERSION}; `persona train look-gan`")
        network = LookNetwork(stored.config["width"], stored.config["blocks"])
        modelfolder.fill(network, stored)
        return cls(network.to(device), stored.name)

    def save(self, folder: Path, *, card: str, metrics: dict[str, Any]) -> None:
        """Write a model folder."""
        network = self.network
        config = {"width": network.enter.out_features, "blocks": len(network.blocks), "description": VERSION}
        written = modelfolder.write(folder, KIND, config, network.state_dict(), card=card, metrics=metrics, half=False)
        self.version = written.name

    @torch.no_grad()
    def draw(self, conditions: Floats, seeds: Sequence[int], noise: float = NOISE) -> list[Look]:
        """Looks for conditions (n, 64), a seed each. The same model, condition, seed and noise give the same look,
        alone or among others. noise: deviation of what the seed adds to a condition; less, nearer to it and more
        alike. Raises BadInput for other shapes and what is not finite."""
        if conditions.shape != (len(seeds), DIMENSIONS) or not np.isfinite(conditions).all():
            raise BadInput(
                "conditions", f"shape {conditions.shape} for {len(seeds)} seeds, wanted finite numbers of shape (n, 64)"
            )
        return [self._draw(condition, seed, noise) for condition, seed in zip(conditions, seeds)]

    def _draw(self, condition: Floats, seed: int, noise: float) -> Look:
        """One by one: in a batch of another size sums differ in the last digit."""
        normal = torch.randn(LATENT + DIMENSIONS, generator=torch.Generator().manual_seed(seed))
        wanted = torch.from_numpy(np.array(condition, np.float32)) + noise * normal[LATENT:]
        drawn = self.network(normal[None, :LATENT].to(self.device), wanted[None].to(self.device))
        return looks_of(drawn)[0]


def looks_of(drawn: Drawn) -> list[Look]:
    """Tensors as looks; a product fainter than LEAST is none."""
    placed: list[dict[Region, Placement]] = [{} for _ in range(len(drawn))]
    for region, own in zip(REGIONS, _BY_REGION):
        for row, best in enumerate(drawn.places[:, own].argmax(1).tolist()):
            placed[row][region] = SLOTS[own[best]][1]
    return [look_of(drawn.layers, row, placed[row], 0.999 * LEAST) for row in range(len(drawn))]


def look_digest(condition: Floats, category: str) -> str:
    """sha256 of a condition (64,) and its occasion, by which a generation says what it was made from."""
    return hashlib.sha256(np.ascontiguousarray(condition, "<f4").tobytes() + category.encode()).hexdigest()
