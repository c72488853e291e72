"""Structural similarity of two pictures, after Wang, Bovik, Sheikh and Simoncelli (2004)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.pictures import Bytes

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def luminance(photo: Bytes) -> NDArray[np.float64]:
    """Luma of sRGB by Rec. 601, uint8 (h, w, 3) to (h, w) from 0 to 1."""
    return np.asarray(photo @ np.array([0.299, 0.587, 0.114]) / 255, np.float64)


def ssim(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean structural similarity of two pictures (h, w) from 0 to 1, in Gaussian windows of 11 by 11 pixels that lie
    wholly within them; 1: the same."""
    inner = slice(_WINDOW // 2, -(_WINDOW // 2))

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)[inner, inner], np.float64)

    m1, m2 = mean(one), mean(other)
    v1, v2 = mean(one * one) - m1 * m1, mean(other * other) - m2 * m2
    both = mean(one * other) - m1 * m2
    value = (2 * m1 * m2 + _C1) * (2 * both + _C2) / ((m1 * m1 + m2 * m2 + _C1) * (v1 + v2 + _C2))
    return float(value.mean())
