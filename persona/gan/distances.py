"""How far apart two sets of pictures are, in any feature space. Sets are float (n, d) and (m, d)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]


def frechet(a: Features, b: Features) -> float:
    """Squared Frechet distance between Gaussians fitted to the two sets (Heusel et al. 2017).

    The trace of the root is summed from the singular values of the centred sets' product, so that fewer rows than
    dimensions do no harm: tr sqrt(Sa Sb) = |A B^T|_nuclear for Sa = A^T A, Sb = B^T B.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ca, cb = (a - a.mean(0)) / np.sqrt(len(a) - 1), (b - b.mean(0)) / np.sqrt(len(b) - 1)
    root = np.linalg.svd(ca @ cb.T, compute_uv=False).sum()
    apart = np.square(a.mean(0) - b.mean(0)).sum() + np.square(ca).sum() + np.square(cb).sum() - 2 * root
    return float(max(apart, 0.0))


def kernel_distance(a: Features, b: Features) -> float:
    """Unbiased squared MMD under the kernel (x.y/d + 1)^3 (KID, Binkowski et al. 2018). May fall below 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    within_a, within_b, between = (_polynomial(x, y) for x, y in ((a, a), (b, b), (a, b)))
    n, m = len(a), len(b)
    same = (within_a.sum() - np.trace(within_a)) / (n * (n - 1)) + (within_b.sum() - np.trace(within_b)) / (m * (m - 1))
    return float(same - 2 * between.mean())


def _polynomial(a: Features, b: Features) -> NDArray[np.float64]:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def pairwise(a: Features, b: Features) -> NDArray[np.float64]:
    """Euclidean distances (n, m)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float64)


def precision_recall_density_coverage(real: Features, fake: Features, k: int = 5) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020), by k neighbours."""
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"sets of {len(real)} and {len(fake)}, wanted more than k = {k} in each")
    real_radius = np.sort(pairwise(real, real), 1)[:, k]
    fake_radius = np.sort(pairwise(fake, fake), 1)[:, k]
    apart = pairwise(real, fake)
    inside = apart < real_radius[:, None]
    return {
        "precision": float(inside.any(0).mean()),
        "recall": float((apart < fake_radius[None]).any(1).mean()),
        "density": float(inside.sum(0).mean() / k),
        "coverage": float((apart.min(1) < real_radius).mean()),
    }


def spread(groups: NDArray[np.floating]) -> float:
    """Mean distance between two members of a group: groups (n, members, d)."""
    n, members, _ = groups.shape
    rows, columns = np.triu_indices(members, 1)
    return float(np.mean([pairwise(group, group)[rows, columns].mean() for group in groups])) if n else 0.0
