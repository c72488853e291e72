"""Optimal transport of the small patches of a picture to those of a style, on each level of a Laplacian pyramid.

Patches of 3x3 pixels are taken for normal numbers; between two normal distributions the map that moves least is linear
and known (Monge's; Mroueh 2019, "Wasserstein style transfer", there of network features). It carries over colours,
contrast, direction and grain at every scale, and leaves things where they are. The network goes on from there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from persona.style.statistics import resized

LEVELS = 4  # of the pyramid, and what is left below them
PATCH = 3  # pixels a side
NUMBERS = 3 * PATCH**2
MOST = 16.0  # gain of a direction of patch space, and the least is its inverse
FOLDS = 0.3  # share of a picture's own contrast that stays under every style
_LUMA = (0.299, 0.587, 0.114)
_DARKEST = 0.05  # of a mean colour: black has shades too
_PASSES = 2  # patches overlap, so that one falls short
_RIDGE = 1e-6

Moments = list[
    Tensor
]  # covariances of patches (n, 27, 27), fine to coarse; below: mean (n, 3) and covariance (n, 3, 3)
SHAPES: tuple[tuple[int, ...], ...] = (*((NUMBERS, NUMBERS),) * LEVELS, (3,), (3, 3))


def moments_of(rgb: Tensor, mask: Tensor) -> Moments:
    """Of the pictures (n, 3, h, w) over their regions (n, 1, h, w); h and w multiples of 16."""
    bands, low = _pyramid(rgb)
    return [*(_covariance(band, mask) for band in bands), *_below(low, mask)]


def with_folds(style: Moments, own: Moments) -> Moments:
    """A style's moments, and a share of a picture's own light and dark in the style's colour: shading scales colours.

    Under a style of one colour the picture's folds are still seen.
    """
    mean = style[-2].double().clamp(min=_DARKEST)
    light = mean.new_tensor(_LUMA)
    colour = mean / (mean @ light)[:, None]
    shade = colour[:, :, None] * light[None, None]  # (n, 3, 3): any colour to its light, in the style's colour
    patches = torch.kron(shade, torch.eye(PATCH**2, dtype=shade.dtype, device=shade.device)[None])
    found = [each.double() + FOLDS**2 * patches @ mine @ patches.mT for each, mine in zip(style[:LEVELS], own)]
    return [*found, style[-2], style[-1].double() + FOLDS**2 * shade @ own[-1] @ shade.mT]


def transported(rgb: Tensor, mask: Tensor, style: Moments, own: Moments | None = None) -> Tensor:
    """Pictures (n, 3, h, w) whose patches over the region (n, 1, h, w) are distributed like the style's, not clipped.

    style: moments of n, or of one for all. own: moments of the pictures, where they are known already.
    """
    bands, low = _pyramid(rgb)
    moved = []
    for at, (band, wanted) in enumerate(zip(bands, style)):
        for turn in range(_PASSES):
            here = own[at] if own and not turn else _covariance(band, mask)
            band = _filtered(band, _monge(here, wanted, passes=_PASSES))
        moved.append(band)
    mean, covariance = own[-2:] if own else _below(low, mask)
    map_ = _monge(covariance, style[-1])
    x = torch.einsum("ncd,ndhw->nchw", map_, low - mean[:, :, None, None]) + style[-2][:, :, None, None]
    for band in reversed(moved):
        x = band + _larger(x, band)
    return x


def _pyramid(x: Tensor) -> tuple[list[Tensor], Tensor]:
    bands = []
    for _ in range(LEVELS):
        smaller = F.avg_pool2d(x, 2)
        bands.append(x - _larger(smaller, x))
        x = smaller
    return bands, x


def _larger(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def _covariance(band: Tensor, mask: Tensor) -> Tensor:
    """Of patches (n, 27, 27), in double precision. A large band's every other patch says enough."""
    stride = 2 if min(band.shape[2:]) >= 64 else 1
    reach = PATCH // 2
    patches = F.unfold(F.pad(band, (reach,) * 4, mode="replicate"), PATCH, stride=stride).double()
    weight = resized(mask, band.shape[2:])[:, :, ::stride, ::stride].flatten(2).double()
    weight = weight / weight.sum(2, keepdim=True).clamp(min=1e-6)
    return (patches * weight) @ patches.mT  # a band's mean is nought


def _below(low: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    weight = resized(mask, low.shape[2:])
    weight = weight / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
    mean = (low * weight).sum((2, 3))
    apart = low - mean[:, :, None, None]
    return mean, torch.einsum("nchw,ndhw->ncd", apart * weight, apart).double()


def _monge(own: Tensor, wanted: Tensor, passes: int = 1) -> Tensor:
    """The linear map (n, d, d) from one normal distribution to another, its gains after all passes at most MOST."""
    ridge = _RIDGE * torch.eye(own.shape[1], dtype=torch.float64, device=own.device)
    root, inverse = _powers(own + ridge)
    middle, _ = _powers(root @ (wanted.double() + ridge) @ root)
    values, vectors = torch.linalg.eigh(inverse @ middle @ inverse)
    return (vectors * values.clamp(MOST ** (-1 / passes), MOST ** (1 / passes))[:, None] @ vectors.mT).float()


def _powers(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The root of symmetric positive matrices and the inverse of that."""
    values, vectors = torch.linalg.eigh(matrix)
    roots = values.clamp(min=1e-18).sqrt()[:, None]
    return vectors * roots @ vectors.mT, vectors / roots @ vectors.mT


def _filtered(band: Tensor, map_: Tensor) -> Tensor:
    """Every patch of (n, 3, h, w) mapped, and the mean taken where patches overlap: which is one small filter each."""
    n, reach = len(band), PATCH - 1
    maps = map_.unflatten(2, (3, PATCH, PATCH)).unflatten(
        1, (3, PATCH, PATCH)
    )  # to channel, row, column; from the same
    kernel = map_.new_zeros(n, 3, 3, 2 * PATCH - 1, 2 * PATCH - 1)
    for row in range(PATCH):
        for column in range(PATCH):
            at = (slice(reach - row, reach - row + PATCH), slice(reach - column, reach - column + PATCH))
            kernel[:, :, :, at[0], at[1]] += maps[:, :, row, column]
    padded = F.pad(band, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    return F.conv2d(padded, kernel.flatten(0, 1) / PATCH**2, groups=n).view_as(band)
