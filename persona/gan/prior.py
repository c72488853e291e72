"""What conditions look like where nobody asks for a particular one: a Gaussian per category.

For users about whom nothing is known, for demo catalogues, and to tell a condition that the generator was never
trained near. A category's covariance is drawn toward all categories' by its lack of pictures.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHRINK = 40  # pictures of a category that weigh as much as the common covariance


class Prior:
    """mean (k, d), root (k, d, d): a condition of category j is mean[j] + root[j] @ normal(d)."""

    def __init__(self, mean: Tensor, root: Tensor) -> None:
        self.mean, self.root = mean.float(), root.float()

    @classmethod
    def fit(cls, conditions: NDArray[np.float32], categories: NDArray[np.int64], count: int) -> Prior:
        """From conditions (n, d) with category codes (n,) below count. One without pictures gets the common mean."""
        x, d = conditions.astype(np.float64), conditions.shape[1]
        present = [x[categories == code] for code in range(count)]
        mean = np.stack([part.mean(0) if len(part) else x.mean(0) for part in present])
        common = np.cov((x - mean[categories]).T) + 1e-4 * np.eye(d)
        roots = []
        for part in present:
            own = np.cov(part.T) if len(part) > 1 else common
            share = len(part) / (len(part) + SHRINK)
            roots.append(np.linalg.cholesky(share * own + (1 - share) * common))
        return cls(torch.from_numpy(mean), torch.from_numpy(np.stack(roots)))

    def sample(self, category: int, count: int, seed: int, spread: float = 0.75) -> NDArray[np.float32]:
        """count conditions (count, d) of a category. spread below 1 keeps to its middle."""
        normal = np.random.default_rng(seed).standard_normal((count, self.mean.shape[1]))
        drawn = self.mean[category].numpy() + spread * normal @ self.root[category].numpy().T
        return np.asarray(drawn, np.float32)

    def state(self) -> dict[str, Tensor]:
        """Tensors for a model folder."""
        return {"prior.mean": self.mean, "prior.root": self.root}
