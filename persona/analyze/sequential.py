"""Looking at a difference as often as one likes: intervals and p values that stay valid however often it is done.

The mixture sequential probability ratio test of Robbins (1970), as Johari, Koomen, Pekelis and Walsh, "Always valid
inference" (2022), use it for A/B tests, on the scale of information, 1 / variance. With large samples it holds for any
distribution: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences" (2024).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def always_valid(
    difference: ArrayLike, variance: ArrayLike, *, effect: float, alpha: float = 0.05
) -> tuple[Floats, Floats, Floats]:
    """(low, high, p value) of a difference that was estimated with this variance, at each of any number of looks.

    With probability 1 - alpha the true difference is inside at every look. effect: the size of differences that are
    looked for, fixed before; it moves where the interval is narrowest, never whether it is valid.
    """
    d, v = np.asarray(difference, float), np.asarray(variance, float)
    ratio = 1 + effect**2 / v
    half = np.sqrt(2 * v * ratio / (ratio - 1) * np.log(np.sqrt(ratio) / alpha))
    evidence = -np.log(ratio) / 2 + d**2 / (2 * v) * (1 - 1 / ratio)  # log of the mixture's likelihood ratio
    return d - half, d + half, np.exp(-np.maximum(evidence, 0))


def cautious_variance(count: ArrayLike, total: ArrayLike, squares: ArrayLike) -> Any:
    """Variance of a mean of values between 0 and 1, from their number, sum and sum of squares.

    As if one 0 and one 1 more had been seen (after Agresti and Caffo, 2000): where hardly anything has happened yet,
    nothing seen is no proof of nothing to see, which large-sample theory would take it for. It fades with the number.
    """
    n, s, q = np.asarray(count, float) + 2, np.asarray(total, float) + 1, np.asarray(squares, float) + 1
    return (q - s**2 / n) / (n - 1) / n
