"""How cloth lies on a garment, read from one picture: where its thread runs, and the light that falls on its folds.

The thread follows the limbs of the silhouette: where it is narrow - a sleeve, a leg - it turns with the outline on both
sides, where it is wide it stays upright, and between the two it bends. The light is the garment's luminance without its
own print, in the manner of the Retinex (Land and McCann 1971; with colour, Grosse et al. 2009): differences that are
strong or come with another hue belong to the print. Both are fields over the silhouette, solved for together.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import SRGB_TO_XYZ, srgb_to_lab, to_linear
from persona.catalog.pictures import Bytes, unpremultiply
from persona.style.domain import Domain
from persona.style.picture import Floats, strips, surrounded

WORKING_SIDE = 160  # pixels of the longer side: the fields are smooth
_WIDTHS = np.linspace(0.1, 1, 10)  # of the widest part: local widths that are told apart
_LIMB = 0.55, 0.9  # of the widest part: up to the first the outline alone says how the thread runs, from the second on
# the photo does
_LYING = 65.0, 82.0  # degrees from upright between which a limb's outline loses its say: with arms stretched out the
# thread runs on straight from the body
_BEND = 0.35  # of the widest part's half width: how soon the thread bends
_DARK = 0.02  # luminance added under the logarithm: in black cloth most differences are the camera's noise
_AROUND = 5  # pixels: within so many, at the working size, the next three are judged
_CONTRAST = 0.5, 1.0  # range of log luminance that folds have at most, and that only a print has
_HUE = 8.0, 16.0  # the same of a, b
_BROAD = 0.25  # of the widest part's half width: what is broader is light even on a print that is all over
_ALL_OVER = 0.4, 0.7  # share of the garment: a print under the first is a motif, over the second is all over
_USUAL = 0.65  # quantile of the light that counts as even: most of what folds do is darker
_LIGHT = -1.2, 0.45  # log luminance beside the usual: deepest fold, brightest ridge
_FOLDS = 0.04, 0.24  # of the widest part's half width: folds of sizes between these shift a print
_WEAVE = 0.1  # log luminance: the most that detail finer than the fields adds


@dataclass(frozen=True)
class Shape:
    """Fields over a picture (h, w), float32.

    place (h, w, 2): right and down along the thread, in widths of the garment's widest part, nought at its middle.
    light (h, w): the log of the luminance of folds beside the usual. folds (h, w): the same of folds large enough to
    shift a print. width: of the widest part, in pixels.
    """

    place: Floats
    light: Floats
    folds: Floats
    width: float


def shape_of(rgba: Bytes, region: Floats) -> Shape:
    """The shape of a premultiplied picture (h, w, 4) over its region (h, w), as `picture.check` returns it."""
    height, width = region.shape
    small, mask = _at_working_size(rgba, region)
    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    middle = np.unravel_index(int(inside.argmax()), inside.shape)
    fields = _fields(small, mask, np.asarray(inside, np.float32))
    fields[..., :2] -= fields[middle][:2]
    fields = _enlarged(fields, mask, (height, width))
    scale = max(height, width) / max(mask.shape)
    widest = 2 * float(inside[middle]) * scale
    place, light, weave = np.empty((height, width, 2), np.float32), fields[..., 2], _weave(rgba, mask.shape)
    for rows in strips(region):
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)[rows]), -1) + 0.5
        place[rows] = (pixels - (np.array(middle[::-1]) + 0.5) * scale + fields[rows, :, :2] * scale) / widest
        light[rows] = np.clip(light[rows] + fields[rows, :, 4] * weave[rows], *_LIGHT)
    return Shape(place, light, fields[..., 3], widest)


def _fields(rgb: Floats, mask: NDArray[np.bool_], inside: Floats) -> Floats:
    """(h, w, 5) of an sRGB picture (h, w, 3) in 0..255: how far the thread is off the pixels, right and down; light;
    folds; where the garment shows no print of its own, from 0 to 1. inside: distance from the outline."""
    half = float(inside.max())
    turn, luminance = _turn(mask, inside), _log_luminance(rgb)
    plain = 1 - _printed(luminance, srgb_to_lab(rgb)[..., 1:].astype(np.float32))
    all_over = float(_between(1 - plain[mask].mean(keepdims=True), *_ALL_OVER)[0])
    lit_across, lit_down = _steps_of_light(luminance, plain, _blurred(luminance, _BROAD * half), all_over)
    across = np.stack([np.cos(turn) - 1, -np.sin(turn), lit_across], -1)
    down = np.stack([np.sin(turn), np.cos(turn) - 1, lit_down], -1)
    fields = Domain(mask).fields(across, down)
    fields[..., 2] -= np.quantile(fields[..., 2][mask], _USUAL)
    light = surrounded(fields[..., 2:].astype(np.float32), mask)[..., 0]
    folds = _blurred(light, max(0.5, _FOLDS[0] * half)) - _blurred(light, _FOLDS[1] * half)
    return np.asarray(np.dstack([fields, folds, plain]), np.float32)


def _at_working_size(rgba: Bytes, region: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """sRGB (h, w, 3) in 0..255, filled outside the region, and the region as a mask (h, w)."""
    rgb = unpremultiply(rgba)[..., :3].astype(np.float32)
    scale = WORKING_SIDE / max(region.shape)
    if scale < 1:
        size = (max(1, round(region.shape[1] * scale)), max(1, round(region.shape[0] * scale)))
        covered = np.asarray(cv2.resize(region, size, interpolation=cv2.INTER_AREA), np.float32)
        weighted = cv2.resize(rgb * region[..., None], size, interpolation=cv2.INTER_AREA)
        rgb, region = weighted / np.maximum(covered, 1e-3)[..., None], covered
    mask = region >= 0.5 * region.max()
    return surrounded(rgb, mask), mask


def _enlarged(fields: Floats, mask: NDArray[np.bool_], size: tuple[int, int]) -> Floats:
    filled = surrounded(fields, mask)
    return (
        filled
        if mask.shape == size
        else np.asarray(cv2.resize(filled, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    )


def _turn(mask: NDArray[np.bool_], inside: Floats) -> Floats:
    """Degrees of the thread from upright, in radians, (h, w), counted from x to y; inside: distance from the outline.

    Directions are averaged as their doubled angles, for an outline has no sense.
    """
    half = float(inside.max())
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(1.0, 0.08 * half))
    normal = cv2.Sobel(soft, cv2.CV_32F, 1, 0) + 1j * cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    outline = normal**2 / np.maximum(np.abs(normal), 1e-6)
    lying = np.degrees(np.abs(np.angle(outline))) / 2
    narrow = 1 - _between(_width(mask, inside) / half, *_LIMB)
    said = outline * narrow * (1 - _between(lying, *_LYING))
    upright = 0.5 * np.abs(normal).max() * (1 - narrow) * mask
    reach = max(1.0, _BEND * half)
    mean = _blurred(said.real + upright, reach) + 1e-6 + 1j * _blurred(said.imag, reach)
    turn = np.where(mask, np.angle(mean) / 2, 0)
    return _blurred(turn, reach / 2) / np.maximum(_blurred(mask, reach / 2), 1e-3)


def _width(mask: NDArray[np.bool_], inside: Floats) -> Floats:
    """Half the local width (h, w): the largest disc within the mask that covers the pixel; reaching a little beyond."""
    half, width = float(inside.max()), np.zeros(mask.shape, np.float32)
    for radius in _WIDTHS * half:
        outside = (inside < radius).astype(np.uint8)
        near = cv2.distanceTransform(outside, cv2.DIST_L2, 5) <= radius + 1.5
        width[near] = radius
    return width


def _between(values: NDArray[np.floating], low: float, high: float) -> Floats:
    """0 up to low, 1 from high on, smooth between the two."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _blurred(values: NDArray[np.generic], sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(np.asarray(values, np.float32), (0, 0), sigma), np.float32)


