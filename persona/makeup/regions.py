"""Where makeup goes: feathered masks of the regions of a face, drawn from its landmarks in the pixels of the crop.

Every length is a share of the distance between the eyes, so that masks look the same at any size. Mouth, eyes and
nostrils are kept out by shape; hair, glasses and beards by colour, as far as they differ from the face's own skin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from persona.makeup.face import LIPS_OUTER, OVAL, Box, Bytes, Face, Floats
from persona.makeup.look import PLACEMENTS, Placement, Region
from persona.makeup.mask_canvas import Canvas, Keep, about, between, smooth, unit_of
from persona.makeup.sides import SIDES

MARGIN = 0.45  # of the eye distance, around the landmarks: what a face crop holds
_DRAWN = 160.0  # pixels between the eyes at which masks are drawn at most; larger ones are enlarged from there
_BRIDGE, _BOW, _FOREHEAD, _CHIN = (6, 197, 195, 5), (37, 0, 267), (151, 9), (199,)


def face_box(face: Face, width: int, height: int) -> Box:
    """The part of a photo (width, height) that makeup on this face may change, and what it is judged by."""
    spread = MARGIN * face.eye_distance
    left, top = np.floor(face.xy.min(0) - spread).astype(int)
    right, bottom = np.ceil(face.xy.max(0) + spread).astype(int)
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))


def masks_of(
    face: Face,
    shape: tuple[int, ...],
    placements: Mapping[Region, Placement],
    rgb: Bytes | None = None,
) -> dict[Region, Floats]:
    """Masks of these regions, float32 (h, w) from 0 to 1, in a picture of this shape, whose pixels the face is in.

    rgb: uint8 (h, w, 3), the picture itself: then pixels unlike skin (hair, glasses, beard) are left out of what lies
    on skin, and teeth out of the lips.
    """
    shrink = min(1.0, _DRAWN / max(face.eye_distance, 1e-6))
    h, w = (max(1, round(side * shrink)) for side in shape)
    canvas = Canvas(face.moved((0, 0, 0, 0), shrink), (h, w))
    if rgb is not None and shrink < 1:
        rgb = np.asarray(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    keep = Keep(canvas, rgb) if rgb is not None else None
    drawn = {region: _draw(canvas, keep, region, placement) for region, placement in placements.items()}
    if shrink < 1:
        return {region: _enlarged(mask, shape) for region, mask in drawn.items()}
    return drawn


def _draw(canvas: Canvas, keep: Keep | None, region: Region, placement: Placement) -> Floats:
    mask = _PAINTERS[region](canvas, placement)
    if region not in ("lips", "lip_liner"):
        mask *= 1 - canvas.opening
        if region != "liner":
            mask *= 1 - canvas.eyes
        if keep is not None and region != "brows":
            mask *= keep.skin if region != "liner" else 1
    elif keep is not None:
        mask *= keep.lips
    return np.clip(mask, 0, 1, out=mask)


def _enlarged(mask: Floats, shape: tuple[int, ...]) -> Floats:
    return np.asarray(cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


# regions


def _lips(canvas: Canvas, placement: Placement) -> Floats:
    whole = canvas.lips
    if placement == "blurred":  # strongest at the opening, fading outward
        centre = canvas.polygon(about(canvas.curve(LIPS_OUTER, ()), canvas.mean(LIPS_OUTER), 0.72), 0.06)
        whole = whole * (0.35 + 0.65 * centre)
    return whole * (1 - canvas.opening)


def _lip_liner(canvas: Canvas, placement: Placement) -> Floats:
    outline, centre = canvas.curve(LIPS_OUTER, ()), canvas.mean(LIPS_OUTER)
    outer, inner = (1.07, 0.97) if placement == "overline" else (1.01, 0.9)
    ring = canvas.polygon(about(outline, centre, outer), 0.012) - canvas.polygon(about(outline, centre, inner), 0.02)
    return np.maximum(ring, 0) * (1 - canvas.opening)


def _lids(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in SIDES:
        lash, crease, fold = (canvas.at[list(points)] for points in (side.above, side.crease, side.fold))
        top = crease + (0.75 if placement == "smoky" else 0.25) * (fold - crease)
        mask = np.maximum(mask, canvas.polygon(smooth(np.concatenate([lash, top[::-1]]), closed=True), 0.03))
        if placement == "smoky":
            under = canvas.polygon(canvas.curve(side.below, side.under[::-1]), 0.03)
            mask = np.maximum(mask, 0.7 * under)
    return mask


def _crease(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in SIDES:
        crease, fold, brow = (canvas.at[list(points)] for points in (side.crease, side.fold, _spread(side.brow[0])))
        high = fold + (0.3 if placement == "smoky" else 0.05) * (brow - fold)
        band = canvas.polygon(smooth(np.concatenate([crease, high[::-1]]), closed=True), 0.05)
        outer = canvas.ellipse(between(crease[0], fold[1], 0.6), crease[4] - crease[0], 0.5, 0.3)
        mask = np.maximum(mask, np.clip(0.55 * band + 0.6 * band * outer + 0.15 * outer, 0, 1))
    return mask


def _liner(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in SIDES:
        line = canvas.at[list(side.above)]
        line = line + canvas.up * (0.012 * canvas.unit)
        if placement == "wing":
            outward = unit_of(canvas.at[side.above[0]] - canvas.at[side.above[-1]])
            tail = line[0] + (outward * 0.17 + canvas.up * 0.1) * canvas.unit
            drawn = canvas.stroke(line[1:], (0.05, 0.045, 0.04, 0.03, 0.012), 0.005)
            edge = np.stack([tail, line[2] + canvas.up * (0.03 * canvas.unit), line[3], line[1], line[0]])
            drawn = np.maximum(drawn, canvas.polygon(edge, 0.005))
        elif placement == "smoky":
            under = canvas.at[list(side.below)] - canvas.up * (0.008 * canvas.unit)
            drawn = canvas.stroke(line, (0.07, 0.07, 0.06, 0.05, 0.03), 0.018)
            drawn = np.maximum(drawn, 0.8 * canvas.stroke(under, (0.05, 0.045, 0.03, 0.012, 0.005), 0.015))
        else:
            drawn = canvas.stroke(line, (0.03, 0.032, 0.03, 0.024, 0.014), 0.006)
        mask = np.maximum(mask, drawn)
    inner = canvas.polygons([canvas.curve(side.above, side.below[::-1]) for side in SIDES], 0)
    return mask * (1 - np.float32(0.65) * inner)


def _brows(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in SIDES:
        lower, upper = (canvas.at[list(edge)] for edge in side.brow)
        if placement == "arched":
            lift = np.array([0.0, 0.03, 0.035, 0.01, 0.0], np.float32)[:, None] * canvas.unit
            upper = upper + canvas.up * lift
        mask = np.maximum(mask, canvas.polygon(smooth(np.concatenate([lower, upper[::-1]]), closed=True), 0.02))
    return mask


def _cheeks(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in SIDES:
        apple, temple = canvas.mean(side.cheek), canvas.at[side.temple]
        bone = canvas.mean(side.bone)
        if placement == "apples":
            drawn = canvas.ellipse(apple, canvas.at[side.ear] - apple, 0.42, 0.36)
        elif placement == "lifted":
            drawn = canvas.ellipse(between(apple, bone, 0.55), temple - apple, 0.55, 0.3)
        else:
            drawn = canvas.ellipse(between(bone, temple, 0.25), temple - apple, 0.8, 0.36)
        mask = np.maximum(mask, drawn)
    return mask * canvas.within


def _contour(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in SIDES:
        if placement == "cheekbones":
            ear, end = canvas.at[side.ear], between(canvas.at[side.corner], canvas.at[side.ear], 0.45)
            drawn = canvas.stroke(np.stack([ear, between(ear, end, 0.5), end]), (0.26, 0.2, 0.06), 0.06)
        else:
            drawn = 0.9 * canvas.stroke(canvas.at[list(side.jaw)], (0.16, 0.2, 0.16, 0.1), 0.06)
        mask = np.maximum(mask, drawn)
    return mask * canvas.within


def _highlight(canvas: Canvas, placement: Placement) -> Floats:
    bridge = canvas.stroke(canvas.at[list(_BRIDGE)], (0.05, 0.06, 0.07, 0.08), 0.04)
    bow = canvas.ellipse(canvas.mean(_BOW) + canvas.up * (0.055 * canvas.unit), np.array([1, 0]), 0.14, 0.05)
    mask = np.maximum(0.8 * bridge, 0.6 * bow * (1 - canvas.lips))
    if placement == "t_zone":
        across = canvas.at[454] - canvas.at[234]
        mask = np.maximum(mask, 0.8 * canvas.ellipse(canvas.mean(_FOREHEAD), across, 0.6, 0.35))
        return np.maximum(mask, 0.6 * canvas.ellipse(canvas.mean(_CHIN), across, 0.25, 0.18))
    for side in SIDES:
        bone, temple = canvas.mean(side.bone), canvas.at[side.temple]
        mask = np.maximum(mask, 0.9 * canvas.ellipse(bone, temple - canvas.mean(side.cheek), 0.42, 0.2))
    return mask * canvas.within


def _skin(canvas: Canvas, placement: Placement) -> Floats:
    outline = canvas.at[list(OVAL)]
    height = (outline - canvas.mean(_FOREHEAD)) @ canvas.up / canvas.unit  # of each point above the forehead's middle
    outline = outline + canvas.up * (np.clip(height, 0, 0.35)[:, None] * canvas.unit)  # landmarks end under the hair
    whole = canvas.polygon(smooth(outline, closed=True), 0.03)
    brows = _brows(canvas, "natural")
    nostrils = canvas.blank()
    for side in SIDES:
        wing, mid, base = (canvas.at[point] for point in side.nostril)
        centre = (wing + 1.5 * mid + 0.5 * base) / 3 + canvas.up * (0.02 * canvas.unit)
        nostrils = np.maximum(nostrils, canvas.ellipse(centre, base - wing, 0.1, 0.06))
    return whole * (1 - brows) * (1 - canvas.lips) * (1 - np.clip(2 * nostrils, 0, 1))


_PAINTERS: dict[Region, Callable[[Canvas, Placement], Floats]] = {
    "skin": _skin,
    "contour": _contour,
    "highlight": _highlight,
    "cheeks": _cheeks,
    "brows": _brows,
    "crease": _crease,
    "lids": _lids,
    "liner": _liner,
    "lip_liner": _lip_liner,
    "lips": _lips,
}


def _spread(edge: tuple[int, ...]) -> list[int]:
    """The five points of a brow's edge repeated to go with the nine of a lid's line."""
    return [edge[k // 2] for k in range(9)]


def usual_placements() -> dict[Region, Placement]:
    """Every region with its usual placement."""
    return {region: placements[0] for region, placements in PLACEMENTS.items()}
