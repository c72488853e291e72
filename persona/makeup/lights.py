"""Light and camera put on pictures of faces: what makes the same makeup look different from photo to photo.

Lights are drawn from a continuous family for training. The held-out ones have names and strengths of their own: each
joins a cast, an exposure, a direction and a camera in a way that the family does not favour.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from persona.catalog.lab import from_linear, to_linear


@dataclass(frozen=True)
class Light:
    """Light and camera for n pictures. Every field is (n,).

    warm, tint, exposure: natural logarithm of the gain of red against blue, of green, of all; slope: exposure from one
    side of the picture to the other, along `angle` (radians), and slope_warm: of red against blue; contrast: of a curve
    through the middle; saturation: 1 as it is; blur: deviation in pixels of a crop of 160; noise: deviation, of 1;
    jpeg: quality, over 100: none.
    """

    warm: Tensor
    tint: Tensor
    exposure: Tensor
    slope: Tensor
    slope_warm: Tensor
    angle: Tensor
    contrast: Tensor
    saturation: Tensor
    blur: Tensor
    noise: Tensor
    jpeg: Tensor

    def row(self, at: int) -> Light:
        """The light of one picture, n = 1."""
        return Light(**{field.name: getattr(self, field.name)[at : at + 1] for field in fields(self)})


_NEUTRAL = {"saturation": 1.0, "jpeg": 101.0}
_HELD_OUT: dict[str, dict[str, float]] = {
    "neutral": {"jpeg": 90},
    "lamp": {"warm": 0.2, "tint": -0.02, "exposure": -0.1, "jpeg": 85, "noise": 0.008},
    "shade": {"warm": -0.15, "exposure": -0.15, "jpeg": 80},
    "tubes": {"warm": -0.05, "tint": 0.06, "exposure": 0.1, "contrast": 0.1, "jpeg": 75},
    "window": {"warm": -0.06, "slope": 0.6, "slope_warm": -0.08, "angle": 0.2, "jpeg": 90},
    "dim": {"warm": 0.14, "exposure": -0.55, "noise": 0.02, "blur": 0.6, "jpeg": 70},
    "sunset": {"warm": 0.16, "tint": -0.04, "slope": 0.35, "angle": 2.9, "contrast": 0.15, "saturation": 1.15,
               "jpeg": 88},
    "bright": {"exposure": 0.28, "contrast": -0.12, "saturation": 0.92, "jpeg": 82},
}  # fmt: skip
HELD_OUT: tuple[str, ...] = tuple(_HELD_OUT)


def held_out(name: str) -> Light:
    """A light by name that training does not use, n = 1."""
    chosen = _HELD_OUT[name]
    return Light(**{f.name: torch.tensor([chosen.get(f.name, _NEUTRAL.get(f.name, 0.0))]) for f in fields(Light)})


def draw_lights(n: int, generator: torch.Generator) -> Light:
    """Lights of the family that is trained on; a tenth are neutral but for the camera."""

    def normal(deviation: float, most: float = 2.5) -> Tensor:
        return deviation * torch.randn(n, generator=generator).clamp(-most, most)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    lit = (torch.rand(n, generator=generator) > 0.1).float()
    return Light(
        warm=normal(0.13) * lit, tint=normal(0.035) * lit, exposure=normal(0.25) * lit,
        slope=normal(0.3) * lit, slope_warm=normal(0.06) * lit, angle=uniform(0, 6.2832), contrast=normal(0.1) * lit,
        saturation=1 + normal(0.08) * lit, blur=uniform(-0.7, 0.9).clamp(min=0),
        noise=uniform(-0.012, 0.025).clamp(min=0), jpeg=uniform(60, 140),
    )  # fmt: skip


def lit(pictures: Tensor, light: Light, generator: torch.Generator) -> Tensor:
    """The pictures, sRGB (n, 3, h, w) from 0 to 1, under the light and through the camera, as sRGB again."""
    linear = to_linear(pictures) * _gains(light, pictures.shape[-2], pictures.shape[-1])
    seen = from_linear(linear.clamp(0, 1))
    curve = light.contrast[:, None, None, None]
    seen = seen + curve * (seen - 0.5) * 4 * seen * (1 - seen)
    grey = (seen * seen.new_tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1, keepdim=True)
    seen = grey + light.saturation[:, None, None, None] * (seen - grey)
    scale = min(pictures.shape[-2:]) / 160
    seen = torch.cat([_blurred(seen[row : row + 1], scale * float(light.blur[row])) for row in range(len(seen))])
    rows = torch.nonzero(light.noise)[:, 0]
    if len(rows):
        noise = torch.randn(seen[rows].shape, generator=generator)
        seen = seen.index_add(0, rows, noise * light.noise[rows, None, None, None])
    return torch.stack([_compressed(one, float(q)) for one, q in zip(seen.clamp(0, 1), light.jpeg)])


def _gains(light: Light, height: int, width: int) -> Tensor:
    """Of linear red, green and blue, (n, 3, h, w)."""
    down = torch.linspace(-0.5, 0.5, height)[:, None]
    across = torch.linspace(-0.5, 0.5, width)[None]
    along = light.angle.cos()[:, None, None] * across + light.angle.sin()[:, None, None] * down
    warm = light.warm[:, None, None] + light.slope_warm[:, None, None] * along
    whole = light.exposure[:, None, None] + light.slope[:, None, None] * along
    green = light.tint[:, None, None].expand_as(warm)
    return torch.stack([whole + warm, whole + green, whole - 1.25 * warm], 1).exp()


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    if sigma < 0.25:
        return picture
    reach = max(1, round(2.5 * sigma))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma * sigma))
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    padded = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel[:, :, :, None], groups=3), kernel[:, :, None], groups=3)


def _compressed(picture: Tensor, quality: float) -> Tensor:
    """The picture (3, h, w) rounded to bytes, through JPEG where the quality is at most 100."""
    content = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    if quality <= 100:
        code = cv2.imencode(".jpg", np.ascontiguousarray(content[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        content = np.asarray(cv2.imdecode(code[1], cv2.IMREAD_COLOR), np.uint8)[..., ::-1].copy()
    return torch.from_numpy(np.ascontiguousarray(content)).permute(2, 0, 1).float() / 255
