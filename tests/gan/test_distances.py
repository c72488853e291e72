"""Distances between sets of pictures, against torchmetrics and plain loops in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from persona.gan.distances import frechet, kernel_distance, precision_recall_density_coverage, spread

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(300, 12)), RNG.normal(0.4, 1.3, size=(300, 12))


class Given(torch.nn.Module):
    """Pictures that are their own features."""

    num_features = 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def test_frechet_is_torchmetrics() -> None:
    metric = FrechetInceptionDistance(feature=Given(), normalize=True)
    metric.set_dtype(torch.float64)
    for set_, real in ((A, True), (B, False)):
        metric.update(torch.from_numpy(set_)[:, :, None, None], real=real)
    assert frechet(A, B) == pytest.approx(metric.compute().item(), rel=1e-4)
    assert frechet(A, A) == pytest.approx(0, abs=1e-9)


def test_frechet_of_fewer_pictures_than_dimensions() -> None:
    """Against the closed form: equal covariances leave the distance of the means."""
    few = RNG.normal(size=(8, 64))
    assert frechet(few, few + 0.5) == pytest.approx(64 * 0.25)


def test_kernel_distance_is_torchmetrics() -> None:
    assert kernel_distance(A, B) == pytest.approx(poly_mmd(torch.from_numpy(A), torch.from_numpy(B)).item())


def test_kernel_distance_by_loops() -> None:
    a, b = A[:25], B[:30]

    def mean(x: np.ndarray, y: np.ndarray, *, distinct: bool) -> float:
        """Of the kernel over all pairs, in float64; distinct: without those of a picture with itself."""
        pairs = [(i, j) for i in range(len(x)) for j in range(len(y)) if not distinct or i != j]
        return float(np.mean([(sum(x[i] * y[j]) / 12 + 1) ** 3 for i, j in pairs]))

    by_loops = mean(a, a, distinct=True) + mean(b, b, distinct=True) - 2 * mean(a, b, distinct=False)
    assert kernel_distance(a, b) == pytest.approx(by_loops, rel=1e-12)
    halves = [kernel_distance(A[order[:150]], A[order[150:]]) for order in (RNG.permutation(300) for _ in range(40))]
    assert abs(np.mean(halves)) < 3 * np.std(halves) / np.sqrt(40) + 1e-3  # unbiased: none between parts of one set


def test_precision_recall_density_coverage_by_loops() -> None:
    real, fake, k = A[:40], B[:30], 3
    figures = precision_recall_density_coverage(real, fake, k)

    def radius(x: np.ndarray, i: int) -> float:
        return sorted(float(np.linalg.norm(x[i] - y)) for y in x)[k]

    near = [[float(np.linalg.norm(r - f)) < radius(real, i) for f in fake] for i, r in enumerate(real)]
    assert figures["precision"] == np.mean([any(row[j] for row in near) for j in range(30)])
    assert figures["density"] == pytest.approx(sum(map(sum, near)) / (k * 30))
    assert figures["coverage"] == np.mean([any(row) for row in near])
    covered = [any(float(np.linalg.norm(r - f)) < radius(fake, j) for j, f in enumerate(fake)) for r in real]
    assert figures["recall"] == np.mean(covered)
    with pytest.raises(ValueError, match="more than k"):
        precision_recall_density_coverage(real[:3], fake, 3)


def test_spread_of_a_triangle() -> None:
    assert spread(np.array([[[0, 0], [3, 4], [0, 8]]])) == pytest.approx((5 + 8 + 5) / 3)
