"""Means and deviations of features over a region: what style is, here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[Tensor, Tensor]  # means and deviations, (n, c) each
LEAST = 1e-4  # variance added under the root, so that its gradient stays finite where nothing varies


def mean_std(features: Tensor, mask: Tensor | None = None) -> Pair:
    """Mean and deviation (n, c) of features (n, c, h, w) over a mask (n, 1, H, W), soft, from 0 to 1, of any size.

    None: the whole picture. An empty mask counts nothing: means and deviations near nought.
    """
    if mask is None:
        mean, variance = features.mean((2, 3)), features.var((2, 3), correction=0)
        return mean, (variance + LEAST).sqrt()
    weight = resized(mask, features.shape[2:])
    weight = weight / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
    mean = (features * weight).sum((2, 3))
    variance = ((features - mean[:, :, None, None]).square() * weight).sum((2, 3))
    return mean, (variance + LEAST).sqrt()


def resized(mask: Tensor, size: Sequence[int]) -> Tensor:
    """A mask (n, 1, H, W) by area, at another size (h, w)."""
    return mask if mask.shape[2:] == tuple(size) else F.interpolate(mask, tuple(size), mode="area")


def normalised(features: Tensor, mask: Tensor) -> Tensor:
    """Features (n, c, h, w) of mean 0 and deviation 1 over the mask: what is where, not how it looks."""
    mean, deviation = mean_std(features, mask)
    return (features - mean[:, :, None, None]) / deviation[:, :, None, None]


def adain(features: Tensor, own: Pair, style: Pair) -> Tensor:
    """Adaptive instance normalisation (Huang and Belongie 2017): features (n, c, h, w) whose statistics, (n, c) each,
    are replaced by the style's."""
    gain = style[1] / own[1]
    return features * gain[:, :, None, None] + (style[0] - own[0] * gain)[:, :, None, None]


def separation(own: Sequence[Pair], style: Sequence[Pair]) -> Tensor:
    """Distance of means and of deviations, in units of the style's deviations; the mean over levels and pictures.

    Plain styles, which hardly vary, count as if they varied half as much as the others: a few would outweigh the rest.
    """
    levels = []
    for here, there in zip(own, style):
        mean, deviation = ((a - b).square().sum(1).add(1e-8).sqrt() for a, b in zip(here, there))
        size = there[1].norm(dim=1)
        levels.append(((mean + deviation) / size.clamp(min=size.mean() / 2)).mean())
    return torch.stack(levels).mean()
