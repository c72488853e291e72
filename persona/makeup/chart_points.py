"""Where the 468 landmarks lie on the drawn face, and the five face shapes that it is drawn in.

Units: the distance between the centres of the eyes; the origin lies between them, x to the right, y down.
The curves of the features below are drawn by hand after the common proportions of faces; the points between them lie
where every point is the mean of its neighbours in the mesh (harmonic interpolation, as of a membrane held at the
features). That is solved once: `python -m persona.makeup.chart_points` writes `chart_points.json` (it asks mediapipe
for the mesh's edges); what draws charts only reads the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from persona.makeup.analysis import Shape
from persona.makeup.face import OVAL, POINTS, RIGHT_EYE

TABLE = Path(__file__).with_name("chart_points.json")
Doubles = NDArray[np.float64]
Pairs = dict[int, tuple[float, float]]

TOP, CHIN = -1.20, 1.77  # of the oval
# the oval's right half as y: half width
_OUTLINE = {
    -1.20: 0.0, -1.18: 0.25, -1.11: 0.47, -0.97: 0.69, -0.75: 0.88, -0.45: 1.00, -0.10: 1.06, 0.25: 1.065, 0.60: 1.025,
    0.90: 0.955, 1.15: 0.845, 1.36: 0.69, 1.52: 0.535, 1.65: 0.38, 1.73: 0.24, 1.77: 0.0,
}  # fmt: skip
# what each shape does to the oval: heights (y of the oval: y), and widths (y of the oval: times wider)
_HEIGHTS: dict[Shape, dict[float, float]] = {
    "oval": {-1.2: -1.2, 0.0: 0.0, 1.77: 1.77},
    "round": {-1.2: -1.10, -0.6: -0.56, 0.0: 0.0, 0.7: 0.69, 1.06: 1.03, 1.77: 1.62},
    "square": {-1.2: -1.12, -0.6: -0.58, 0.0: 0.0, 0.7: 0.7, 1.06: 1.05, 1.77: 1.70},
    "heart": {-1.2: -1.20, 0.0: 0.0, 1.06: 1.05, 1.77: 1.80},
    "oblong": {-1.2: -1.36, -0.5: -0.53, 0.0: 0.0, 0.7: 0.73, 1.06: 1.12, 1.77: 1.94},
}
_WIDTHS: dict[Shape, dict[float, float]] = {
    "oval": {-1.2: 1.0, 1.77: 1.0},
    "round": {-1.2: 1.08, -0.6: 1.05, 0.2: 1.085, 0.6: 1.095, 0.9: 1.09, 1.4: 1.10, 1.77: 1.16},
    "square": {-1.2: 1.18, -0.75: 1.09, 0.0: 1.015, 0.5: 1.04, 0.9: 1.105, 1.2: 1.18, 1.5: 1.21, 1.77: 1.42},
    "heart": {-1.2: 1.12, -0.6: 1.09, -0.1: 1.05, 0.4: 0.99, 0.9: 0.90, 1.4: 0.80, 1.7: 0.74, 1.77: 0.74},
    "oblong": {-1.2: 1.0, -0.6: 0.945, 0.2: 0.935, 0.9: 0.965, 1.4: 1.03, 1.77: 1.1},
}

# the oval's landmarks on the left half, from the forehead (where they lie below the hairline) to the chin
_FOREHEAD = ((0.295, -0.895), (0.545, -0.845), (0.765, -0.745), (0.905, -0.585), (0.982, -0.40))
_OVAL_HEIGHTS = (-0.20, 0.02, 0.25, 0.47, 0.70, 0.93, 1.15, 1.33, 1.46, 1.57, 1.655, 1.72)  # on the outline, below them
_EYE = {  # right eye, outer corner to inner: x: (upper lid, lower lid)
    -0.735: (0.005, 0.005), -0.715: (-0.035, 0.028), -0.665: (-0.081, 0.054), -0.592: (-0.116, 0.077),
    -0.505: (-0.128, 0.086), -0.415: (-0.108, 0.081), -0.340: (-0.062, 0.069), -0.292: (-0.005, 0.056),
    -0.258: (0.042, 0.042),
}  # fmt: skip
_FEATURES: Pairs = {  # of the middle and of the right half; the left one mirrors it
    # the middle line
    10: (0, -0.91), 151: (0, -0.64), 9: (0, -0.37), 8: (0, -0.21), 168: (0, -0.06), 6: (0, 0.08), 197: (0, 0.21),
    195: (0, 0.34), 5: (0, 0.46), 4: (0, 0.55), 1: (0, 0.61), 19: (0, 0.665), 94: (0, 0.70), 2: (0, 0.735),
    164: (0, 0.83), 18: (0, 1.30), 200: (0, 1.39), 199: (0, 1.52), 175: (0, 1.66), 152: (0, 1.77),
    # brow: lower edge, upper edge
    46: (-0.90, -0.285), 53: (-0.82, -0.355), 52: (-0.68, -0.395), 65: (-0.49, -0.372), 55: (-0.225, -0.300),
    70: (-0.905, -0.325), 63: (-0.80, -0.425), 105: (-0.64, -0.475), 66: (-0.44, -0.458), 107: (-0.215, -0.405),
    # the lid's crease, and the rim under the eye
    247: (-0.755, -0.068), 30: (-0.70, -0.135), 29: (-0.61, -0.180), 27: (-0.505, -0.193), 28: (-0.40, -0.170),
    56: (-0.315, -0.120), 190: (-0.25, -0.055),
    110: (-0.66, 0.105), 24: (-0.59, 0.126), 23: (-0.505, 0.136), 22: (-0.42, 0.130), 26: (-0.34, 0.118),
    # nose: side of the bridge, wing, nostril
    193: (-0.125, -0.09), 122: (-0.12, 0.07), 196: (-0.095, 0.16), 3: (-0.095, 0.29), 51: (-0.10, 0.42),
    45: (-0.10, 0.53), 44: (-0.10, 0.60), 129: (-0.285, 0.62), 102: (-0.275, 0.56), 49: (-0.235, 0.53),
    48: (-0.245, 0.60), 64: (-0.25, 0.665), 98: (-0.205, 0.715), 97: (-0.095, 0.735), 99: (-0.155, 0.70),
    # upper lip, lower lip
    61: (-0.405, 1.068), 185: (-0.352, 1.020), 40: (-0.278, 0.974), 39: (-0.190, 0.932), 37: (-0.088, 0.902),
    0: (0, 0.922), 17: (0, 1.252), 84: (-0.108, 1.245), 181: (-0.205, 1.213), 91: (-0.285, 1.165), 146: (-0.352, 1.113),
    78: (-0.365, 1.068), 191: (-0.315, 1.064), 80: (-0.24, 1.060), 81: (-0.165, 1.055), 82: (-0.085, 1.052),
    13: (0, 1.060), 14: (0, 1.065), 87: (-0.085, 1.057), 178: (-0.165, 1.060), 88: (-0.24, 1.064), 95: (-0.315, 1.067),
    # cheek
    50: (-0.70, 0.47), 205: (-0.58, 0.68),
}  # fmt: skip
_MIRRORED = {  # the left half's points beside the features: MediaPipe numbers them as it likes
    46: 276, 53: 283, 52: 282, 65: 295, 55: 285, 70: 300, 63: 293, 105: 334, 66: 296, 107: 336,
    247: 467, 30: 260, 29: 259, 27: 257, 28: 258, 56: 286, 190: 414, 110: 339, 24: 254, 23: 253, 22: 252, 26: 256,
    193: 417, 122: 351, 196: 419, 3: 248, 51: 281, 45: 275, 44: 274, 129: 358, 102: 331, 49: 279, 48: 278, 64: 294,
    98: 327, 97: 326, 99: 328, 61: 291, 185: 409, 40: 270, 39: 269, 37: 267, 84: 314, 181: 405, 91: 321, 146: 375,
    78: 308, 191: 415, 80: 310, 81: 311, 82: 312, 87: 317, 178: 402, 88: 318, 95: 324, 50: 280, 205: 425,
    33: 263, 7: 249, 163: 390, 144: 373, 145: 374, 153: 380, 154: 381, 155: 382, 133: 362, 173: 398, 157: 384,
    158: 385, 159: 386, 160: 387, 161: 388, 246: 466,
}  # fmt: skip


def half_width(y: ArrayLike) -> Doubles:
    """Half the oval's width at a height; 0 above and below it."""
    heights, widths = np.array(list(_OUTLINE)), np.array(list(_OUTLINE.values()))
    inside = np.clip(y, TOP, CHIN)
    # the ends are round: interpolate the squares, which are nearly linear there
    return np.sqrt(np.maximum(PchipInterpolator(heights, widths**2)(inside), 0.0))


