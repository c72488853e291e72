"""What a transfer leaves of the content: its edges, its structure, its colours where they were to be kept."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import SOLID, delta_e_2000, srgb_to_lab
from persona.catalog.pictures import Bytes, unpremultiply
from persona.catalog.similarity import luminance

_MARGIN = 2  # pixels off the region's outline: gradients there are the outline's


def inside(region: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The region without its outline, bool (h, w)."""
    solid = (region >= SOLID).astype(np.uint8)
    kernel = np.ones((2 * _MARGIN + 1, 2 * _MARGIN + 1), np.uint8)
    return cv2.erode(solid, kernel, borderValue=0).astype(bool)


def edge_cosine(one: Bytes, other: Bytes, region: NDArray[np.float32]) -> float:
    """Cosine of the gradient magnitudes (Sobel) of two pictures' luminance, within the region: 1, the same edges.

    Magnitudes are never negative, so that pictures that have nothing to do with each other do not reach 0: compare with
    another picture's. 0 where one of the two has no edge at all.
    """
    there = inside(region)
    first, second = (_gradient(luminance(unpremultiply(rgba)[..., :3]))[there] for rgba in (one, other))
    return float(first @ second / max(np.linalg.norm(first) * np.linalg.norm(second), 1e-12))


def _gradient(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    across, down = cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1)
    return np.hypot(across, down)


def _unused() -> None:
    delta_e_2000, srgb_to_lab
