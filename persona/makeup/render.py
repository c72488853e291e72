"""The renderer: a look painted onto a picture, differentiable, in torch.

Products go on one after the other, in the order of REGIONS, each by alpha = mask * opacity * strength in CIELAB. What a
product shows is its pigment under the skin's own shading: where the region has its median lightness it is exactly the
pigment's colour, elsewhere it is lighter and darker as the skin is, and the finish says how the light parts shine.
Nothing is smoothed, and skin products never lighten. What a mask does not reach stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from persona.catalog.lab import lab_to_rgb, rgb_to_lab
from persona.makeup.face import Bytes, Face
from persona.makeup.look import FINISHES, PLACEMENTS, REGIONS, Finish, Look, Placement, Product, Region
from persona.makeup.regions import face_box, masks_of

_BINS = 512  # of lightness, a and b, from which medians are read
_MANY = 8000  # pixels that are enough for a median
_LOW, _HIGH = (0.0, -100.0, -100.0), (100.0, 100.0, 100.0)
_WORKING = 900  # pixels of the longer side at which a face is painted at most; what changes is enlarged from there
_SMALL = 1e-3  # a mask that is less is nothing
# by finish, in the order of FINISHES: how much of the light above the median stays, and of the shade below it
LIGHT = torch.tensor([0.7, 1.0, 1.5, 1.15])
SHADE = torch.tensor([0.95, 1.0, 1.05, 1.0])
GLOW = torch.tensor([0.0, 0.0, 14.0, 7.0])  # lightness added where the region is at its lightest
_SPARKLE = torch.tensor([0.0, 0.0, 0.0, 14.0])  # lightness of single glitter grains
_TILE = 64  # side of the pattern of glitter grains


@dataclass(frozen=True)
class Layers:
    """n looks as tensors over the R regions of REGIONS: lab (n, R, 3), opacity (n, R), finish (n, R, 4) whose weights
    add up to 1. A region without a product has opacity 0."""

    lab: Tensor
    opacity: Tensor
    finish: Tensor

    def to(self, device: torch.device | str) -> Layers:
        """The same on a device."""
        return Layers(self.lab.to(device), self.opacity.to(device), self.finish.to(device))


def layers_of(looks: Sequence[Look]) -> Layers:
    """Looks as tensors; their placements are the masks' affair (`placements_of`)."""
    lab = torch.zeros(len(looks), len(REGIONS), 3)
    opacity = torch.zeros(len(looks), len(REGIONS))
    finish = torch.zeros(len(looks), len(REGIONS), len(FINISHES))
    finish[..., FINISHES.index("satin")] = 1
    for row, look in enumerate(looks):
        for product in look.products:
            at = REGIONS.index(product.region)
            lab[row, at], opacity[row, at] = torch.tensor(product.lab), product.opacity
            finish[row, at] = F.one_hot(torch.tensor(FINISHES.index(product.finish)), len(FINISHES))
    return Layers(lab, opacity, finish)


def placements_of(look: Look) -> dict[Region, Placement]:
    """Where each product of a look lies."""
    return {product.region: product.placement or PLACEMENTS[product.region][0] for product in look.products}


def look_of(
    layers: Layers, row: int, placements: Mapping[Region, Placement] | None = None, least: float = 0.02
) -> Look:
    """A row of the tensors as a look; products of less than `least` opacity are left out."""
    products = []
    for at, region in enumerate(REGIONS):
        opacity = float(layers.opacity[row, at].clamp(0, 1))
        if opacity < least:
            continue
        lightness, a, b = (round(float(value), 2) for value in layers.lab[row, at])
        lab = (min(max(lightness, 0.0), 100.0), min(max(a, -128.0), 128.0), min(max(b, -128.0), 128.0))
        finish: Finish = FINISHES[int(layers.finish[row, at].argmax())]
        placement = (placements or {}).get(region)
        products.append(Product(region=region, lab=lab, opacity=round(opacity, 4), finish=finish, placement=placement))
    return Look(products=tuple(products))


def render(pictures: Tensor, masks: Tensor, layers: Layers, strength: float | Tensor = 1.0) -> Tensor:
    """Looks on pictures: sRGB (n, 3, h, w) from 0 to 1 to the same, with gradients to pictures and layers.

    masks: (n, R, h, w) from 0 to 1. strength: 0 to 1, one for all or (n, R). Where no mask reaches, pixels stay bit for
    bit as they are.
    """
    window = _window(masks.amax((0, 1)))
    if window is None:
        return pictures
    rows, columns = window
    part, own = pictures[..., rows, columns], masks[..., rows, columns]
    lab = rgb_to_lab(part)
    painted = lab_to_rgb(paint(lab, own, layers, strength))
    reached = own.amax(1, keepdim=True) > _SMALL
    result = torch.where(reached, painted, part)
    return _pasted(pictures, result, rows, columns)


