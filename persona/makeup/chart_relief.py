"""The relief of the drawn head, and the light on it: what gives the face chart its volume."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Grid = NDArray[np.float32]

_LIGHT = np.array([-0.17, -0.42, 0.89])  # a large soft lamp in front, above and a little to the left
_WRAP = 0.45  # how far light reaches round, as from a large lamp
# bumps of the right half and the middle, mirrored: x, y, width, height (both as standard deviations), how far it
# stands out, in units of the eyes' distance
_BUMPS = (
    (0.00, -0.72, 0.55, 0.34, 0.050),  # forehead
    (0.47, -0.40, 0.27, 0.10, 0.050),  # ridges of the brows
    (0.00, -0.36, 0.16, 0.13, 0.030),
    (0.50, -0.03, 0.25, 0.17, -0.125),  # sockets of the eyes
    (0.27, 0.02, 0.09, 0.12, -0.060),
    (0.50, -0.01, 0.19, 0.115, 0.085),  # the eyes in them
    (0.62, 0.42, 0.22, 0.17, 0.090),  # cheekbones
    (0.86, 0.30, 0.15, 0.14, 0.030),
    (0.66, 0.92, 0.18, 0.24, -0.055),  # hollows below them
    (0.00, 0.02, 0.095, 0.24, 0.100),  # bridge of the nose
    (0.00, 0.33, 0.105, 0.20, 0.170),
    (0.00, 0.56, 0.125, 0.105, 0.215),  # its tip
    (0.00, 0.50, 0.26, 0.24, 0.070),
    (0.195, 0.61, 0.072, 0.072, 0.120),  # its wings
    (0.315, 0.60, 0.045, 0.09, -0.022),  # the folds beside them
    (0.40, 0.82, 0.055, 0.15, -0.020),
    (0.00, 0.83, 0.030, 0.075, -0.022),  # the groove under the nose, and its ridges
    (0.08, 0.83, 0.035, 0.085, 0.014),
    (0.00, 1.02, 0.40, 0.24, 0.070),  # what the teeth hold forward
    (0.115, 0.972, 0.105, 0.040, 0.042),  # upper lip
    (0.00, 0.990, 0.060, 0.040, 0.034),
    (0.14, 1.062, 0.100, 0.014, -0.026),  # between the lips
    (0.10, 1.150, 0.140, 0.055, 0.075),  # lower lip
    (0.43, 1.070, 0.050, 0.060, -0.034),  # corners of the mouth
    (0.00, 1.335, 0.21, 0.055, -0.060),  # below it
    (0.00, 1.530, 0.20, 0.14, 0.085),  # chin
    (0.78, 1.05, 0.16, 0.20, 0.030),  # jaw
)


class Light(NamedTuple):
    """How light falls on each pixel, float32 (h, w): diffuse (1: the median of the face), and mirrored (0 to 1)."""

    diffuse: Grid
    specular: Grid


def height(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """How far a point of the oval face stands out, in units of the eyes' distance; about 0 at its rim."""
    across, down = np.abs(np.asarray(x, np.float64)), np.asarray(y, np.float64)
    radius = np.minimum(np.hypot(across / 1.13, (down - 0.30) / 1.56), 0.999)
    relief = 0.86 * (1 - radius**2.3) ** 0.55
    for at_x, at_y, width, tall, out in _BUMPS:
        far = ((down - at_y) / tall) ** 2
        relief = relief + out * np.exp(-0.5 * (((across - at_x) / width) ** 2 + far))
        if 0 < at_x < 3 * width:  # the other half's reaches over
            relief = relief + out * np.exp(-0.5 * (((across + at_x) / width) ** 2 + far))
    return np.asarray(relief)


def light(points: NDArray[np.float64], unit: float, face: NDArray[np.bool_]) -> Light:
    """Light on a grid of points of the oval face, (h, w, 2). unit: grid steps between the eyes; face: what is of it."""
    relief = height(points[..., 0], points[..., 1]).astype(np.float32)
    down, across = np.gradient(relief * unit)
    normal = np.stack([-across, -down, np.ones_like(relief)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    toward = _LIGHT / np.linalg.norm(_LIGHT)
    diffuse = np.maximum((normal @ toward.astype(np.float32) + _WRAP) / (1 + _WRAP), 0) ** 1.25
    for size in (0.05, 0.16):  # hollows see less of the sky
        hollow = cv2.GaussianBlur(relief, (0, 0), size * unit) - relief
        diffuse *= np.clip(1 - 4.2 * np.maximum(hollow, -0.03) * (0.05 / size) ** 0.35, 0.35, 1.15)
    diffuse = 0.10 + 0.90 * diffuse
    half = toward + np.array([0, 0, 1])
    shine = np.maximum(normal @ (half / np.linalg.norm(half)).astype(np.float32), 0)
    specular = 0.55 * shine**22 + 0.45 * shine**70
    return Light(np.asarray(diffuse / np.median(diffuse[face]), np.float32), np.asarray(specular, np.float32))
