"""Face shape from ratios of the mesh in the head's own frame, so that a turned head measures the same.

The prototypes are those of the makeup and portrait literature in words (long; short and soft; broad angular jaw; broad
forehead over a narrow chin), set one standard deviation or so from the average face of the shared portraits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persona.makeup.analysis import FaceShape, Shape
from persona.makeup.face import Face
from persona.makeup.quality import frame
from persona.store.records import Traits

Floats = NDArray[np.float64]

RATIOS = ("length", "taper", "angle", "chin")
_ENDS, _CHEEKS, _FOREHEAD, _JAW, _CHIN = (10, 152), (234, 454), (54, 284), (172, 397), (149, 378)
_JAW_CORNERS = ((93, 172, 152), (323, 397, 152))  # ear, corner, chin

# Mean and deviation of the ratios of the shared neutral portraits, and the temperature at which the likeliest shape of
# the median portrait has a score of one half: learnt by tests/makeup/learn_faces.py
MEAN: Floats = np.array([0.1771, 0.0864, 135.53, -0.5662])
DEVIATION: Floats = np.array([0.0406, 0.0466, 2.305, 0.0240])
TEMPERATURE = 0.974

PROTOTYPES: dict[
    Shape, tuple[float, float, float, float]
] = {  # in deviations from the mean: length, taper, angle, chin
    "oval": (0.4, 0.2, 0.3, 0.0),
    "round": (-1.1, 0.0, 0.4, 0.7),
    "square": (-0.4, -1.1, -1.1, 0.6),
    "heart": (-0.1, 1.2, 0.3, -1.0),
    "oblong": (1.5, -0.2, 0.0, 0.0),
}


def read_shape(face: Face, stated: Traits | None = None) -> FaceShape:
    """How much a face is of each shape. What the user stated comes first: then that is the shape, and the scores stay
    what was measured."""
    scores = scores_of(ratios_of(face))
    said = None if stated is None else stated.face_shape
    likeliest = max(scores, key=lambda shape: scores[shape])
    return FaceShape(shape=said or likeliest, scores=scores, stated=said is not None)


def unread_shape(stated: Traits | None = None) -> FaceShape:
    """The shape without a photo: what the user said, or nothing."""
    said = None if stated is None else stated.face_shape
    even: dict[Shape, float] = {shape: 1 / len(PROTOTYPES) for shape in PROTOTYPES}
    scores: dict[Shape, float] = {shape: float(shape == said) for shape in PROTOTYPES} if said else even
    return FaceShape(shape=said, scores=scores, stated=said is not None)


def ratios_of(face: Face) -> Floats:
    """(4,), see RATIOS: log(length / cheeks), log(forehead / jaw), degrees at the jaw's corners, log(chin / jaw)."""
    points = face.points.astype(np.float64)
    own = (points - points.mean(0)) @ frame(face).T

    def width(ends: tuple[int, int], axis: int = 0) -> float:
        return max(abs(float(own[ends[0], axis] - own[ends[1], axis])), 1e-6)

    angles = [_angle(own[ear, :2], own[corner, :2], own[chin, :2]) for ear, corner, chin in _JAW_CORNERS]
    return np.array(
        [
            np.log(width(_ENDS, 1) / width(_CHEEKS)),
            np.log(width(_FOREHEAD) / width(_JAW)),
            np.mean(angles),
            np.log(width(_CHIN) / width(_JAW)),
        ]
    )


def distances(ratios: Floats) -> Floats:
    """Squared distance (5,) to each prototype, in deviations."""
    off = (ratios - MEAN) / DEVIATION - np.array(list(PROTOTYPES.values()))
    return np.asarray((off**2).sum(1), np.float64)


def scores_of(ratios: Floats) -> dict[Shape, float]:
    """Soft scores of the shapes, which add up to 1."""
    logits = -distances(ratios) / (2 * TEMPERATURE**2)
    weights = np.exp(logits - logits.max())
    return {shape: float(weight) for shape, weight in zip(PROTOTYPES, weights / weights.sum())}


def _angle(one: Floats, corner: Floats, other: Floats) -> float:
    a, b = one - corner, other - corner
    return float(np.degrees(np.arccos(np.clip(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9), -1, 1))))
