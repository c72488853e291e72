"""A generator that has learnt the small shapes by heart, without an adversary: seconds, and it does what it is told."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from persona.catalog.colour import colour_name, garment_lab
from persona.gan import GarmentModel, Prior
from persona.gan.directions import Directions
from persona.gan.invert import to_target
from persona.gan.networks import Generator

from .small import NAMES, shapes

WIDTH = 0.2


@cache
def painter() -> GarmentModel:
    """A model of 32 px whose pictures have the colour that their condition says; z does next to nothing."""
    rgba, conditions, codes = shapes(256)
    torch.manual_seed(0)
    generator, draw = Generator(32, len(NAMES), WIDTH), torch.Generator().manual_seed(0)
    target, condition, category = to_target(rgba, 32), torch.from_numpy(conditions), torch.from_numpy(codes)
    adam = torch.optim.Adam(generator.parameters(), 3e-3)
    for _ in range(300):
        rows = torch.randint(len(rgba), (16,), generator=draw)
        z = torch.randn(16, 64, generator=draw)
        loss = torch.nn.functional.l1_loss(generator(z, condition[rows], category[rows]), target[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
    labs = [garment_lab(picture) for picture in rgba]
    named = [colour_name(lab) for lab in labs if lab]
    directions = Directions.fit(conditions, codes, labs, named, ["plain"] * len(labs))
    prior = Prior.fit(conditions, codes, len(NAMES))
    return GarmentModel(generator, prior, NAMES, "visual@0", "painter@0", directions)


def held_out(count: int = 12, seed: int = 1) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pictures that it has not seen, their conditions and categories."""
    rgba, conditions, codes = shapes(count, seed=seed)
    return rgba, conditions, tuple(NAMES[code] for code in codes)
