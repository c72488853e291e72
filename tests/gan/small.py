"""The smallest garments a net can be trained on: coloured shapes whose condition holds the colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from persona.gan.data import Garments

NAMES = ("square", "disc", "bar")


def shapes(
    count: int = 96, side: int = 32, seed: int = 0, shift: float = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Premultiplied pictures (n, side, side, 4), conditions (n, 64), category codes (n,).

    shift: how far a shape may stand from the middle, as a share of the side, which its condition does not say.
    """
    rng = np.random.default_rng(seed)
    codes, colours = rng.integers(0, len(NAMES), count), rng.integers(30, 255, (count, 3))
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    masks = np.stack([np.maximum(abs(x), abs(y)) < 0.7, x * x + y * y < 0.6, (abs(x) < 0.3) & (abs(y) < 0.8)])
    rgba = np.zeros((count, side, side, 4), np.uint8)
    rgba[..., :3] = masks[codes][..., None] * colours[:, None, None]
    rgba[..., 3] = masks[codes] * 255
    for picture, by in zip(
        rgba, rng.integers(-round(shift * side), round(shift * side) + 1, (count, 2)) if shift else ()
    ):
        picture[:] = np.roll(picture, by, (0, 1))
    conditions = rng.normal(0, 0.1, (count, 64)).astype(np.float32)
    conditions[:, :3] = (colours - 142) / 65
    return rgba, conditions, codes.astype(np.int64)


def garments(size: int = 32, count: int = 96, shift: float = 0) -> Garments:
    """The shapes as training data; mirror images have the same conditions."""
    rgba, conditions, codes = shapes(count, size, shift=shift)
    return Garments(rgba, conditions, conditions, codes, NAMES, size)


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, at any depth."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)
