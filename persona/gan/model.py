"""A trained generator as a model folder, and sampling from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from persona import modelfolder
from persona.errors import BadInput
from persona.gan.networks import CONDITION, LATENT, Generator
from persona.gan.prior import Prior

KIND = "gan"
BATCH = 16  # pictures to a pass: larger ones gain little on a CPU and cost memory


class GarmentModel:
    """Generator, prior and names, as shipped."""

    def __init__(
        self, generator: Generator, prior: Prior, categories: tuple[str, ...], visual: str, version: str = "untrained"
    ) -> None:
        self.generator, self.prior, self.categories = generator.eval().requires_grad_(False), prior, categories
        self.visual, self.version = visual, version  # visual: version of the network whose space conditions live in

    @property
    def size(self) -> int:
        """Side of its pictures."""
        return self.generator.size

    @property
    def device(self) -> torch.device:
        """Where the generator lives."""
        return self.generator.start.weight.device

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> GarmentModel:
        """Read a model folder; raises as `persona.modelfolder.read`."""
        model = modelfolder.read(folder, KIND)
        config, categories = model.config, tuple(model.config["categories"])
        generator = Generator(config["size"], len(categories), config["width"])
        prior = Prior(model.tensors.pop("prior.mean"), model.tensors.pop("prior.root"))
        modelfolder.fill(generator, model)
        generator.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(generator, prior, categories, config["visual"], model.name)

    def save(self, folder: Path, *, width: float, card: str, metrics: dict[str, object]) -> None:
        """Write a model folder."""
        config = {"size": self.size, "width": width, "categories": list(self.categories), "visual": self.visual}
        tensors = {**self.generator.state_dict(), **self.prior.state()}
        self.version = modelfolder.write(folder, KIND, config, tensors, card=card, metrics=metrics).name


def condition_digest(condition: NDArray[np.float32], category: str) -> str:
    """sha256 of a condition (64,) and its category, by which a generation says what it was made from."""
    return hashlib.sha256(np.ascontiguousarray(condition, "<f4").tobytes() + category.encode()).hexdigest()


@torch.no_grad()
def sample(
    model: GarmentModel,
    conditions: NDArray[np.float32],
    categories: Sequence[str],
    seeds: Sequence[int],
    truncation: float = 0.8,
) -> NDArray[np.uint8]:
    """Premultiplied pictures uint8 (n, size, size, 4) for conditions (n, 64), one category and one seed each.

    truncation: standard deviation of z; lower is safer and more alike. Each picture depends on its own condition,
    category and seed alone, but for single levels that a batch rounds otherwise: where the hash of a picture counts,
    ask for one at a time. Raises BadInput naming the field.
    """
    n = len(conditions)
    if conditions.shape != (n, CONDITION) or not np.isfinite(conditions).all():
        raise BadInput("conditions", f"wanted finite numbers of shape (n, {CONDITION}), got {conditions.shape}")
    if len(categories) != n or len(seeds) != n:
        raise BadInput("seeds", f"{len(seeds)} seeds and {len(categories)} categories for {n} conditions")
    if unknown := sorted(set(categories) - set(model.categories)):
        raise BadInput("category", f"{unknown[0]!r} is unknown: choose from {', '.join(model.categories)}")
    if n == 0:
        return np.zeros((0, model.size, model.size, 4), np.uint8)
    z = torch.stack([torch.randn(LATENT, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    codes = torch.tensor([model.categories.index(category) for category in categories])
    given = torch.from_numpy(np.ascontiguousarray(conditions, np.float32))
    passes = torch.arange(n).split(BATCH)
    return np.concatenate([_pass(model, truncation * z[rows], given[rows], codes[rows]) for rows in passes])


def _pass(model: GarmentModel, z: torch.Tensor, given: torch.Tensor, codes: torch.Tensor) -> NDArray[np.uint8]:
    device = model.device
    pictures = model.generator(z.to(device), given.to(device), codes.to(device))
    levels = pictures.add(1).mul(127.5).round().clamp(0, 255)
    return np.ascontiguousarray(levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
