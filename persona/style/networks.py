"""The decoder that paints a style onto a picture, and the discriminator of patches that it learns against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from persona.style.features import FeatureNet
from persona.style.statistics import adain, mean_std
from persona.style.transport import FOLDS, Moments, moments_of, transported, with_folds

WIDTHS = (32, 64, 96, 128)  # of the decoder at each level, fine to coarse
CODE = 96  # length of what modulates the levels
_MOST = 10.0  # usual deviations that a feature counts for
# opponent colours (Ohta, Kanade and Sakai 1980), orthonormal: what Reinhard's transfer wants, without logarithms
_OPPONENT = ((0.5774, 0.5774, 0.5774), (0.7071, 0.0, -0.7071), (-0.4082, 0.8165, -0.4082))

Statistics = list[tuple[Tensor, Tensor]]  # mean and deviation (n, c) of each level, the picture's own colours first


def opponent(rgb: Tensor) -> Tensor:
    """sRGB (n, 3, h, w) in opponent colours."""
    return F.conv2d(rgb, rgb.new_tensor(_OPPONENT)[:, :, None, None])


def from_opponent(colours: Tensor) -> Tensor:
    """The way back."""
    return F.conv2d(colours, colours.new_tensor(_OPPONENT).t()[:, :, None, None])


def statistics_of(rgb: Tensor, levels: Sequence[Tensor], mask: Tensor | None) -> Statistics:
    """Statistics over the mask (n, 1, h, w) of pictures (n, 3, h, w) and of their features."""
    return [mean_std(each.float(), mask) for each in (opponent(rgb), *levels)]


def reachable(own: Statistics, style: Statistics) -> Statistics:
    """A style's statistics, where at least FOLDS of a picture's own deviation stays."""
    return [(mean, torch.maximum(to, FOLDS * deviation)) for (_, deviation), (mean, to) in zip(own, style)]


class Level(nn.Module):
    """One level of the decoder: what comes from the coarser one, its own features and noise; two convolutions."""

    def __init__(self, channels: int, width: int, coarser: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels + 1, width, 1)
        self.rise = nn.Conv2d(coarser, width, 1) if coarser else None
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(CODE, 2 * width)

    def forward(self, features: Tensor, noise: Tensor, coarser: Tensor | None, code: Tensor) -> Tensor:
        """(n, channels, h, w), (n, 1, h, w), (n, coarser, h / 2, w / 2) and (n, CODE) to (n, width, h, w)."""
        x = self.enter(torch.cat([features, noise], 1))
        if self.rise is not None:
            below = self.rise(coarser)  # before it is enlarged: a quarter of the work
            x = x + F.interpolate(below, x.shape[2:], mode="bilinear", align_corners=False)
        gain, bias = self.modulate(code)[:, :, None, None].chunk(2, 1)
        h = torch.addcmul(bias, self.conv1(F.silu(x)), 1 + gain)
        result: Tensor = x + self.conv2(F.silu(h))
        return result


class Decoder(nn.Module):
    """Adaptive instance normalisation on every level, the picture's own pixels included, and painting from all of them.

    The pixels get the style's mean and deviation in opponent colours (Reinhard et al. 2001), the levels those of their
    features (Huang and Belongie 2017); the statistics also modulate each level (Perez et al. 2018). A fixed noise is
    there to grow texture from. channels, strides: the feature net's.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        coarser, dimensions = (*WIDTHS[1:], 0), 2 * (3 + sum(channels))
        self.finest, self.channels = strides[0], tuple(channels)
        self.register_buffer("centre", torch.ones(dimensions))
        self.register_buffer("spread", torch.ones(dimensions))
        self.embed = nn.Sequential(nn.Linear(dimensions, CODE), nn.SiLU(), nn.Linear(CODE, CODE), nn.SiLU())
        entering = (channels[0] + 3 * self.finest**2, *channels[1:])
        self.levels = nn.ModuleList(Level(c, w, b) for c, w, b in zip(entering, WIDTHS, coarser))
        self.paint = nn.Conv2d(WIDTHS[0], 3 * self.finest**2, 3, padding=1)

    @torch.no_grad()
    def standardise(self, statistics: Statistics) -> None:
        """Learn from many styles what their statistics are like."""
        flat = torch.cat([each for pair in statistics for each in pair], 1)
        self.centre.copy_(flat.mean(0))
        self.spread.copy_(flat.std(0) + 1e-3)

    def code(self, statistics: Statistics) -> Tensor:
        """Standardised statistics (n, d)."""
        flat = torch.cat([each for pair in statistics for each in pair], 1)
        return ((flat - self.centre) / self.spread).clamp(-5, 5)

    def forward(self, rgb: Tensor, levels: Sequence[Tensor], own: Statistics, style: Statistics) -> Tensor:
        """Pictures (n, 3, h, w), their features and statistics, and the style's to pictures, not clipped."""
        wanted = reachable(own, style)
        code, x = self.embed(self.code(wanted)), None
        for at in reversed(range(len(self.levels))):
            features = self._normalised(levels[at], own, wanted, at + 1)
            if at == 0:
                pixels = F.pixel_unshuffle(self._normalised(opponent(rgb), own, wanted, 0), self.finest)
                features = torch.cat([pixels, features], 1)
            x = self.levels[at](features, noise_like(features), x, code)
        assert x is not None
        return from_opponent(F.pixel_shuffle(self.paint(F.silu(x)), self.finest).float())

    def _normalised(self, features: Tensor, own: Statistics, wanted: Statistics, at: int) -> Tensor:
        """With the wanted statistics, in units of what is usual."""
        sizes = [c for each in (3, *self.channels) for c in (each, each)]
        mean, deviation = (each[:, None, None] for each in self.centre.split(sizes)[2 * at : 2 * at + 2])
        return ((adain(features, own[at], wanted[at]) - mean) / deviation).clamp(-_MOST, _MOST)


