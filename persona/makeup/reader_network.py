"""The network that reads makeup: from colours measured at known points, and an aligned crop, to a look.

First it says what the light did to the skin (three gains), takes that off every measured colour, and then reads the
products and the bare face as differences from what was measured, so that what it must learn is small.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from persona.catalog.lab import linear_to_lab, to_linear
from persona.makeup.aligned import PATCHES, SIDE, VARIANTS
from persona.makeup.look import FINISHES, REGIONS

BARE = ("skin", "lips", "lids", "cheeks", "brows")  # whose own colours are told
BARE_PATCHES = ("skin/even", "lips/full", "lids/lid", "cheeks/apples", "brows/natural")
_QUANTILES = (0.08, 0.25, 0.5, 0.75, 0.92)
_SKIN = PATCHES.index("skin/even")
_DARK = 0.004  # added to linear light before its logarithm
_EYES, _MOUTH = (slice(28, 84), slice(16, 144)), (slice(88, 144), slice(40, 120))  # rows and columns of the crop


@dataclass(frozen=True)
class Readings:
    """What the network says of n faces; R regions, V variants (region and placement), B of BARE.

    light: (n, 3) natural logarithm of what the light did to linear red, green and blue on skin; present: (n, R) logits;
    pigment: (n, R, 3) CIELAB; opacity: (n, R); finish: (n, R, 4) logits; placement: (n, V) logits; bare: (n, B, 3)
    CIELAB in neutral light; worn: (n, V, 3) CIELAB measured where each product would lie, the light taken off; error:
    (n, R) expected CIEDE2000 of the colour read.
    """

    light: Tensor
    present: Tensor
    pigment: Tensor
    opacity: Tensor
    finish: Tensor
    placement: Tensor
    bare: Tensor
    worn: Tensor
    error: Tensor


class ReaderNetwork(nn.Module):
    """crops: sRGB (n, 3, SIDE, SIDE) from 0 to 1; at: int64 (n, patches, points); around: (n, SIDE, SIDE), the face."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.width = width
        patches, measured = len(PATCHES), len(PATCHES) * 3 * len(_QUANTILES)
        self.face, self.eyes, self.mouth = _eye(3, SIDE // 2, SIDE // 2, 64), _eye(3, 56, 64, 48), _eye(3, 56, 80, 48)
        shapes = 64 + 48 + 48
        self.light = _mlp(measured + 3 * patches, width, 3)  # no shapes: by these it would know the people again
        contrasts = patches + len(VARIANTS)
        self.trunk = nn.Sequential(_mlp(measured + 3 * patches + shapes + 3 + contrasts, width, width), nn.GELU())
        self.own = nn.Parameter(_own_patches())
        regions = len(REGIONS)
        sizes = (regions, 3 * regions, regions, regions * len(FINISHES), len(VARIANTS), 3 * len(BARE), regions)
        self.sizes = sizes
        self.heads = nn.Linear(width, sum(sizes))

    def forward(self, crops: Tensor, at: Tensor, around: Tensor, trust: float = 1.0) -> Readings:
        """Read faces; see Readings. trust: in its word on how much light there is, 0 to 1."""
        linear = to_linear(crops)
        points = linear.flatten(2).gather(2, at.flatten(1)[:, None].expand(-1, 3, -1))
        points = points.unflatten(2, at.shape[1:])  # (n, 3, patches, points)
        logs = (points.median(-1).values + _DARK).log()  # (n, 3, patches)
        skin = logs[:, :, _SKIN]
        relative = ((linear + _DARK).log() - skin[..., None, None]).clamp(-3, 3) * around[:, None]
        shapes = self._shapes(relative)
        invariant = (logs - skin[..., None]).flatten(1)
        light = self.light(torch.cat([measure(points)[0], invariant], 1)) + 0.3 * (skin + 1.3)
        light = light - (1 - trust) * light.mean(1, keepdim=True)
        cleared = points * (-light)[..., None, None].exp()
        statistics, middle = measure(cleared)
        hidden = self.trunk(torch.cat([statistics, invariant, shapes, light, contrasts(middle)], 1))
        return self._readings(self.heads(hidden), light, middle)

    def _shapes(self, relative: Tensor) -> Tensor:
        face = self.face(nn.functional.avg_pool2d(relative, 2))
        eyes = relative[(..., *_EYES)]
        half = eyes.shape[-1] // 2
        right, left = self.eyes(eyes[..., :half]), self.eyes(eyes[..., half:].flip(-1))
        return torch.cat([face, right + left, self.mouth(relative[(..., *_MOUTH)])], 1)

    def _readings(self, out: Tensor, light: Tensor, middle: Tensor) -> Readings:
        n, regions = len(out), len(REGIONS)
        present, pigment, opacity, finish, placement, bare, error = out.split(self.sizes, 1)
        near = self.own.softmax(-1) @ middle  # (n, R, 3)
        own = middle[:, [PATCHES.index(name) for name in BARE_PATCHES]]
        return Readings(
            light=light, present=present, pigment=near + 20 * pigment.view(n, regions, 3),
            opacity=opacity.sigmoid(), finish=finish.view(n, regions, -1), placement=placement,
            bare=own + 10 * bare.view(n, -1, 3), worn=middle[:, : len(VARIANTS)],
            error=nn.functional.softplus(error + 1) * 3,
        )  # fmt: skip


def measure(points: Tensor) -> tuple[Tensor, Tensor]:
    """Linear sRGB (n, 3, patches, points) to statistics (n, patches * 15) about -1 to 1, and medians (n, patches, 3).

    The statistics are quantiles of CIELAB; the medians are CIELAB as they are.
    """
    ordered = linear_to_lab(points).sort(-1).values
    count = points.shape[-1]
    taken = ordered[..., [round(q * (count - 1)) for q in _QUANTILES]]  # (n, 3, patches, quantiles)
    middle = taken[..., 2]
    scale, shift = points.new_tensor([25.0, 15.0, 15.0]), points.new_tensor([50.0, 12.0, 15.0])
    scaled = (taken - shift[:, None, None]) / scale[:, None, None]
    return scaled.flatten(1), middle.transpose(1, 2)


def contrasts(middle: Tensor) -> Tensor:
    """How far medians (n, patches, 3) lie from the skin's, and those of each variant from its region's first: about
    -1 to 1, (n, patches + V)."""
    from_skin = middle - middle[:, [_SKIN]]
    first = [next(k for k, (r, _) in enumerate(VARIANTS) if r == region) for region, _ in VARIANTS]
    from_first = middle[:, : len(VARIANTS)] - middle[:, first]
    return torch.cat([from_skin, from_first], 1).square().sum(-1).add(1).sqrt().div(10).sub(1)


def _own_patches() -> Tensor:
    """Where each region's colour is measured to begin with: in the patches of its own placements."""
    own = torch.full((len(REGIONS), len(PATCHES)), -4.0)
    for at, (region, _) in enumerate(VARIANTS):
        own[REGIONS.index(region), at] = 1.0
    return own


def _mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(width, outputs)
    nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.weight.mul_(0.3)
    return nn.Sequential(
        nn.LayerNorm(inputs), nn.Dropout(0.1), nn.Linear(inputs, width), nn.GELU(),
        nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), last,
    )  # fmt: skip


def _eye(channels: int, height: int, width: int, outputs: int) -> nn.Sequential:
    """A small convolutional network on a picture of this size."""
    layers: list[nn.Module] = []
    for wide in (16, 24, 32, 40):
        layers += [nn.Conv2d(channels, wide, 3, 2, 1), nn.GroupNorm(4, wide), nn.SiLU()]
        channels, height, width = wide, (height + 1) // 2, (width + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, outputs), nn.SiLU())
