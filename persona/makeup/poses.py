"""The same portrait turned and tilted a little: the mesh is turned in depth and the picture follows its points."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from persona.makeup.aligned import SIDE, matrix_of, through
from persona.makeup.face import Bytes, Face, Floats

JITTER = 0.012  # of the eye distance: how far a detector's points stray from one picture of a face to the next
_GRID = 21  # points a side at which the warp is worked out
_EVERY = 4  # landmarks are taken one in so many: the warp is smooth


def turned(face: Face, yaw: float, pitch: float) -> Face:
    """The face turned about its middle, in radians."""
    middle = face.points.mean(0)
    (cy, sy), (cp, sp) = (np.cos(yaw), np.sin(yaw)), (np.cos(pitch), np.sin(pitch))
    about = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return Face(((face.points - middle) @ about.T + middle).astype(np.float32), face.confidence)


def strayed(face: Face, draw: np.random.Generator) -> Face:
    """The face as a detector may see it in another picture: moved as a whole, and each point a little."""
    unit = JITTER * face.eye_distance
    points = face.points.copy()
    points[:, :2] += unit * draw.standard_normal(2) + 0.4 * unit * draw.standard_normal((len(points), 2))
    return Face(points.astype(np.float32), face.confidence)


def posed(photo: Bytes, face: Face, turn: Face, seen: Face) -> tuple[Bytes, Face]:
    """The photo in the reader's crop, as if `face` stood as `turn`, aligned by the points `seen`; and turn's points
    there."""
    matrix = matrix_of(seen)
    there = through(turn, matrix)
    columns, rows = _sources(there.xy, face.xy)
    shrink = max(1.0, face.eye_distance / there.eye_distance)
    soft = cv2.GaussianBlur(photo, (0, 0), 0.4 * shrink) if shrink > 1.2 else photo
    crop = cv2.remap(soft, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8), there


def _sources(to: Floats, source: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where in the photo each of the crop's pixels comes from: x and y, (SIDE, SIDE)."""
    warp = RBFInterpolator(to[::_EVERY], source[::_EVERY], smoothing=1.0, kernel="thin_plate_spline")
    line = np.linspace(0, SIDE - 1, _GRID)
    nodes = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    coarse = warp(nodes).reshape(_GRID, _GRID, 2).astype(np.float32)
    at = np.linspace(0, _GRID - 1, SIDE, dtype=np.float32)
    columns, rows = np.meshgrid(at, at)
    whole = cv2.remap(coarse, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(whole[..., 0]), np.ascontiguousarray(whole[..., 1])
