"""Differentiable augmentation without colour, for few pictures (DiffAugment, Zhao et al. 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from persona.gan.draw import Draw

SHIFT, SCALE = 0.1, 0.12  # of the side: largest shift, standard deviation of the scale
HOLE, HOLES = 0.35, 0.3  # side of a cut-out square as a share of the picture's, and how often there is one


def augment(pictures: Tensor, strength: float, draw: Draw) -> Tensor:
    """Shift, scale and cut squares out of (n, 4, s, s) in [-1, 1], in a share `strength` of the pictures.

    Random numbers come from draw alone, so that a run repeats on any device.
    """
    if strength <= 0:
        return pictures
    n, device = len(pictures), pictures.device
    chosen = draw.uniform(n) < strength
    scale = torch.where(chosen, 1 + SCALE * draw.normal(n), 1.0).clamp(0.7, 1.4)
    shift = torch.where(chosen[:, None], (draw.uniform(n, 2) * 2 - 1) * 2 * SHIFT, 0.0)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0] = affine[:, 1, 1] = scale
    affine[:, :, 2] = shift
    grid = F.affine_grid(affine.to(device), list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures + 1, grid, align_corners=False)  # outside is empty: -1, so shift by one
    return moved * _holes(n, pictures.shape[-1], chosen, draw).to(device) - 1


def _holes(n: int, side: int, chosen: Tensor, draw: Draw) -> Tensor:
    holed = chosen & (draw.uniform(n) < HOLES)
    centre = draw.uniform(n, 2, 1)
    at = (torch.arange(side) + 0.5) / side
    near = (at - centre).abs() < HOLE / 2
    return 1 - (near[:, 0, :, None] & near[:, 1, None, :] & holed[:, None, None]).float()[:, None]
