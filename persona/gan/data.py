"""What the generator is trained on: pictures, their conditions and categories, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from persona.errors import BadInput
from persona.gan.draw import Draw
from persona.gan.networks import CONDITION

FEWEST = 64  # pictures; below that nothing is learnt but the pictures themselves


@dataclass(frozen=True)
class Batch:
    """pictures (n, 4, s, s) in [-1, 1], condition (n, 64), category int64 (n,)."""

    pictures: Tensor
    condition: Tensor
    category: Tensor


class Garments:
    """Premultiplied pictures uint8 (n, s, s, 4), conditions (n, 64) of them and of their mirror images, categories."""

    def __init__(
        self,
        rgba: NDArray[np.uint8],
        conditions: NDArray[np.float32],
        mirrored: NDArray[np.float32],
        categories: NDArray[np.int64],
        names: tuple[str, ...],
        size: int,
    ) -> None:
        _check(rgba, conditions, mirrored, categories, names)
        self.names, self.size = names, size
        pictures = torch.from_numpy(np.ascontiguousarray(rgba.transpose(0, 3, 1, 2)))
        self.pictures = torch.cat([_resize(part, size) for part in pictures.split(256)])
        self.conditions = torch.from_numpy(np.stack([conditions, mirrored], 1)).float()
        self.categories = torch.from_numpy(categories)

    def __len__(self) -> int:
        return len(self.pictures)

    def weights(self, balance: float) -> Tensor:
        """How often to draw each picture, float64 (n,), not summing to 1; see `Recipe.balance`."""
        counts = torch.bincount(self.categories, minlength=len(self.names)).clamp(min=1)
        return counts[self.categories].double().pow(-balance)

    def draw(self, weights: Tensor, n: int, draw: Draw) -> Batch:
        """n random pictures by their weights, each mirrored or not."""
        rows = draw.rows(weights, n)
        mirror = draw.uniform(n) < 0.5
        pictures = self.pictures[rows].float().div_(127.5).sub_(1)
        pictures = torch.where(mirror[:, None, None, None], pictures.flip(3), pictures)
        return Batch(pictures, self.conditions[rows, mirror.long()], self.categories[rows])


def _resize(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-1] == size:
        return pictures
    return F.interpolate(pictures.float(), (size, size), mode="area").round_().to(torch.uint8)


def _check(
    rgba: NDArray[np.uint8],
    conditions: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    categories: NDArray[np.int64],
    names: tuple[str, ...],
) -> None:
    n = len(rgba)
    if n < FEWEST:
        raise BadInput("pictures", f"{n} to train on, wanted at least {FEWEST}; import a larger catalogue")
    if rgba.ndim != 4 or rgba.shape[3] != 4 or rgba.dtype != np.uint8:
        raise BadInput("pictures", f"{rgba.dtype} {rgba.shape}, wanted uint8 (n, side, side, 4), premultiplied")
    for field, values in (("conditions", conditions), ("mirrored", mirrored)):
        if values.shape != (n, CONDITION):
            raise BadInput(field, f"shape {values.shape}, wanted {(n, CONDITION)}")
        if not np.isfinite(values).all():
            raise BadInput(field, f"row {int(np.argmin(np.isfinite(values).all(1)))} is not finite; compute it again")
    if categories.shape != (n,) or categories.min() < 0 or categories.max() >= len(names):
        raise BadInput("categories", f"wanted {n} codes from 0 to {len(names) - 1}")
    if len(np.unique(rgba.reshape(n, -1), axis=0)) < 2:
        raise BadInput("pictures", "all the same; check the import")
