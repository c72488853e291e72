"""Training of the visual feature on cut-out garments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from persona.catalog.visual import COARSE, VisualNetwork, texture_of, to_tensor


@dataclass
class VisualState:
    """Where the training stands after an epoch."""

    network: VisualNetwork
    epoch: int
    loss: float


def train_visual(
    rgba: NDArray[np.uint8],
    categories: NDArray[np.int64],
    names: tuple[str, ...],
    *,
    epochs: int = 30,
    batch: int = 64,
    rate: float = 2e-3,
    seed: int = 0,
) -> Iterator[VisualState]:
    """Train on premultiplied pictures (n, h, w, 4) with category codes (n,), yielding after each epoch.

    Loss: cross-entropy of the category (classes weighted by 1/sqrt(count)), squared error of the coarse picture and of
    the standardised texture. The last state's network is standardised over these pictures.
    """
    if len(rgba) < batch:
        raise ValueError(f"rgba: {len(rgba)} pictures, wanted at least one batch of {batch}")
    torch.manual_seed(seed)
    pictures, codes = to_tensor(rgba).contiguous(memory_format=torch.channels_last), torch.from_numpy(categories)
    network = VisualNetwork(names).to(memory_format=torch.channels_last)
    counts = torch.bincount(codes, minlength=len(names)).clamp(min=1).float()
    weights = counts.rsqrt() / (counts.rsqrt() * counts).sum() * counts.sum()
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.05)
    steps = epochs * (len(rgba) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
    texture = texture_of(pictures)
    centre, spread = texture.mean(0), texture.std(0)
    for epoch in range(1, epochs + 1):
        network.train()
        total = 0.0
        for rows in torch.randperm(len(rgba))[: len(rgba) // batch * batch].split(batch):
            seen = augment(pictures[rows])
            loss = _loss(network, seen, codes[rows], weights, (centre, spread))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        if epoch == epochs:
            _standardise(network, pictures)
        yield VisualState(network, epoch, total / len(rgba))


def _loss(network: VisualNetwork, seen: Tensor, codes: Tensor, weights: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
    with torch.autocast(seen.device.type, torch.bfloat16):
        feature = network.bottleneck(network.trunk(seen)).float()
    noisy = feature + 0.05 * feature.detach().std(0) * torch.randn_like(feature)
    category = F.cross_entropy(network.category_head(noisy), codes, weights, label_smoothing=0.05)
    coarse = F.mse_loss(network.coarse_head(noisy), F.adaptive_avg_pool2d(seen, COARSE).flatten(1))
    texture = F.mse_loss(network.texture_head(noisy), (texture_of(seen) - norm[0]) / norm[1])
    return category + 10 * coarse + 0.3 * texture


def augment(pictures: Tensor) -> Tensor:
    """Mirror half of the pictures and shift, scale and turn all a little. Empty pixels are -1, so shift around that."""
    n = len(pictures)
    turn = torch.randn(n) * 0.08
    scale = 1 + torch.randn(n) * 0.06
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0], affine[:, 0, 1] = mirror * scale * turn.cos(), -scale * turn.sin()
    affine[:, 1, 0], affine[:, 1, 1] = mirror * scale * turn.sin(), scale * turn.cos()
    affine[:, :, 2] = torch.randn(n, 2) * 0.04
    grid = F.affine_grid(affine, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures + 1, grid, align_corners=False) - 1


@torch.no_grad()
def _standardise(network: VisualNetwork, pictures: Tensor) -> None:
    network.eval()
    raw = torch.cat([network.bottleneck(network.trunk(part)) for part in pictures.split(256)])
    network.mean.copy_(raw.mean(0))
    network.deviation.copy_(raw.std(0).clamp(min=1e-4))
