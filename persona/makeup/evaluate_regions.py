"""How well the regions of a face are found: against the hand-placed points of the shared portraits, group by group.

Of 189 points a portrait (DeBruine and Jones 2017). Lids, brows and skin are outlines of our own making through them, so
their overlap says less than that of the lips: makeup on a lid may rightly end elsewhere than the crease.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.look import Region
from persona.makeup.portraits import band_of, pictures_of
from persona.makeup.regions import face_box, masks_of, usual_placements

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOUTH_OUTER = (87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104)
_MOUTH_INNER = (87, 94, 95, 96, 97, 98, 93, 103, 102, 101, 100, 99)
_EYES = ((18, 19, 20, 21, 22, 30, 29, 28), (23, 24, 25, 26, 27, 33, 32, 31))
_LIDS = ((18, 19, 20, 21, 22, 38, 37, 36, 35, 34), (23, 24, 25, 26, 27, 43, 42, 41, 40, 39))
_BROWS = ((71, 72, 73, 74, 75, 76, 84, 83), (77, 78, 79, 80, 81, 82, 86, 85))
_JAW, _HAIRLINE = tuple(range(125, 134)), tuple(range(135, 144))
REGIONS: tuple[Region, ...] = ("lips", "lids", "brows", "skin")
_FINER = 8  # times as fine as the picture: how outlines are drawn


def evaluate_regions(archive: Path, detector: LandmarkDetector) -> dict[str, Any] | None:
    """Intersection over union of the masks with the hand-placed outlines, over the pictures that have points.

    Returns lip_iou, lids_iou, brows_iou, skin_iou (means); eyes_painted, mouth_painted (share of the area within the
    lids and between the lips that any mask covers by half); found (share of pictures with exactly one face); by_tone
    and by_group (means and count of each, by measured Monk band and as they say themselves); tone_worst_over_best and
    group_worst_over_best (of the lips, over bands and groups of at least four persons). None: no picture has points.
    """
    rows: list[dict[str, Any]] = []
    missed = 0
    for picture in pictures_of(archive):
        if picture.points is None:
            continue
        faces = detector.detect(picture.photo)
        if len(faces) != 1:
            missed += 1
            continue
        known = {"tone": band_of(picture.photo, faces[0]), "group": picture.ethnicity, "person": picture.face_id}
        rows.append({**overlaps(picture.photo, faces[0], picture.points), **known})
    return _summary(rows, missed) if rows or missed else None


def overlaps(photo: Bytes, face: Face, points: Points) -> dict[str, float]:
    """Of one portrait: `<region>_iou` for each of REGIONS, eyes_painted and mouth_painted."""
    left, top, right, bottom = box = face_box(face, photo.shape[1], photo.shape[0])
    part = photo[top:bottom, left:right]
    shape = part.shape[0], part.shape[1]
    masks = masks_of(face.moved(box), shape, usual_placements(), part)
    truth = outlines(points - [left, top], shape)
    found = {f"{region}_iou": iou(masks[region] > 0.5, truth[region]) for region in REGIONS}
    painted = np.max([mask for region, mask in masks.items() if region != "liner"], axis=0) > 0.5
    return found | {f"{name}_painted": _share(painted, truth[name]) for name in ("eyes", "mouth")}


def outlines(points: Points, shape: tuple[int, int]) -> dict[str, Mask]:
    """What the hand-placed points enclose: lips, lids, brows, skin, eyes and mouth (its opening), (h, w) each."""
    mouth = _filled(points, (_MOUTH_INNER,), shape)
    lips = _filled(points, (_MOUTH_OUTER,), shape)
    eyes, lids, brows = (_filled(points, parts, shape) for parts in (_EYES, _LIDS, _BROWS))
    face = np.zeros(shape, np.uint8)
    border = np.concatenate([points[list(_JAW)], points[list(_HAIRLINE)]]).astype(np.float32)
    cv2.fillPoly(face, [np.rint(cv2.convexHull(border)[:, 0]).astype(np.int32)], (1,))
    skin = (face > 0) & ~(lips | eyes | brows)
    return {"lips": lips & ~mouth, "lids": lids & ~eyes, "brows": brows, "skin": skin, "eyes": eyes, "mouth": mouth}


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def _share(mask: Mask, of: Mask) -> float:
    """Share of what lies well inside an outline that is covered; nan where nothing does, as in a closed mouth."""
    core = cv2.erode(of.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float(mask[core].mean()) if core.sum() >= 20 else float("nan")


def _filled(points: Points, parts: tuple[tuple[int, ...], ...], shape: tuple[int, int]) -> Mask:
    """The pixels of which more than half lies within. Drawn finer, since filling counts each pixel that is touched."""
    fine = np.zeros((shape[0] * _FINER, shape[1] * _FINER), np.uint8)
    for part in parts:
        corners = (points[list(part)] + 0.5) * _FINER - 0.5
        cv2.fillPoly(fine, [np.rint(corners).astype(np.int32)], (255,))
    return np.asarray(cv2.resize(fine, shape[::-1], interpolation=cv2.INTER_AREA)) > 127


def _summary(rows: list[dict[str, Any]], missed: int) -> dict[str, Any]:
    keys = [*(f"{region}_iou" for region in REGIONS), "eyes_painted", "mouth_painted"]
    mean = {key: _mean(rows, key) for key in keys}
    tones, groups = _by(rows, "tone", keys), _by(rows, "group", keys)
    return {
        "lip_iou": mean.pop("lips_iou"),
        **mean,
        "found": len(rows) / max(len(rows) + missed, 1),
        "by_tone": tones,
        "by_group": groups,
        "tone_worst_over_best": _worst_over_best(tones),
        "group_worst_over_best": _worst_over_best(groups),
    }


def _by(rows: list[dict[str, Any]], what: str, keys: list[str]) -> dict[str, dict[str, float]]:
    sorted_rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        sorted_rows[row[what]].append(row)
    return {
        name: {key: _mean(some, key) for key in keys} | {"persons": len({row["person"] for row in some})}
        for name, some in sorted(sorted_rows.items())
    }


def _worst_over_best(groups: Mapping[str, Mapping[str, float]]) -> float:
    """The best mean overlap of the lips over the worst, of what has at least four persons."""
    means = [group["lips_iou"] for group in groups.values() if group["persons"] >= 4]
    return round(max(means) / max(min(means), 1e-9), 4) if means else 1.0


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    known = [row[key] for row in rows if not np.isnan(row[key])]
    return round(float(np.mean(known)), 4) if known else 0.0