def paint(lab: Tensor, masks: Tensor, layers: Layers, strength: float | Tensor = 1.0) -> Tensor:
    """As `render`, from and to CIELAB (n, 3, h, w)."""
    shares = (layers.opacity * strength).clamp(0, 1)
    for at, region in enumerate(REGIONS):
        if not (shares[:, at] > 0).any():
            continue
        mask = masks[:, at]
        window = _window(mask.amax(0))
        if window is None:
            continue
        rows, columns = window
        own, part = mask[:, rows, columns], lab[..., rows, columns]
        alpha = (own * shares[:, at, None, None])[:, None]
        change = alpha * (_seen(region, part, own, layers.lab[:, at], layers.finish[:, at], window) - part)
        left, top = columns.start, rows.start
        edges = (left, lab.shape[-1] - columns.stop, top, lab.shape[-2] - rows.stop)
        lab = lab + F.pad(change, edges)
    return lab


def _seen(
    region: Region, lab: Tensor, mask: Tensor, pigment: Tensor, finish: Tensor, window: tuple[slice, slice]
) -> Tensor:
    """What full cover looks like: (n, 3, h, w) from the skin's (n, 3, h, w) and the pigment (n, 3)."""
    middle, spread = medians(lab.detach(), mask.detach())
    lightness = lab[:, 0]
    to, start = pigment[:, 0, None, None], middle[:, 0, None, None]
    if region == "skin":  # it evens the colour, and may deepen, but never lightens
        to = torch.minimum(to, start)
    off = lightness - start
    gain = torch.where(off > 0, (finish @ LIGHT.to(finish))[:, None, None], (finish @ SHADE.to(finish))[:, None, None])
    shaded = to + off * gain * ((to + 16) / (start + 16)) ** 0.5  # dark pigments show less of the shading
    lit = (off / (2.5 * spread[:, None, None])).clamp(0, 1)
    shine = lit * lit * (finish @ GLOW.to(finish))[:, None, None]
    shine = shine + _grains(lab, window) * (finish @ _SPARKLE.to(finish))[:, None, None]
    chroma = ((shaded + 16) / (to + 16)).clamp(0.3, 1.15) * (1 - (shine / 60).clamp(0, 0.5))
    own = lab[:, 1:] - middle[:, 1:, None, None]
    return torch.cat(
        [
            (shaded + shine).clamp(0, 100)[:, None],
            pigment[:, 1:, None, None] * chroma[:, None] + unevenness(region) * own,
        ],
        1,
    )


def unevenness(region: Region) -> float:
    """How much of the skin's own unevenness in colour shows through full cover."""
    return 0.25 if region == "skin" else 0.35


