"""Where makeup goes: feathered masks of the regions of a face, drawn from its landmarks in the pixels of the crop.

Every length is a share of the distance between the eyes, so that masks look the same at any size. Mouth, eyes and
nostrils are kept out by shape; hair, glasses and beards by colour, as far as they differ from the face's own skin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.makeup.face import (
    LEFT_BROW,
    LEFT_CHEEK,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL,
    RIGHT_BROW,
    RIGHT_CHEEK,
    Box,
    Bytes,
    Face,
    Floats,
)
from persona.makeup.look import PLACEMENTS, Placement, Region

Points = NDArray[np.float32]

MARGIN = 0.45  # of the eye distance, around the landmarks: what a face crop holds
_DRAWN = 160.0  # pixels between the eyes at which masks are drawn at most; larger ones are enlarged from there
_CLOSED = 0.02  # half the gap that landmarks leave between closed lips
_SHARP = 0.25  # pixels: a feather of less is none
_SUBPIXEL = 4  # bits of the polygons' coordinates


@dataclass(frozen=True)
class _Side:
    """Landmarks of one half of the face, from the outer end inward. The lines above the eye rise from lash to brow."""

    above: tuple[int, ...]
    below: tuple[int, ...]
    crease: tuple[int, ...]
    fold: tuple[int, ...]
    under: tuple[int, ...]
    brow: tuple[tuple[int, ...], tuple[int, ...]]
    cheek: tuple[int, int]
    bone: tuple[int, ...]  # the cheekbone under the eye's outer half
    temple: int
    ear: int
    jaw: tuple[int, ...]  # from ear to chin
    corner: int  # of the mouth
    nostril: tuple[int, ...]


_RIGHT = _Side(
    above=(33, 246, 161, 160, 159, 158, 157, 173, 133), below=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    crease=(130, 247, 30, 29, 27, 28, 56, 190, 243), fold=(226, 113, 225, 224, 223, 222, 221, 189, 244),
    under=(130, 25, 110, 24, 23, 22, 26, 112, 243), brow=RIGHT_BROW, cheek=RIGHT_CHEEK, bone=(116, 117, 118),
    temple=127, ear=93, jaw=(58, 172, 136, 150, 149, 176, 148, 152), corner=61, nostril=(98, 97, 2),
)  # fmt: skip
_LEFT = _Side(
    above=(263, 466, 388, 387, 386, 385, 384, 398, 362), below=(263, 249, 390, 373, 374, 380, 381, 382, 362),
    crease=(359, 467, 260, 259, 257, 258, 286, 414, 463), fold=(446, 342, 445, 444, 443, 442, 441, 413, 464),
    under=(359, 255, 339, 254, 253, 252, 256, 341, 463), brow=LEFT_BROW, cheek=LEFT_CHEEK, bone=(345, 346, 347),
    temple=356, ear=323, jaw=(288, 397, 365, 379, 378, 400, 377, 152), corner=291, nostril=(327, 326, 2),
)  # fmt: skip
_SIDES = (_RIGHT, _LEFT)
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


class Canvas:
    """Draws soft shapes in a picture of shape (h, w); lengths are shares of the distance between the eyes."""

    def __init__(self, face: Face, shape: tuple[int, int]) -> None:
        self.at, self.shape, self.unit = face.xy, shape, face.eye_distance
        self.up = self._upward()
        self.eyes = self.polygons([self.curve(s.above, s.below[::-1]) for s in _SIDES], 0.008)
        self.opening = self._opening()

    def _upward(self) -> Points:
        """Unit vector from chin to forehead in the picture."""
        line = self.at[10] - self.at[152]
        return np.asarray(line / max(float(np.linalg.norm(line)), 1e-6), np.float32)

    def _opening(self) -> Floats:
        """The mouth: within the inner lips, less the gap that landmarks leave between lips that are closed."""
        mask = self.polygon(self.curve(LIPS_INNER, ()), 0)
        across = 2 * round(_CLOSED * self.unit) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across))
        opened = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.float32)
        return self.soften(opened, 0.008)

    def mean(self, points: Iterable[int]) -> Points:
        """Centre of landmarks, (2,)."""
        return np.asarray(self.at[list(points)].mean(0), np.float32)

    def curve(self, there: Sequence[int], back: Sequence[int]) -> Points:
        """A closed smooth outline through landmarks, (n, 2)."""
        points = self.at[[*there, *back]]
        return smooth(points, closed=True)

    def blank(self) -> Floats:
        """Zeros (h, w)."""
        return np.zeros(self.shape, np.float32)

    def polygon(self, outline: Points, feather: float) -> Floats:
        """A filled outline whose edge is soft over `feather`."""
        return self.polygons([outline], feather)

    def polygons(self, outlines: Sequence[Points], feather: float) -> Floats:
        """Several filled outlines. Drawn in the window that holds them, since blurring costs by the pixel."""
        mask = self.blank()
        corners = np.concatenate(outlines)
        window = self._window(corners.min(0), corners.max(0), 3 * feather * self.unit + 2)
        if window is None:
            return mask
        rows, columns = window
        sigma = feather * self.unit
        finer = int(np.clip(np.ceil(2 / max(sigma, _SHARP)), 1, 8))  # filling counts every pixel that an edge touches
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        drawn = np.zeros((shape[0] * finer, shape[1] * finer), np.uint8)
        corner = np.array([columns.start, rows.start], np.float32)
        for outline in outlines:
            cv2.fillPoly(drawn, [_fixed((outline - corner + 0.5) * finer - 0.5)], (255,), cv2.LINE_AA, _SUBPIXEL)
        if finer > 1:
            drawn = np.asarray(cv2.resize(drawn, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        if sigma > _SHARP:
            drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), sigma), np.uint8)
        mask[rows, columns] = drawn * np.float32(1 / 255)
        return mask

    def _window(self, least: Points, most: Points, margin: float) -> tuple[slice, slice] | None:
        """Rows and columns from least (x, y) to most, and a margin, as far as the picture has them; None: nothing."""
        h, w = self.shape
        left, top = (max(0, int(np.floor(v - margin))) for v in least)
        right, bottom = (min(side, int(np.ceil(v + margin)) + 1) for v, side in zip(most, (w, h)))
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None

    def stroke(self, line: Points, widths: Sequence[float] | NDArray[np.float32], feather: float) -> Floats:
        """A line of varying width, given along it."""
        points = resample(smooth(line, closed=False), 24)
        half = np.interp(np.linspace(0, 1, 24), np.linspace(0, 1, len(widths)), widths) * self.unit / 2
        along = np.gradient(points, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None]
        edge = normal * half[:, None]
        return self.polygon(np.concatenate([points + edge, (points - edge)[::-1]]).astype(np.float32), feather)

    def ellipse(self, centre: Points, along: Points, length: float, breadth: float) -> Floats:
        """A soft blot: a Gaussian of standard deviations length and breadth / 2, cut off where it is nothing."""
        mask = self.blank()
        reach = np.float32(1.35 * self.unit * max(length, breadth))  # 2.7 standard deviations: there it is cut off
        window = self._window(centre, centre, float(reach))
        if window is None:
            return mask
        rows, columns = window
        y, x = np.ogrid[rows.start : rows.stop, columns.start : columns.stop]
        x, y = (x - centre[0]).astype(np.float32), (y - centre[1]).astype(np.float32)
        direction = _unit(along)
        u = (x * direction[0] + y * direction[1]) / np.float32(length * self.unit / 2)
        v = (y * direction[0] - x * direction[1]) / np.float32(breadth * self.unit / 2)
        mask[window] = np.maximum(np.exp(-(u * u + v * v) / 2) - np.float32(0.03), 0) / np.float32(0.97)
        return mask

    def soften(self, mask: Floats, feather: float) -> Floats:
        """Blur by `feather`."""
        sigma = feather * self.unit
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma) if sigma > _SHARP else mask, np.float32)

    @cached_property
    def lips(self) -> Floats:
        """All within the outline of the lips."""
        return self.polygon(self.curve(LIPS_OUTER, ()), 0.012)

    @cached_property
    def within(self) -> Floats:
        """The face's oval, soft at its edge."""
        return self.polygon(self.curve(OVAL, ()), 0.03)