def warp(points: Doubles, shape: Shape) -> Doubles:
    """Points (..., 2) of the oval face, moved to where they lie on a face of this shape.

    The outline takes all of the shape's width, the features near the middle little of it.
    """
    x, y = points[..., 0], points[..., 1]
    outward = np.clip(np.abs(x) / np.maximum(half_width(y), 0.3), 0, 1)
    wider = 1 + (_curve(_WIDTHS[shape])(y) - 1) * (0.25 + 0.75 * outward**2 * (3 - 2 * outward))
    return np.stack([x * wider, _curve(_HEIGHTS[shape])(y)], -1)


def unwarp(points: Doubles, shape: Shape) -> Doubles:
    """The inverse of `warp`, by fixed-point iteration."""
    guess = points.copy()
    for _ in range(12):
        guess += 0.9 * (points - warp(guess, shape))
    return guess


def _curve(knots: dict[float, float]) -> PchipInterpolator | CubicSpline:
    """A monotone curve through the knots that goes on straight beyond both ends."""
    at, values = np.array(list(knots)), np.array(list(knots.values()))
    slopes = (values[1] - values[0]) / (at[1] - at[0]), (values[-1] - values[-2]) / (at[-1] - at[-2])
    level = set(values.tolist()) != set(at.tolist()) and abs(values).min() > 0  # widths stay what they are at the end
    low, high = (0.0, 0.0) if level else slopes
    at = np.concatenate([[at[0] - 3], at, [at[-1] + 3]])
    values = np.concatenate([[values[0] - 3 * low], values, [values[-1] + 3 * high]])
    return PchipInterpolator(at, values)


