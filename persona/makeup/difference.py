"""CIEDE2000 in torch, to learn by. numpy's, which figures are made with, is in `persona.catalog.colour`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LEAST = 1e-6  # under a root: its slope at nothing is infinite


def delta_e(one: Tensor, other: Tensor) -> Tensor:
    """CIEDE2000 between colours of CIELAB, (..., 3) each, broadcast to (...). After Sharma, Wu and Dalal (2005)."""
    one, other = torch.broadcast_tensors(one, other)
    (l1, a1, b1), (l2, a2, b2) = one.unbind(-1), other.unbind(-1)
    c_bar = ((_length(a1, b1) + _length(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * (c_bar / (c_bar + 25.0**7) + _LEAST).sqrt()
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = torch.atan2(b1, a1 + _LEAST), torch.atan2(b2, a2 + _LEAST)
    turn = torch.remainder(h2 - h1 + math.pi, 2 * math.pi) - math.pi
    hue = h1 + turn / 2
    l_off = ((l1 + l2) / 2 - 50) ** 2
    c_mean = (c1 + c2) / 2
    weight = (
        1 - 0.17 * torch.cos(hue - math.pi / 6) + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.pi / 30) - 0.2 * torch.cos(4 * hue - math.radians(63))
    )  # fmt: skip
    lightness = (l2 - l1) / (1 + 0.015 * l_off / (20 + l_off).sqrt())
    chroma = (c2 - c1) / (1 + 0.045 * c_mean)
    around = 2 * (c1 * c2 + _LEAST).sqrt() * torch.sin(turn / 2) / (1 + 0.015 * c_mean * weight)
    degrees = torch.rad2deg(torch.remainder(hue, 2 * math.pi))
    blue = torch.exp(-(((degrees - 275) / 25) ** 2))
    c7 = c_mean**7
    rotation = -2 * (c7 / (c7 + 25.0**7) + _LEAST).sqrt() * torch.sin(math.pi / 3 * blue)
    total = lightness**2 + chroma**2 + around**2 + rotation * chroma * around
    return (total.clamp(min=0) + _LEAST).sqrt()


def _length(a: Tensor, b: Tensor) -> Tensor:
    return (a * a + b * b + _LEAST).sqrt()
