"""CIELAB (D65) of sRGB and back, in torch: what the renderer computes in. numpy's is in `persona.catalog.colour`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from persona.catalog.colour import SRGB_TO_XYZ

_TO_XYZ = torch.tensor(SRGB_TO_XYZ, dtype=torch.float32)
_WHITE = _TO_XYZ.sum(1)
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27


def to_linear(rgb: Tensor) -> Tensor:
    """sRGB from 0 to 1 to linear light."""
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def from_linear(linear: Tensor) -> Tensor:
    """Linear light from 0 to 1 to sRGB."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB (n, 3, h, w) from 0 to 1 to CIELAB (D65), the same shape."""
    return linear_to_lab(to_linear(rgb))


def linear_to_lab(linear: Tensor) -> Tensor:
    """Linear sRGB (n, 3, h, w) from 0 to 1 to CIELAB (D65), the same shape."""
    matrix = (_TO_XYZ / _WHITE[:, None]).to(linear)
    ratio = F.conv2d(linear, matrix[:, :, None, None])
    f = torch.where(ratio > _EPSILON, ratio.clamp(min=_EPSILON) ** (1 / 3), (_KAPPA * ratio + 16) / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """CIELAB (n, 3, h, w) to sRGB from 0 to 1; colours outside sRGB are clipped to it."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    ratio = torch.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA)
    matrix = torch.linalg.inv(_TO_XYZ / _WHITE[:, None]).to(lab)
    linear = F.conv2d(ratio, matrix[:, :, None, None]).clamp(0, 1)
    return from_linear(linear)
