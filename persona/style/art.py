"""A whole photo as art, by published methods: oil, impressionist, cartoon, line.

Nobody's features move: all four keep the edges of the photo where they are.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np

from persona.catalog.colour import lab_to_srgb, srgb_to_lab
from persona.catalog.pictures import Bytes, shrunk
from persona.errors import BadInput
from persona.style.flow import Floats, along, flow_of
from persona.style.picture import check, opaque
from persona.style.strokes import painted

ArtKind = Literal["oil", "impressionist", "cartoon", "line"]
KINDS: tuple[ArtKind, ...] = get_args(ArtKind)
WORKING_SIDE = 1024  # pixels of the longer side that are painted at most; a larger photo gets its art enlarged
_UNIT = 512  # pixels of the longer side for which the sizes below are given
_SECTORS = 8
_WASH = 0.45  # share of ink in the darkest wash
_DARK = 0.15  # lightness added before lines are found: in the deepest shades most differences are noise


def paint(rgb: Bytes, kind: ArtKind, detail: float = 0.5, seed: int = 0) -> Bytes:
    """A photo, sRGB uint8 (h, w, 3), as art of the same size.

    detail: 0 the broadest brush, 1 the finest. seed: of the bristles and strokes; line and cartoon have none. Raises
    BadInput for photos that `picture.check` refuses, and for another kind or detail.
    """
    if kind not in KINDS:
        raise BadInput("kind", f"{kind!r}: choose one of {', '.join(KINDS)}", "no_kind")
    if not 0 <= detail <= 1:
        raise BadInput("detail", f"is {detail}: choose 0 to 1", "no_detail")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise BadInput("photo", f"{rgb.dtype} {rgb.shape}, wanted uint8 (height, width, 3)", "not_rgb")
    check(opaque(rgb), None, "photo")
    photo = shrunk(rgb, WORKING_SIDE)
    art = _METHODS[kind](photo, detail, max(photo.shape[:2]) / _UNIT, np.random.default_rng(seed))
    if photo is rgb:
        return art
    return np.asarray(cv2.resize(art, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def _oil(rgb: Bytes, detail: float, unit: float, draw: np.random.Generator) -> Bytes:
    """Generalised Kuwahara filter, drawn out along the lines, with the relief of a brush's hairs."""
    lab = _lab(rgb)
    flow = flow_of(lab, 3.0 * unit)
    flat = kuwahara(lab, _between(6.0, 2.0, detail) * unit)
    strokes = along(flat, flow, _between(4.0, 1.8, detail) * unit)
    strokes += _between(1.2, 0.8, detail) * (strokes - cv2.GaussianBlur(strokes, (0, 0), 2.0 * unit))
    hairs = draw.normal(size=lab.shape[:2]).astype(np.float32)
    hairs = along(
        np.asarray(cv2.GaussianBlur(hairs, (0, 0), 0.8 * unit), np.float32), flow_of(flat, 9.0 * unit), 5 * unit
    )
    relief = cv2.Sobel(hairs, cv2.CV_32F, 1, 0) + cv2.Sobel(hairs, cv2.CV_32F, 0, 1)
    strokes[..., 0] += 1.7 * relief / (relief.std() + 1e-6)
    strokes[..., 1:] *= 1.15
    return _rgb(strokes)


