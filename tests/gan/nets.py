"""Small generators as training leaves them, without training."""

from __future__ import annotations

import torch
from torch import nn

from persona.gan import GarmentModel, Prior
from persona.gan.networks import ConditionalBatchNorm, Generator

from .small import NAMES, shapes


def stirred(size: int = 64, width: float = 0.1) -> Generator:
    """A generator whose norms and heads are far from where they begin."""
    torch.manual_seed(size)
    generator = Generator(size, len(NAMES), width).eval()
    for layer in generator.modules():
        if isinstance(layer, ConditionalBatchNorm):
            assert layer.norm.running_mean is not None
            assert layer.norm.running_var is not None
            layer.norm.running_mean.normal_(0, 2)
            layer.norm.running_var.uniform_(0.05, 4)
            nn.init.normal_(layer.affine.weight, std=0.2)
            nn.init.normal_(layer.affine.bias, std=0.5)
        elif isinstance(layer, nn.Conv2d) and layer.out_channels == 4:
            nn.init.normal_(layer.weight, std=0.2)
    return generator


def stirred_model(size: int = 64) -> GarmentModel:
    """Such a generator with a prior and names, as `GarmentModel.save` takes it with width=0.1."""
    _, conditions, codes = shapes()
    return GarmentModel(stirred(size), Prior.fit(conditions, codes, len(NAMES)), NAMES, "visual-64@0", "garment@0")