def noise_like(features: Tensor) -> Tensor:
    """Noise (n, 1, h, w), the same for every picture of this size, whatever the device."""
    n, _, height, width = features.shape
    generator = torch.Generator().manual_seed(height * 100_003 + width)
    noise = torch.randn(1, 1, height, width, generator=generator).to(features)
    return noise.expand(n, -1, -1, -1)


@dataclass(frozen=True)
class Style:
    """What is read of n references: statistics of features, and moments of patches (`persona.style.transport`)."""

    statistics: Statistics
    moments: Moments


def style_of(net: FeatureNet, rgb: Tensor, mask: Tensor) -> Style:
    """The styles of pictures (n, 3, h, w) over their regions (n, 1, h, w)."""
    return Style(statistics_of(rgb, net(rgb), mask), moments_of(rgb, mask))


def stylise(decoder: Decoder, net: FeatureNet, rgb: Tensor, mask: Tensor, style: Style) -> Tensor:
    """Pictures (n, 3, h, w) with regions (n, 1, h, w) in a style: (n, 3, h, w), from 0 to 1.

    Patches are moved to the style's, the decoder paints from there, and what it made is moved once more.
    """
    own = moments_of(rgb, mask)
    moments = with_folds(style.moments, own)
    base = transported(rgb, mask, moments, own).clamp(0, 1)
    levels = net(base)
    painted = decoder(base, levels, statistics_of(base, levels, mask), style.statistics)
    return transported(painted.clamp(0, 1), mask, moments).clamp(0, 1)


class PatchDiscriminator(nn.Module):
    """Whether patches of some 46 pixels are of real pictures in this style.

    A projection discriminator (Miyato and Koyama 2018) on style statistics, convolutional (Isola et al. 2017), with
    spectral norm.
    """

    def __init__(self, style: int, width: int = 48) -> None:
        super().__init__()
        channels = (12, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 3 if k == 0 else 4, stride=1 if k == 0 else 2, padding=1))
            for k, (before, after) in enumerate(pairwise(channels))
        )
        self.last = spectral_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))
        self.psi = nn.Sequential(
            spectral_norm(nn.Linear(style, 128)), nn.SiLU(), spectral_norm(nn.Linear(128, channels[-1]))
        )
        self.depth = channels[-1]

    def forward(self, rgb: Tensor, style: Tensor) -> Tensor:
        """Pictures (n, 3, h, w) and standardised statistics (n, d) to scores (n, 1, h / 8, w / 8)."""
        x = F.pixel_unshuffle(rgb * 2 - 1, 2)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        matching = (x * self.psi(style)[:, :, None, None]).sum(1, keepdim=True) / self.depth**0.5
        scores: Tensor = self.last(x) + matching
        return scores
