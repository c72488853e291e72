"""A face as the reader sees it: a small crop in which every face stands alike, and points in it to measure colours at.

The crop is turned and scaled so that eyes and mouth lie where they always lie. Colours are measured at a fixed number
of points in each patch (the regions by placement, and bare skin, eyes and mouth), so that they are gathered in batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.makeup.face import LEFT_EYE, LIPS_OUTER, OVAL, RIGHT_EYE, Bytes, Face, Floats
from persona.makeup.look import PLACEMENTS, REGIONS, Placement, Region
from persona.makeup.mask_canvas import Canvas
from persona.makeup.regions import masks_of

SIDE = 160  # pixels of the crop
POINTS = 48  # measured in each patch
_PLACES = np.array([[0.355, 0.37], [0.645, 0.37], [0.5, 0.715]], np.float32)  # right eye, left eye, mouth; of the side
VARIANTS: tuple[tuple[Region, Placement], ...] = tuple((r, p) for r in REGIONS for p in PLACEMENTS[r])
EXTRA = ("forehead", "chin", "below_eyes", "around_lips", "eyes", "mouth")
PATCHES: tuple[str, ...] = (*(f"{region}/{placement}" for region, placement in VARIANTS), *EXTRA)
_BELOW_EYES = (118, 347)
Matrix = NDArray[np.float32]  # (2, 3): from the photo's pixels to the crop's


@dataclass(frozen=True)
class Aligned:
    """crop: uint8 (SIDE, SIDE, 3); face: its landmarks there; at: int64 (patches, POINTS), flat indices into it."""

    crop: Bytes
    face: Face
    at: NDArray[np.int64]


def align(photo: Bytes, face: Face) -> Aligned:
    """The face of a photo, uint8 (h, w, 3), as the reader sees it. What lies outside the photo is its nearest pixel."""
    there = through(face, matrix_of(face))
    return Aligned(crop_of(photo, face), there, points_of(masks_by_placement(there), there))


def crop_of(photo: Bytes, face: Face) -> Bytes:
    """The crop alone, uint8 (SIDE, SIDE, 3)."""
    matrix = matrix_of(face)
    return _cut(photo, matrix, float(np.hypot(matrix[0, 0], matrix[1, 0])))


def matrix_of(face: Face) -> Matrix:
    """The turn, scale and shift, float32 (2, 3), that bring eyes and mouth to their places as well as they can."""
    groups = (RIGHT_EYE, LEFT_EYE, LIPS_OUTER)
    at = np.stack([face.xy[list(points)].mean(0) for points in groups]).astype(np.float64)
    to = _PLACES.astype(np.float64) * SIDE
    one, other = at - at.mean(0), to - to.mean(0)
    z, w = one[:, 0] + 1j * one[:, 1], other[:, 0] + 1j * other[:, 1]
    turn = (z.conj() * w).sum() / max(float((abs(z) ** 2).sum()), 1e-9)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.concatenate([linear, (to.mean(0) - linear @ at.mean(0))[:, None]], 1).astype(np.float32)


def through(face: Face, matrix: Matrix) -> Face:
    """The face where a matrix brings it; depths are scaled along."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    xy = face.xy @ matrix[:, :2].T + matrix[:, 2]
    return Face(np.concatenate([xy, face.points[:, 2:] * scale], 1).astype(np.float32), face.confidence)


def _cut(photo: Bytes, matrix: Matrix, scale: float) -> Bytes:
    """Shrinks a large face by area first, as the turn takes single pixels."""
    side = SIDE / scale
    centre = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2] @ [SIDE / 2, SIDE / 2, 1]
    low = np.maximum(np.floor(centre - side).astype(int), 0)
    high = np.minimum(np.ceil(centre + side).astype(int), photo.shape[1::-1])
    part = photo[low[1] : high[1], low[0] : high[0]]
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ low
    if scale < 1 and part.size:
        width, height = (max(1, round(length * scale)) for length in part.shape[1::-1])
        ratio = np.array([width / part.shape[1], height / part.shape[0]], np.float32)
        part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        shift = matrix[:, :2] @ (0.5 / ratio - 0.5)  # pixels are measured from their centres
        matrix = np.concatenate([matrix[:, :2] / ratio, (matrix[:, 2] + shift)[:, None]], 1)
    if not part.size:
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    cut = cv2.warpAffine(part, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def masks_by_placement(face: Face, rgb: Bytes | None = None) -> Floats:
    """Masks of all regions in all their placements, (len(VARIANTS), SIDE, SIDE), of a face in the crop."""
    drawn: dict[tuple[Region, Placement], Floats] = {}
    for k in range(max(map(len, PLACEMENTS.values()))):
        chosen: dict[Region, Placement] = {r: p[k] for r, p in PLACEMENTS.items() if k < len(p)}
        masks = masks_of(face, (SIDE, SIDE), chosen, rgb)
        drawn |= {(region, chosen[region]): mask for region, mask in masks.items()}
    return np.stack([drawn[variant] for variant in VARIANTS])


def points_of(masks: Floats, face: Face) -> NDArray[np.int64]:
    """Pixels to measure at, (patches, POINTS). Of a placement that is not the usual one: where only it reaches."""
    first = {region: masks[VARIANTS.index((region, PLACEMENTS[region][0]))] for region in REGIONS}
    own = [m if p == PLACEMENTS[r][0] else np.maximum(m - first[r], 0) for (r, p), m in zip(VARIANTS, masks)]
    return np.stack([spread(mask) for mask in (*own, *_extra(face))])


def _extra(face: Face) -> list[Floats]:
    canvas = Canvas(face, (SIDE, SIDE))
    level = np.array([1, 0], np.float32)
    lips = face.xy[list(LIPS_OUTER)]
    middle = lips.mean(0)
    ring = canvas.polygon(middle + 1.35 * (lips - middle), 0) - canvas.polygon(middle + 1.12 * (lips - middle), 0)
    below = np.maximum(*(canvas.ellipse(face.xy[point], level, 0.2, 0.1) for point in _BELOW_EYES))
    forehead = canvas.ellipse(canvas.mean((151, 9)), level, 0.5, 0.25)
    chin = canvas.ellipse(canvas.mean((199,)), level, 0.25, 0.2)
    return [forehead, chin, below, np.maximum(ring, 0), canvas.eyes, canvas.opening]


def spread(mask: Floats, count: int = POINTS) -> NDArray[np.int64]:
    """`count` flat indices spread evenly over the strong part of a mask; over the face's middle where it is empty."""
    strong = np.flatnonzero(mask > max(0.6 * float(mask.max()), 0.02))
    if not len(strong):
        return np.full(count, (SIDE // 2) * SIDE + SIDE // 2)
    return strong[((np.arange(count) + 0.5) * len(strong) / count).astype(np.int64)]


def hull(face: Face) -> Floats:
    """Where the face is in the crop, soft, (SIDE, SIDE): what lies around it says nothing of the makeup."""
    canvas = Canvas(face, (SIDE, SIDE))
    return canvas.polygon(canvas.curve(OVAL, ()), 0.06)


def openings(face: Face) -> Floats:
    """Eyes and the opening of the mouth in the crop, (SIDE, SIDE)."""
    canvas = Canvas(face, (SIDE, SIDE))
    return np.maximum(canvas.eyes, canvas.opening)