class Keep:
    """What of a picture is skin, and what is lip, by colour: soft shares (h, w)."""

    def __init__(self, canvas: Canvas, rgb: Bytes) -> None:
        lab = np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)
        self.skin = self._skin(canvas, lab)
        self.lips = self._lips(canvas, lab)

    @staticmethod
    def _skin(canvas: Canvas, lab: Floats) -> Floats:
        """Near the colour of the cheeks: darker by shading is skin still, much darker or of another hue is not."""
        soft = np.asarray(cv2.GaussianBlur(lab, (0, 0), max(0.012 * canvas.unit, 0.3)), np.float32)
        patch = np.concatenate([_around(canvas, soft, canvas.mean(side.cheek), 0.12) for side in _SIDES])
        middle = np.median(patch, 0)
        darker = np.maximum(middle[0] - soft[..., 0], 0) / (0.42 * middle[0] + 4)
        hue = np.hypot(soft[..., 1] - middle[1], soft[..., 2] - middle[2]) / 26
        far = np.hypot(darker, hue)
        return canvas.soften(np.clip((1.35 - far) / 0.35, 0, 1).astype(np.float32), 0.01)

    @staticmethod
    def _lips(canvas: Canvas, lab: Floats) -> Floats:
        """Not teeth: these are much lighter and less red than the lips are in the middle."""
        inside = (canvas.lips > 0.5) & (canvas.opening < 0.05)
        if not inside.any():
            return np.ones(canvas.shape, np.float32)
        middle = np.median(lab[inside], 0)
        white = (lab[..., 0] - middle[0]) / 22 + (middle[1] - lab[..., 1]) / 14
        return canvas.soften(np.clip(3.2 - white, 0, 1).astype(np.float32), 0.006)