def kuwahara(picture: Floats, radius: float) -> Floats:
    """A picture (h, w, c) smoothed up to its edges: of eight sectors around each pixel, means weighted by how even they
    are (Papari, Petkov and Campisi 2007; the weights are those of Kyprianidis, Kang and Doellner 2009)."""
    squares = np.einsum("hwc,hwc->hw", picture, picture)[..., None]
    stacked = np.concatenate([picture, squares], -1)
    total = np.zeros_like(picture)
    weights = np.zeros_like(squares)
    for kernel in _sectors(radius):
        mean = np.asarray(cv2.filter2D(stacked, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)
        variance = mean[..., -1] - np.einsum("hwc,hwc->hw", mean[..., :-1], mean[..., :-1])
        weight = (1e-3 + np.maximum(variance, 0)[..., None]) ** -4  # sharpness q = 8 of the deviation
        total += weight * mean[..., :-1]
        weights += weight
    return total / weights


def _sectors(radius: float) -> list[Floats]:
    """Gaussian discs cut in eight, each soft at its sides and of sum one."""
    reach = max(2, round(2 * radius * 0.8))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    disc = np.exp(-(x * x + y * y) / (2 * (0.4 * reach) ** 2)) * (np.hypot(x, y) <= reach + 0.5)
    angle, kernels = np.arctan2(y, x), []
    for sector in range(_SECTORS):
        off = np.abs((angle - 2 * np.pi * sector / _SECTORS + np.pi) % (2 * np.pi) - np.pi)
        kernel = disc * np.exp(-0.5 * (off / (np.pi / _SECTORS)) ** 2)
        kernel[reach, reach] = disc[reach, reach] / _SECTORS
        kernels.append(np.asarray(kernel / kernel.sum(), np.float32))
    return kernels


def _impressionist(rgb: Bytes, detail: float, unit: float, draw: np.random.Generator) -> Bytes:
    """Curved strokes in three sizes and, over the finest detail, a fourth."""
    radii = [_between(r, s, detail) * unit for r, s in ((18, 10), (9, 5), (4.5, 2.6), (2.4, 1.3))]
    sizes = [max(1, round(radius)) for radius in radii]
    lab = _lab(rgb)
    lab[..., 1:] *= 1.25
    return painted(_rgb(lab), sizes, _between(16, 8, detail), draw)


def _cartoon(rgb: Bytes, detail: float, unit: float, draw: np.random.Generator) -> Bytes:
    """Bilateral abstraction, soft steps of luminance and flowing lines (Winnemoeller, Olsen and Gooch 2006)."""
    flat = _lab(rgb)
    for _ in range(round(_between(4, 2, detail))):
        flat = np.asarray(cv2.bilateralFilter(flat, -1, _between(12, 7, detail), 3.0 * unit), np.float32)
    step = 100 / _between(7, 12, detail)
    nearest = (np.floor(flat[..., 0] / step) + 0.5) * step
    slope = cv2.GaussianBlur(np.abs(cv2.Laplacian(flat[..., 0], cv2.CV_32F)), (0, 0), 2 * unit)
    sharp = np.clip(0.15 + 0.3 * slope, 0.15, 0.6)  # steps are sharp only where the photo has an edge
    flat[..., 0] = nearest + step / 2 * np.tanh(sharp * (flat[..., 0] - nearest)) / np.tanh(sharp * step / 2)
    flat[..., 1:] *= 1.25
    lines = _lines(rgb, _between(1.4, 0.7, detail) * unit, unit, 0.85)
    flat *= (0.15 + 0.85 * lines)[..., None]
    return _rgb(flat)


def _line(rgb: Bytes, detail: float, unit: float, draw: np.random.Generator) -> Bytes:
    """Ink on paper, over a thin wash of the photo's light and dark: extended difference of Gaussians along the flow
    (Winnemoeller, Kyprianidis and Olsen 2012)."""
    lines = _lines(rgb, _between(1.6, 0.7, detail) * unit, unit, 0.95)
    lines *= 1 - _WASH * (1 - cv2.GaussianBlur(_lab(rgb)[..., 0], (0, 0), 2 * unit) / 100)
    paper, ink = np.array((250.0, 247.0, 240.0)), np.array((28.0, 27.0, 32.0))
    return np.rint(ink + lines[..., None] * (paper - ink)).astype(np.uint8)


def _lines(rgb: Bytes, sigma: float, unit: float, threshold: float) -> Floats:
    """1 on paper, 0 on ink (h, w). The threshold is a share of the luminance around, so that light and deep skin get
    the same lines."""
    light = _lab(rgb)[..., 0] / 100 + np.float32(_DARK)
    flow = flow_of(light[..., None], 2.0 * unit)
    fine, coarse = (cv2.GaussianBlur(light, (0, 0), s) for s in (sigma, 1.6 * sigma))
    around = cv2.GaussianBlur(light, (0, 0), 8 * sigma)
    sharpened = along((fine + 9 * (fine - coarse)) / around, flow, 2.5 * sigma)
    return np.asarray(np.where(sharpened >= threshold, 1, 1 + np.tanh(8 * (sharpened - threshold))), np.float32)


def _lab(rgb: Bytes) -> Floats:
    return srgb_to_lab(rgb).astype(np.float32)


def _rgb(lab: Floats) -> Bytes:
    return np.rint(lab_to_srgb(lab)).astype(np.uint8)


def _between(low: float, high: float, detail: float) -> float:
    return low + (high - low) * detail


_METHODS = {"oil": _oil, "impressionist": _impressionist, "cartoon": _cartoon, "line": _line}
