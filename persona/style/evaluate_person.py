"""Whether people stay who they are: how much of face and hair style would reach, and whether it reaches what it may.

Portraits with points that were placed by hand (DeBruine and Jones 2017) show heads before one plain background, and
hardly any clothes. So each is also dressed: a garment is laid below the chin, and how much of it style reaches is known
to the pixel. Cut out and put together, these are no real photos of people in clothes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import delta_e_2000, srgb_to_lab
from persona.catalog.pictures import Bytes
from persona.style.person import Mask, styled_region
from persona.style.picture import Floats
from persona.style.segment import PersonSegmenter

_JAW, _HAIRLINE, _CHIN = range(125, 134), range(135, 144), 129
_OTHER = 6.0  # CIEDE2000 from the background from which on a pixel is no background
_CORNER = 24  # pixels from the upper corners and along the sides, which show the background
_DRESSED, _TALLER = 0.7, 1.3  # size of the portrait in the dressed picture, and that one's height by its width
_COLLAR, _SHOULDERS = 0.3, 0.97  # of a garment: faces below the chin, and of the picture's width
_FEWEST = 4  # persons of a group that is compared


@dataclass(frozen=True)
class Subject:
    """A portrait: photo uint8 (h, w, 3); points (189, 2) placed by hand; landmarks (468, 2); who and of which group."""

    photo: Bytes
    points: NDArray[np.float64]
    landmarks: Floats
    person: str
    group: str


def person_figures(
    subjects: Iterable[Subject], segmenter: PersonSegmenter, garments: Iterable[Bytes]
) -> dict[str, Any]:
    """Shares of pixels where style goes by more than half, means over portraits.

    Must be low: person_face_styled, person_head_styled (face, hair and ears), and person_head_styled_worst (of all
    portraits). Must be high: person_background_styled, person_clothes_styled (of garments (h, w, 4) put on, each on
    the next subject in turn) and person_clothes_mostly (of dressed portraits whose garment is styled by half or more).
    person_by_group: the means of each group; person_group_gap: the largest difference in head_styled and
    clothes_styled between groups of at least four persons; person_portraits.
    """
    dressing = iter(garments)
    rows = [_row(subject, segmenter, next(dressing, None)) for subject in subjects]
    if not rows:
        return {"person_portraits": 0}
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    by_group = {name: _means(of) | {"persons": len({r["person"] for r in of})} for name, of in sorted(groups.items())}
    large = [means for means in by_group.values() if means["persons"] >= _FEWEST]
    gaps = {
        f"person_group_gap_{key}": round(max(values) - min(values), 4)
        for key in ("head_styled", "clothes_styled")
        if len(values := [means[key] for means in large if means[key] is not None]) > 1
    }
    clothes = [row["clothes_styled"] for row in rows if row["clothes_styled"] is not None]
    return {
        **{f"person_{key}": value for key, value in _means(rows).items()},
        "person_head_styled_worst": round(max(row["head_styled"] for row in rows), 4),
        "person_clothes_mostly": round(float(np.mean(np.array(clothes) >= 0.5)), 4) if clothes else None,
        "person_by_group": by_group,
        **gaps,
        "person_portraits": len(rows),
    }


def dressed(subject: Subject, garment: Bytes) -> tuple[Bytes, Floats, Mask]:
    """The portrait made smaller, with a premultiplied garment (h, w, 4) below the chin: photo, landmarks, the garment.

    What is left of the canvas has the background's colour.
    """
    height, width = subject.photo.shape[:2]
    size = round(_DRESSED * width), round(_DRESSED * height)
    canvas = np.empty((round(_TALLER * height), width, 3), np.uint8)
    canvas[:] = np.median(_corners(subject.photo), axis=0).astype(np.uint8)
    left = (width - size[0]) // 2
    canvas[: size[1], left : left + size[0]] = cv2.resize(subject.photo, size, interpolation=cv2.INTER_AREA)
    landmarks = np.asarray(subject.landmarks * _DRESSED + [left, 0], np.float32)
    low = float(landmarks[:, 1].max())
    top = round(low + _COLLAR * (low - float(landmarks[:, 1].min())))
    laid = _laid(garment, canvas.shape[:2], top)
    alpha = laid[..., 3:].astype(np.float32) / 255
    return np.rint(canvas * (1 - alpha) + laid[..., :3]).clip(0, 255).astype(np.uint8), landmarks, alpha[..., 0] > 0.5


def _laid(garment: Bytes, shape: tuple[int, ...], top: int) -> Bytes:
    solid = garment[..., 3] > 127
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    part = garment[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _SHOULDERS * shape[1] / part.shape[1]
    size = round(part.shape[1] * scale), max(1, round(part.shape[0] * scale))
    part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)[: max(0, shape[0] - top)]
    laid, left = np.zeros((*shape[:2], 4), np.uint8), (shape[1] - size[0]) // 2
    laid[top : top + len(part), left : left + size[0]] = part
    return laid


def _row(subject: Subject, segmenter: PersonSegmenter, garment: Bytes | None) -> dict[str, Any]:
    photo = subject.photo
    styled = styled_region(photo, segmenter.segment(photo), [subject.landmarks]) > 0.5
    row: dict[str, Any] = {"person": subject.person, "group": subject.group, "clothes_styled": None}
    for name, mask in _truth(subject).items():
        row[f"{name}_styled"] = float(styled[mask].mean()) if mask.any() else None
    if garment is not None:
        worn, landmarks, cloth = dressed(subject, garment)
        region = styled_region(worn, segmenter.segment(worn), [landmarks]) > 0.5
        row["clothes_styled"] = float(region[cloth].mean())
    return row


def _truth(subject: Subject) -> dict[str, Mask]:
    """Face, head and background of a portrait (h, w), as points and colours say without a segmenter."""
    shape, points = subject.photo.shape[:2], subject.points.astype(np.float32)
    face = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(face, np.rint(cv2.convexHull(points[[*_JAW, *_HAIRLINE]])).astype(np.int32), (1,))
    lab = srgb_to_lab(subject.photo)
    other = delta_e_2000(lab, _behind(lab)) > _OTHER
    solid = cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0  # without noise
    above = np.arange(shape[0])[:, None] < points[_CHIN, 1]
    near = cv2.dilate(solid.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0  # an unstyled rim is meant
    return {"face": face > 0, "head": (face > 0) | (solid & above), "background": ~near & above}


def _behind(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """The background (h, w, 3) as it would go on behind the person: a quadratic surface through three of its sides,
    fitted anew without what is off it, like hair that hangs out of the picture."""
    height, width = lab.shape[:2]
    y, x = (grid / max(height, width) for grid in np.mgrid[:height, :width])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    sides = np.zeros((height, width), bool)
    sides[:_CORNER], sides[: height * 3 // 4, :_CORNER], sides[: height * 3 // 4, -_CORNER:] = True, True, True
    sides &= np.abs(lab - np.median(lab[sides], axis=0)).max(-1) < 3 * _OTHER
    for _ in range(3):
        surface = terms @ np.linalg.lstsq(terms[sides], lab[sides], rcond=None)[0]
        sides &= np.abs(lab - surface).max(-1) < _OTHER
    return np.asarray(surface, np.float64)


def _corners(photo: Bytes) -> Bytes:
    return np.concatenate([photo[:_CORNER, :_CORNER].reshape(-1, 3), photo[:_CORNER, -_CORNER:].reshape(-1, 3)])


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("face_styled", "head_styled", "background_styled", "clothes_styled"):
        values = [row[key] for row in rows if row[key] is not None]
        found[key] = round(float(np.mean(values)), 4) if values else None
    return found