def medians(lab: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted medians (n, 3) of CIELAB (n, 3, h, w) within masks (n, h, w), and the spread (n,) of lightness.

    Read from histograms of every pixel, or of a grid of them where there are many; exact to a fifth of a unit of
    lightness. An empty mask gives the medians of nothing: the middle of grey.
    """
    step = max(1, math.isqrt(mask[0].numel() // _MANY))
    lab, mask = lab[..., ::step, ::step], mask[..., ::step, ::step]
    n = len(lab)
    low, high = lab.new_tensor(_LOW), lab.new_tensor(_HIGH)
    share = (lab.flatten(2) - low[:, None]) / (high - low)[:, None]
    bins = (share * _BINS).long().clamp(0, _BINS - 1)
    place = bins + _BINS * torch.arange(3 * n, device=lab.device).view(n, 3, 1)
    weight = mask.flatten(1)[:, None].expand(-1, 3, -1)
    counts = torch.bincount(place.flatten(), weight.flatten(), 3 * n * _BINS).view(n, 3, _BINS)
    summed = counts.cumsum(-1)
    total = summed[..., -1:].clamp(min=1e-9)
    quantiles = [_quantile(summed, q * total) for q in (0.25, 0.5, 0.75)]
    values = [low + (high - low) * q / _BINS for q in quantiles]
    spread = ((values[2] - values[0])[:, 0] / 1.349).clamp(min=2.0)
    return values[1].to(lab), spread.to(lab)


def _quantile(summed: Tensor, wanted: Tensor) -> Tensor:
    """Where cumulative counts (n, 3, bins) reach `wanted` (n, 3, 1), between bins: (n, 3)."""
    at = (summed < wanted).sum(-1, keepdim=True).clamp(max=summed.shape[-1] - 1)
    after = summed.gather(-1, at)
    before = torch.where(at > 0, summed.gather(-1, (at - 1).clamp(min=0)), torch.zeros_like(after))
    return (at + ((wanted - before) / (after - before).clamp(min=1e-9)).clamp(0, 1))[..., 0]


def _grains(lab: Tensor, window: tuple[slice, slice]) -> Tensor:
    """Glitter: a fixed pattern (h, w) of few light grains and mostly nothing, in the place that the window has."""
    rows, columns = window
    tile = torch.rand(_TILE, _TILE, generator=torch.Generator().manual_seed(7))
    tile = ((tile - 0.8) / 0.2).clamp(min=0).to(lab)
    down = torch.arange(rows.start, rows.stop, device=lab.device) % _TILE
    across = torch.arange(columns.start, columns.stop, device=lab.device) % _TILE
    return tile[down][:, across]


def _window(mask: Tensor) -> tuple[slice, slice] | None:
    """The smallest window of (h, w) that holds all of a mask; None where it is empty."""
    there = mask > _SMALL
    rows, columns = there.any(1).nonzero()[:, 0], there.any(0).nonzero()[:, 0]
    if len(rows) == 0:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _pasted(pictures: Tensor, part: Tensor, rows: slice, columns: slice) -> Tensor:
    result = pictures.clone()
    result[..., rows, columns] = part
    return result


def apply(
    photo: Bytes, face: Face, look: Look, strength: float | Mapping[Region, float] = 1.0, device: str = "cpu"
) -> Bytes:
    """A look on a photo, uint8 (h, w, 3) to a new one. strength: 0 to 1, of all or by region (left out: 1).

    Works on the face's part of the photo, so a large photo costs little more than a small one. Where no mask reaches,
    pixels stay bit for bit as they are.
    """
    by_region = [strength.get(region, 1.0) if isinstance(strength, Mapping) else strength for region in REGIONS]
    wearing, shares = layers_of([look]).to(device), torch.tensor([by_region], device=device)
    return repaint(photo, face, placements_of(look), lambda p, m: render(p, m, wearing, shares), device)


@torch.no_grad()
def repaint(
    photo: Bytes,
    face: Face,
    placements: Mapping[Region, Placement],
    painter: Callable[[Tensor, Tensor], Tensor],
    device: str = "cpu",
) -> Bytes:
    """The photo with the face's part painted anew. painter: from sRGB (1, 3, h, w) and masks (1, R, h, w) to sRGB that
    is the same where no mask reaches."""
    height, width = photo.shape[:2]
    left, top, right, bottom = box = face_box(face, width, height)
    result = photo.copy()
    if not placements or right <= left or bottom <= top:
        return result
    crop = np.ascontiguousarray(photo[top:bottom, left:right])
    scale = min(1.0, _WORKING / max(crop.shape[:2]))
    small = crop if scale == 1 else _resized(crop, (round(crop.shape[0] * scale), round(crop.shape[1] * scale)))
    shape = (small.shape[0], small.shape[1])
    stack = np.zeros((len(REGIONS), *shape), np.float32)
    for region, mask in masks_of(face.moved(box, scale), shape, placements, small).items():
        stack[REGIONS.index(region)] = mask
    picture = torch.from_numpy(small).to(device).permute(2, 0, 1)[None].float().div_(255)
    made = painter(picture, torch.from_numpy(stack)[None].to(device))
    changed = (made[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    result[top:bottom, left:right] = changed if scale == 1 else _enlarged(crop, small, changed)
    return result


def _enlarged(crop: Bytes, small: Bytes, changed: Bytes) -> Bytes:
    """The crop with the change that the small picture underwent; what did not change there stays bit for bit."""
    change = changed.astype(np.int16) - small
    large = _resized(change, (crop.shape[0], crop.shape[1]))
    return np.clip(crop.astype(np.int16) + large, 0, 255).astype(np.uint8)


def _resized(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    smaller = shape[0] < picture.shape[0]
    return cv2.resize(picture, (shape[1], shape[0]), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
