"""Who judges a transfer: SqueezeNet 1.1 trained on ImageNet, which took no part in training.

A style is the mean and deviation of each channel over the region, at four depths; the distance of two styles is that of
Huang and Belongie (2017, eq. 13). Pictures are shown as the style network sees them, at their own scale, filled outside
the region, so that no outline says anything of style.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from persona.catalog.perceptual import Perceptual
from persona.catalog.pictures import Bytes
from persona.style.picture import Floats, check, extended, view_of
from persona.style.statistics import mean_std, normalised, resized

Style = tuple[tuple[Tensor, Tensor], ...]  # mean and deviation (1, c) of each level

_LEAST_SIDE = 64  # pixels: what is smaller is filled up to it, so that something is left at the deepest level
_DEEP = 3  # the level whose features are content: after fire9


@dataclass(frozen=True)
class Seen:
    """A picture's region as the judge sees it: feature maps (1, c, h, w) of four levels, fine to coarse, and the mask
    (1, 1, H, W) of the region, from 0 to 1."""

    levels: tuple[Tensor, ...]
    mask: Tensor

    @cached_property
    def style(self) -> Style:
        """Of the region."""
        return tuple(mean_std(level, self.mask) for level in self.levels)


class StyleJudge:
    """Looks at pictures, and tells how far apart two are in style, in content and as a whole."""

    def __init__(self, perceptual: Perceptual) -> None:
        self.perceptual = perceptual

    @torch.no_grad()
    def look(self, rgba: Bytes, region: Floats | None = None) -> Seen:
        """A premultiplied picture (h, w, 4) and the region (h, w) that counts; raises BadInput as `picture.check`."""
        view = view_of(rgba, check(rgba, region, "picture"))
        down, across = (max(0, _LEAST_SIDE - length) for length in view.mask.shape[2:])
        mask = F.pad(view.mask, (0, across, 0, down))
        rgb = extended(F.pad(view.rgb, (0, across, 0, down), mode="replicate"), mask) if down or across else view.rgb
        return Seen(tuple(self.perceptual.maps(rgb)), mask)

    def style(self, rgba: Bytes, region: Floats | None = None) -> Style:
        """The style alone, which is small enough to keep of many pictures; otherwise as `look`."""
        return self.look(rgba, region).style


def style_distance(one: Style, other: Style) -> float:
    """Sum over levels of the distances of means and of deviations, of pictures of any two sizes."""
    return sum(by_level(one, other))


def by_level(one: Style, other: Style) -> list[float]:
    """The terms of the style distance, one a level, fine to coarse."""
    return [
        float((mean - its_mean).norm() + (deviation - its_deviation).norm())
        for (mean, deviation), (its_mean, its_deviation) in zip(one, other)
    ]


def content_distance(one: Seen, other: Seen) -> float:
    """Distance of the deep features of two pictures of one shape, each channel normalised to mean 0 and deviation 1
    over the region, which takes style off: root mean square, so that features that have nothing to do with each other
    are about 1.4 apart."""
    weight = _weight(one, _DEEP)
    here, there = (normalised(seen.levels[_DEEP], seen.mask) for seen in (one, other))
    return float(((here - there).square().mean(1, keepdim=True) * weight).sum().sqrt())


def feature_distance(one: Seen, other: Seen) -> float:
    """How different two pictures of one shape look, place by place: features of unit length at each place, squared
    differences summed over channels, mean over places, summed over levels. As LPIPS (Zhang et al. 2018), without its
    learnt weights of channels: every channel counts alike."""
    total = 0.0
    for number, (mine, its) in enumerate(zip(one.levels, other.levels)):
        difference = F.normalize(mine, dim=1) - F.normalize(its, dim=1)
        total += float((difference.square().sum(1, keepdim=True) * _weight(one, number)).sum())
    return total


def _weight(seen: Seen, level: int) -> Tensor:
    """The region at the size of a level, adding up to 1."""
    weight = resized(seen.mask, seen.levels[level].shape[2:])
    return weight / weight.sum().clamp(min=1e-6)