def _around(canvas: Canvas, lab: Floats, centre: Points, radius: float) -> Floats:
    """Colours (n, 3) in a square patch around a point; the nearest pixel where the patch lies outside."""
    h, w = canvas.shape
    reach = max(1, round(radius * canvas.unit))
    x, y = (int(np.clip(round(float(v)), 0, side - 1)) for v, side in zip(centre, (w, h)))
    patch = lab[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return patch.reshape(-1, 3)


# regions


def _lips(canvas: Canvas, placement: Placement) -> Floats:
    whole = canvas.lips
    if placement == "blurred":  # strongest at the opening, fading outward
        centre = canvas.polygon(_about(canvas.curve(LIPS_OUTER, ()), canvas.mean(LIPS_OUTER), 0.72), 0.06)
        whole = whole * (0.35 + 0.65 * centre)
    return whole * (1 - canvas.opening)


def _lip_liner(canvas: Canvas, placement: Placement) -> Floats:
    outline, centre = canvas.curve(LIPS_OUTER, ()), canvas.mean(LIPS_OUTER)
    outer, inner = (1.07, 0.97) if placement == "overline" else (1.01, 0.9)
    ring = canvas.polygon(_about(outline, centre, outer), 0.012) - canvas.polygon(_about(outline, centre, inner), 0.02)
    return np.maximum(ring, 0) * (1 - canvas.opening)


def _lids(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in _SIDES:
        lash, crease, fold = (canvas.at[list(points)] for points in (side.above, side.crease, side.fold))
        top = crease + (0.75 if placement == "smoky" else 0.25) * (fold - crease)
        mask = np.maximum(mask, canvas.polygon(smooth(np.concatenate([lash, top[::-1]]), closed=True), 0.03))
        if placement == "smoky":
            under = canvas.polygon(canvas.curve(side.below, side.under[::-1]), 0.03)
            mask = np.maximum(mask, 0.7 * under)
    return mask


def _crease(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in _SIDES:
        crease, fold, brow = (canvas.at[list(points)] for points in (side.crease, side.fold, _spread(side.brow[0])))
        high = fold + (0.3 if placement == "smoky" else 0.05) * (brow - fold)
        band = canvas.polygon(smooth(np.concatenate([crease, high[::-1]]), closed=True), 0.05)
        outer = canvas.ellipse(_between(crease[0], fold[1], 0.6), crease[4] - crease[0], 0.5, 0.3)
        mask = np.maximum(mask, np.clip(0.55 * band + 0.6 * band * outer + 0.15 * outer, 0, 1))
    return mask


def _liner(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in _SIDES:
        line = canvas.at[list(side.above)]
        line = line + canvas.up * (0.012 * canvas.unit)
        if placement == "wing":
            outward = _unit(canvas.at[side.above[0]] - canvas.at[side.above[-1]])
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
    inner = canvas.polygons([canvas.curve(side.above, side.below[::-1]) for side in _SIDES], 0)
    return mask * (1 - np.float32(0.65) * inner)


def _brows(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in _SIDES:
        lower, upper = (canvas.at[list(edge)] for edge in side.brow)
        if placement == "arched":
            lift = np.array([0.0, 0.03, 0.035, 0.01, 0.0], np.float32)[:, None] * canvas.unit
            upper = upper + canvas.up * lift
        mask = np.maximum(mask, canvas.polygon(smooth(np.concatenate([lower, upper[::-1]]), closed=True), 0.02))
    return mask


def _cheeks(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in _SIDES:
        apple, temple = canvas.mean(side.cheek), canvas.at[side.temple]
        bone = canvas.mean(side.bone)
        if placement == "apples":
            drawn = canvas.ellipse(apple, canvas.at[side.ear] - apple, 0.42, 0.36)
        elif placement == "lifted":
            drawn = canvas.ellipse(_between(apple, bone, 0.55), temple - apple, 0.55, 0.3)
        else:
            drawn = canvas.ellipse(_between(bone, temple, 0.25), temple - apple, 0.8, 0.36)
        mask = np.maximum(mask, drawn)
    return mask * canvas.within


def _contour(canvas: Canvas, placement: Placement) -> Floats:
    mask = canvas.blank()
    for side in _SIDES:
        if placement == "cheekbones":
            ear, end = canvas.at[side.ear], _between(canvas.at[side.corner], canvas.at[side.ear], 0.45)
            drawn = canvas.stroke(np.stack([ear, _between(ear, end, 0.5), end]), (0.26, 0.2, 0.06), 0.06)
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
    for side in _SIDES:
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
    for side in _SIDES:
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


# lines


def smooth(points: Points, closed: bool, steps: int = 4) -> Points:
    """A Catmull-Rom curve through points (n, 2), `steps` a piece."""
    ends = (points[-1:], points[:2]) if closed else (2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1])
    padded = np.concatenate([ends[0], points, ends[1]])
    count = len(points) if closed else len(points) - 1
    p0, p1, p2, p3 = (padded[k : k + count, None] for k in range(4))
    t = (np.arange(steps, dtype=np.float32) / steps)[None, :, None]
    curve = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    curve = (curve / 2).reshape(-1, 2)
    return np.asarray(curve if closed else np.concatenate([curve, points[-1:]]), np.float32)


def resample(line: Points, count: int) -> Points:
    """A line as `count` points at equal distances along it."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, line[:, k]) for k in range(2)], 1).astype(np.float32)


def _spread(edge: tuple[int, ...]) -> list[int]:
    """The five points of a brow's edge repeated to go with the nine of a lid's line."""
    return [edge[k // 2] for k in range(9)]


def _between(one: Points, other: Points, share: float) -> Points:
    return np.asarray(one + share * (other - one), np.float32)


def _about(points: Points, centre: Points, factor: float) -> Points:
    return np.asarray(centre + factor * (points - centre), np.float32)


def _unit(vector: Points) -> Points:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def _fixed(outline: Points) -> NDArray[np.int32]:
    return np.rint(outline * (1 << _SUBPIXEL)).astype(np.int32)


def usual_placements() -> dict[Region, Placement]:
    """Every region with its usual placement."""
    return {region: placements[0] for region, placements in PLACEMENTS.items()}
