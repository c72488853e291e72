"""Structural similarity of two pictures, after Wang, Bovik, Sheikh and Simoncelli (2004)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.pictures import Bytes

Floats = NDArray[np.float64]

WINDOW, _SIGMA = 11, 1.5  # pixels
_INNER = slice(WINDOW // 2, -(WINDOW // 2))
_C1, _C2 = 0.01**2, 0.03**2


def luminance(photo: Bytes) -> Floats:
    """Luma of sRGB by Rec. 601, uint8 (h, w, 3) to (h, w) from 0 to 1."""
    return np.asarray(photo @ np.array([0.299, 0.587, 0.114]) / 255, np.float64)


def ssim(one: Floats, other: Floats) -> float:
    """Mean structural similarity of two pictures (h, w) from 0 to 1, in Gaussian windows of 11 by 11 pixels that lie
    wholly within them; 1: the same."""
    m1, m2, v1, v2, both = (each[_INNER, _INNER] for each in _moments(one, other))
    value = (2 * m1 * m2 + _C1) * (2 * both + _C2) / ((m1 * m1 + m2 * m2 + _C1) * (v1 + v2 + _C2))
    return float(value.mean())


def structure(one: Floats, other: Floats) -> Floats:
    """The structure term alone, (h, w) from -1 to 1: how two pictures (h, w) from 0 to 1 correlate in the window around
    each pixel, whatever their lightness and contrast. Two windows without contrast are alike."""
    _, _, v1, v2, both = _moments(one, other)
    return np.asarray((both + _C2 / 2) / (np.sqrt(np.maximum(v1 * v2, 0)) + _C2 / 2), np.float64)


def _moments(one: Floats, other: Floats) -> tuple[Floats, ...]:
    """Means, variances and covariance in the window around each pixel."""

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), _SIGMA), np.float64)

    m1, m2 = mean(one), mean(other)
    return m1, m2, mean(one * one) - m1 * m1, mean(other * other) - m2 * m2, mean(one * other) - m1 * m2
