"""What masks are drawn with: soft shapes along landmarks, at any size, and what of a picture is skin or lip by colour.

Every length is a share of the distance between the eyes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.makeup.face import LIPS_INNER, LIPS_OUTER, OVAL, Bytes, Face, Floats
from persona.makeup.sides import SIDES

Points = NDArray[np.float32]

_CLOSED = 0.02  # half the gap that landmarks leave between closed lips
_SHARP = 0.25  # pixels: a feather of less is none
_SUBPIXEL = 4  # bits of the polygons' coordinates


class Canvas:
    """Draws soft shapes in a picture of shape (h, w); lengths are shares of the distance between the eyes."""

    def __init__(self, face: Face, shape: tuple[int, int]) -> None:
        self.at, self.shape, self.unit = face.xy, shape, face.eye_distance
        self.up = self._upward()
        self.eyes = self.polygons([self.curve(s.above, s.below[::-1]) for s in SIDES], 0.008)
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
        direction = unit_of(along)
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
        patch = np.concatenate([_around(canvas, soft, canvas.mean(side.cheek), 0.12) for side in SIDES])
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


def between(one: Points, other: Points, share: float) -> Points:
    """A point on the way from one to the other."""
    return np.asarray(one + share * (other - one), np.float32)


def about(points: Points, centre: Points, factor: float) -> Points:
    """Points enlarged by a factor about a centre."""
    return np.asarray(centre + factor * (points - centre), np.float32)


def unit_of(vector: Points) -> Points:
    """The vector at length 1."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def _fixed(outline: Points) -> NDArray[np.int32]:
    return np.rint(outline * (1 << _SUBPIXEL)).astype(np.int32)