def _log_luminance(rgb: Floats) -> Floats:
    """Of sRGB (h, w, 3) in 0..255."""
    return np.asarray(np.log(to_linear(rgb / 255) @ SRGB_TO_XYZ[1] + _DARK), np.float32)


def _printed(luminance: Floats, hue: Floats) -> Floats:
    """Where what is seen is the garment's own print rather than its folds, (h, w) from 0 to 1."""
    around = np.ones((_AROUND, _AROUND), np.uint8)
    contrast = np.asarray(cv2.morphologyEx(luminance, cv2.MORPH_GRADIENT, around), np.float32)
    hues = np.linalg.norm(cv2.morphologyEx(hue, cv2.MORPH_GRADIENT, around), axis=-1)
    return np.maximum(_between(contrast, *_CONTRAST), _between(hues, *_HUE))


def _steps_of_light(luminance: Floats, plain: Floats, broad: Floats, all_over: float) -> list[Floats]:
    """Differences to the right and down: of the luminance where the garment is plain; on its print, of the broad
    luminance as far as the print is all over, for then it evens out, while a single motif does not."""
    return [
        plain * np.diff(luminance, axis=axis, append=np.take(luminance, [-1], axis))
        + all_over * (1 - plain) * np.diff(broad, axis=axis, append=np.take(broad, [-1], axis))
        for axis in (1, 0)
    ]


def _weave(rgba: Bytes, working: tuple[int, ...]) -> Floats:
    """Log luminance (h, w) finer than the working size: knit, seams, grain."""
    if rgba.shape[:2] == working:
        return np.zeros(rgba.shape[:2], np.float32)
    luminance = np.empty(rgba.shape[:2], np.float32)
    for rows in strips(rgba):
        luminance[rows] = _log_luminance(unpremultiply(rgba[rows])[..., :3].astype(np.float32))
    coarse = cv2.resize(luminance, (working[1], working[0]), interpolation=cv2.INTER_AREA)
    luminance -= cv2.resize(coarse, rgba.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return _WEAVE * np.tanh(luminance / _WEAVE)
