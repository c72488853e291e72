"""What a transfer leaves of the content: its edges, its structure, and its colours or its light where they were kept.

Premultiplied uint8 (h, w, 4) all; region (h, w) from 0 to 1. Only pixels well inside the region count, since its
outline is the same before and after whatever was done.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import SOLID, delta_e_2000, srgb_to_lab
from persona.catalog.pictures import Bytes, unpremultiply
from persona.catalog.similarity import WINDOW, luminance, structure
from persona.style.picture import Floats

_MARGIN = 2  # pixels off the outline, for a gradient of three by three


def edge_cosine(one: Bytes, other: Bytes, region: Floats) -> float:
    """Cosine of the gradient magnitudes (Sobel) of two pictures' luminance: 1, the same edges.

    Magnitudes are never negative: pictures that have nothing to do with each other reach some .4, so that a figure says
    something beside theirs only. nan where one of the two has no edge at all.
    """
    there = inside(region, _MARGIN)
    first, second = (_gradient(_light(rgba))[there] for rgba in (one, other))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > 0 else float("nan")


def structural(one: Bytes, other: Bytes, region: Floats) -> float:
    """Mean of the structure term of SSIM (Wang et al. 2004), which contrast and lightness do not change: 1, the same;
    some 0 for pictures that have nothing to do with each other. nan where no window fits into the region."""
    there = inside(region, WINDOW // 2)
    return float(structure(_light(one), _light(other))[there].mean()) if there.any() else float("nan")


def colour_change(one: Bytes, other: Bytes, region: Floats) -> float:
    """Median CIEDE2000 between places of two pictures, both given the first's lightness: how far colours moved."""
    before, after = _labs(one, other, region)
    after[:, 0] = before[:, 0]
    return float(np.median(delta_e_2000(before, after)))


def light_change(one: Bytes, other: Bytes, region: Floats) -> float:
    """Median difference of L* (0 to 100) between places of two pictures: what changed of light and dark."""
    before, after = _labs(one, other, region)
    return float(np.median(np.abs(before[:, 0] - after[:, 0])))


def changed_elsewhere(one: Bytes, other: Bytes, region: Floats) -> int:
    """How many pixels changed that must not: any outside the region, and anywhere those whose alpha is another."""
    return int(((one != other).any(-1) & (region <= 0) | (one[..., 3] != other[..., 3])).sum())


def inside(region: Floats, margin: int) -> NDArray[np.bool_]:
    """The solid part of a region, bool (h, w), without so many pixels along its outline."""
    solid = np.pad((region >= SOLID).astype(np.uint8), margin)  # what lies beyond the picture is no region
    reach = cv2.erode(solid, np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)) > 0
    return reach[margin : margin + region.shape[0], margin : margin + region.shape[1]]


def _light(rgba: Bytes) -> NDArray[np.float64]:
    return luminance(unpremultiply(rgba)[..., :3])


def _gradient(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1))


def _labs(one: Bytes, other: Bytes, region: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    there = inside(region, 0)
    first, second = (srgb_to_lab(unpremultiply(rgba)[there][:, :3]) for rgba in (one, other))
    return first, second
