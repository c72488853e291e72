"""A face as landmarks, and the protocol of what finds them.

The landmarks are the 468 points of MediaPipe's face mesh, which every provider gives in the same order. Left and right
are the person's own, so a right eye lies on the left of an unmirrored photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from persona.errors import BadInput

POINTS = 468
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom are the first ones outside

LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)  # below, then above
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_BROW = ((46, 53, 52, 65, 55), (70, 63, 105, 66, 107))  # lower and upper edge, from the temple inward
LEFT_BROW = ((276, 283, 282, 295, 285), (300, 293, 334, 296, 336))
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIGHT_CHEEK, LEFT_CHEEK = (50, 205), (280, 425)  # blush lies between the two


@dataclass(frozen=True)
class Face:
    """A face in a photo. points: float32 (468, 3): x, y in pixels of the photo, z in pixels, smaller is nearer.

    confidence: of the provider, 0 to 1. Raises BadInput for points of another shape or that are not finite.
    """

    points: Floats
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.points.shape != (POINTS, 3) or not np.isfinite(self.points).all():
            raise BadInput("points", f"shape {self.points.shape}, wanted ({POINTS}, 3) finite numbers")

    @property
    def xy(self) -> Floats:
        """(468, 2): x, y in pixels."""
        return self.points[:, :2]

    @property
    def eye_distance(self) -> float:
        """Pixels between the centres of the eyes, depth counted in: what sizes are measured by."""
        return float(np.linalg.norm(self._centre(LEFT_EYE) - self._centre(RIGHT_EYE)))

    def _centre(self, points: tuple[int, ...]) -> Floats:
        return np.asarray(self.points[list(points)].mean(0), np.float32)

    def moved(self, box: Box, scale: float = 1.0) -> Face:
        """The same face in the part `box` of the photo, enlarged by `scale`."""
        shift = np.array([box[0], box[1], 0], np.float32)
        return Face(np.asarray((self.points - shift) * np.float32(scale), np.float32), self.confidence)


class LandmarkDetector(Protocol):
    """Finds faces in a photo."""

    def detect(self, photo: Bytes) -> list[Face]:
        """Every face in a photo, uint8 (h, w, 3), largest first; none: an empty list."""
