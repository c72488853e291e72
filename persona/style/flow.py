"""The way a picture's lines run, and smoothing along it: what brushes and pens follow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_STEPS = 5  # of a path to each side, at most, over two deviations


def flow_of(picture: Floats, sigma: float) -> Floats:
    """Unit vectors (h, w, 2), x and y, along the lines of a picture (h, w, c), without a sense.

    The lesser eigenvector of the structure tensor, smoothed over sigma pixels (Kyprianidis and Doellner 2008).
    """
    steps = (cv2.Sobel(picture, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    x, y = (step.reshape(picture.shape) for step in steps)  # cv2 drops a single channel
    xx, yy, xy = (np.einsum("hwc,hwc->hw", a, b) for a, b in ((x, x), (y, y), (x, y)))
    xx, yy, xy = (cv2.GaussianBlur(values, (0, 0), sigma) for values in (xx, yy, xy))
    across = np.arctan2(2 * xy, xx - yy) / 2
    return np.stack([-np.sin(across), np.cos(across)], -1).astype(np.float32)


def along(values: Floats, flow: Floats, sigma: float) -> Floats:
    """Values (h, w) or (h, w, c) averaged along the flow with Gaussian weights: line integral convolution (Cabral and
    Leedom 1993)."""
    height, width = values.shape[:2]
    step = max(1.0, 2 * sigma / _STEPS)
    weights = np.exp(-0.5 * (np.arange(1, round(2 * sigma / step) + 1) * step / sigma) ** 2).astype(np.float32)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    total = values.copy()
    for sense in (step, -step):
        x, y = columns.copy(), rows.copy()
        to_x, to_y = (np.asarray(sense * flow[..., axis], np.float32) for axis in (0, 1))
        for weight in weights:
            x += to_x
            y += to_y
            total += weight * cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            next_x, next_y = cv2.split(cv2.remap(flow, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE))
            forward = np.float32(step) * np.sign(
                next_x * to_x + next_y * to_y
            )  # the flow has no sense: the path keeps its own
            to_x, to_y = next_x * forward, next_y * forward
    return total / (1 + 2 * weights.sum())