def fixed_points() -> Pairs:
    """The landmarks that are drawn by hand: features and outline."""
    features = _FEATURES | _right_eye()
    mirrored = {_MIRRORED[index]: (-x, y) for index, (x, y) in features.items() if index in _MIRRORED}
    half = [*_FOREHEAD, *((float(half_width(y)), y) for y in _OVAL_HEIGHTS)]
    left = dict(zip(OVAL[1:18], half, strict=True))
    right = {index: (-x, y) for index, (x, y) in zip(OVAL[:18:-1], half, strict=True)}
    return features | mirrored | left | right


def _right_eye() -> Pairs:
    """Sixteen points of the right eye's rim: outer corner, below it inward, inner corner, above it outward."""
    across = list(_EYE)
    lower = {index: (x, _EYE[x][1]) for index, x in zip(RIGHT_EYE[:9], across, strict=True)}
    upper = {index: (x, _EYE[x][0]) for index, x in zip(RIGHT_EYE[9:], across[-2:0:-1], strict=True)}
    return lower | upper


def lay_out(edges: Iterable[tuple[int, int]]) -> Doubles:
    """All 468 points, (468, 2), from the drawn ones and the mesh's edges: each other is the mean of its neighbours.

    The mean is taken on the unrolled skin (the angle round the head for x), so that points crowd toward the rim as they
    do on a head seen from the front.
    """
    fixed = fixed_points()
    weights = np.zeros((POINTS, POINTS))
    for one, other in edges:
        if one < POINTS and other < POINTS:
            weights[one, other] = weights[other, one] = 1
    system, target = np.diag(weights.sum(1)) - weights, np.zeros((POINTS, 2))
    for index, (x, y) in fixed.items():
        system[index], target[index] = 0, (np.arcsin(x / _radius(y)), y)
        system[index, index] = 1
    angle, y = np.linalg.solve(system, target).T
    return np.stack([_radius(y) * np.sin(angle), y], 1)


def _radius(y: ArrayLike) -> Doubles:
    """Of the head at a height, a little more than what is seen of it."""
    return 1.02 * np.maximum(half_width(y), 0.25)


@lru_cache(1)
def table() -> Doubles:
    """The 468 points of the oval face, (468, 2); not to be written to."""
    points = np.array(json.loads(TABLE.read_text("utf-8"))["points"])
    points.flags.writeable = False
    return points


def _write() -> None:
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    points = lay_out(FACEMESH_TESSELATION).round(4).tolist()
    rows = ",\n".join(json.dumps(point) for point in points)
    TABLE.write_text('{"made_by": "python -m persona.makeup.chart_points", "points": [\n' + rows + "\n]}\n", "utf-8")


if __name__ == "__main__":
    _write()
