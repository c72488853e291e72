"""A seamless tile out of a style picture: the cloth of a garment, or a painting, ready to be repeated.

The largest evenly filled patch of the picture is freed of the light that falls across it. The two steps after which it
comes nearest to itself - of a stripe, a check or a row of dots whole periods, however the cloth lies in the photo - are
the sides of the tile; its edges are joined by the cut that is seen least (Efros and Freeman 2001) and what the cut
leaves is spread by solving Poisson's equation for the joined gradients (Perez, Gangnet and Blake 2003), on the torus
that a tile is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from persona.catalog.colour import SOLID, lab_to_srgb, srgb_to_lab
from persona.catalog.pictures import Bytes, unpremultiply
from persona.errors import BadInput
from persona.style.picture import Floats, check
from persona.style.seams import joined

TILE_SIDE = 128  # pixels
MOST_SIDE = 1024
OVERLAP = 1 / 6  # of the tile's side: how far beyond its edges the cut may look
LEAST_PATCH = 12  # pixels a side that there must be to take a tile from
_INWARD = 0.03  # of the region's size: edges, hems and their shadows are no pattern
_TILT = 0.2  # across for along: how far cloth may lie from upright
_SMALLEST = 1 / 3  # of the patch: a tile of fewer repeats would lose what makes cloth look woven
_ORIGINS = 24  # places in the patch that are tried
_SKEW, _SMALL, _TURN = 2.0, 0.3, 1.5  # what a tile that is not square, small or turned costs, in contrasts


@dataclass(frozen=True)
class Lattice:
    """Two steps of a patch after which it repeats, (x, y) in its pixels: to the right and downwards."""

    across: tuple[float, float]
    down: tuple[float, float]

    @property
    def basis(self) -> NDArray[np.float64]:
        """(2, 2): its columns are the steps."""
        return np.array([self.across, self.down], np.float64).T


def tile_of(rgba: Bytes, region: Floats | None = None, *, side: int = TILE_SIDE, seed: int = 0) -> Bytes:
    """A tile, uint8 (side, side, 3), that can be repeated without a seam, of what the picture's region shows.

    rgba: premultiplied uint8 (h, w, 4). region: from 0 to 1; None: its alpha. seed: draws the places that the tile may
    be cut from; another one gives another tile. A garment of one colour gives a tile of one colour. Raises BadInput
    with the field "style" and the codes of `picture.check`, too_narrow and no_side.
    """
    if not 16 <= side <= MOST_SIDE:
        raise BadInput("side", f"is {side}: ask for a tile of 16 to {MOST_SIDE} pixels", "no_side")
    patch = _evenly_lit(_patch(rgba, check(rgba, region, "style"), side))
    framed = _framed(patch, lattice_of(patch), side, np.random.default_rng(seed))
    tile = joined(framed, side)
    return np.rint(lab_to_srgb(tile)).astype(np.uint8)


def _patch(rgba: Bytes, region: Floats, side: int) -> Floats:
    """CIELAB (h, w, 3) of the largest patch of the region, at a size fit for tiles of that side."""
    solid = (region >= SOLID).astype(np.uint8)
    inward = 2 * round(_INWARD * float(np.sqrt(solid.sum()))) + 1
    deep = cv2.erode(solid, np.ones((inward, inward), np.uint8))  # the picture's own border is no edge
    left, top, right, bottom = _inner_box(np.asarray(deep if deep.any() else solid, np.uint8))
    if min(right - left, bottom - top) < LEAST_PATCH:
        raise BadInput("style", "is too narrow everywhere to take a pattern from: send a larger picture", "too_narrow")
    patch = unpremultiply(rgba[top:bottom, left:right])[..., :3].astype(np.float32)
    scale = 2 * side / min(patch.shape[:2])
    if scale < 1:
        patch = np.asarray(cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)
    return srgb_to_lab(patch).astype(np.float32)


def _inner_box(solid: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest square of ones, grown to at most twice its length where there is room."""
    inside = cv2.distanceTransform(np.pad(solid, 1), cv2.DIST_C, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    half = int(inside[y, x]) - 1
    left, top, right, bottom = int(x) - half, int(y) - half, int(x) + half + 1, int(y) + half + 1
    length = 2 * (2 * half + 1)
    while right < solid.shape[1] and right - left < length and solid[top:bottom, right].all():
        right += 1
    while left > 0 and right - left < length and solid[top:bottom, left - 1].all():
        left -= 1
    while bottom < solid.shape[0] and bottom - top < length and solid[bottom, left:right].all():
        bottom += 1
    while top > 0 and bottom - top < length and solid[top - 1, left:right].all():
        top -= 1
    return left, top, right, bottom


def _evenly_lit(lab: Floats) -> Floats:
    """Without the light that rises or falls over the whole patch: a quadratic of lightness, fitted to what is usual."""
    y, x = (np.linspace(-1, 1, n) for n in lab.shape[:2])
    terms = np.stack([np.broadcast_to(t, lab.shape[:2]) for t in _quadratic(x[None, :], y[:, None])], -1)
    every = max(1, min(lab.shape[:2]) // 64)
    columns, lightness = terms[::every, ::every].reshape(-1, 6), lab[::every, ::every, 0].reshape(-1)
    root = np.ones(lightness.shape)
    for _ in range(5):
        fitted = np.linalg.lstsq(columns * root[:, None], lightness * root, rcond=None)[0]
        away = np.abs(lightness - columns @ fitted)
        root = 1 / np.hypot(1, away / (np.median(away) + 1e-3))
    even = lab.copy()
    even[..., 0] -= ((terms - terms.mean((0, 1))) @ fitted).astype(np.float32)
    return even


def _quadratic(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [np.ones((1, 1)), x, y, x * x, x * y, y * y]


def lattice_of(lab: Floats) -> Lattice:
    """The steps, to the right and downwards, after which a patch of CIELAB (h, w, 3) is most like itself.

    Of steps that are as good, the longest and those of the same length: a tile is a square.
    """
    height, width = lab.shape[:2]
    away = mismatch(lab)
    slope = float(np.tan(lean_of(lab)))
    across, rise = _best_tilts(away, slope)
    down, shift = _best_tilts(away.T, -slope)
    wide, high = np.arange(1, width)[:, None], np.arange(1, height)[None, :]
    cost = across[:, None] + down[None, :] + _SKEW * np.abs(np.log(wide / high))
    cost = cost - _SMALL * np.log(wide * high / (height * width))
    fits = (wide + np.abs(shift) <= (width - 2) / (1 + OVERLAP)) & (
        high + np.abs(rise)[:, None] <= (height - 2) / (1 + OVERLAP)
    )
    large = np.minimum(wide, high) >= _SMALLEST * min(height, width)
    i, j = np.unravel_index(int(np.where(fits & large, cost, np.inf).argmin()), cost.shape)
    return Lattice((float(i + 1), float(rise[i])), (float(shift[j]), float(j + 1)))


def _best_tilts(away: Floats, slope: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each step of 1, 2, ... along: the least cost over the steps across that go with it, and which that is.

    away: (steps across, steps along) as `mismatch` gives it, no step in the middle. slope: across for along, as the
    cloth lies; a step is the dearer the further it is from that.
    """
    middle, longest = away.shape[0] // 2, away.shape[1] // 2
    best, where = np.empty(longest), np.empty(longest, np.int64)
    for along in range(1, longest + 1):
        reach = min(int(_TILT * along), middle)
        tilts = np.arange(-reach, reach + 1)
        cost = away[middle + tilts, longest + along] + _TURN * np.abs(tilts / along - slope)
        best[along - 1], where[along - 1] = cost.min(), tilts[cost.argmin()]
    return best, where


def lean_of(lab: Floats) -> float:
    """Radians from upright, at most an eighth of a turn, at which the lines of a patch (h, w, 3) run, from x to y; the
    nearer to nought, the less they keep one direction or its normal."""
    soft = cv2.GaussianBlur(lab, (0, 0), 1.0)
    step = cv2.Sobel(soft, cv2.CV_32F, 1, 0) + 1j * cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    energy = np.abs(step) ** 2
    four = (step**4 / np.maximum(energy, 1e-9)).sum() / max(float(energy.sum()), 1e-9)  # the same for all four sides
    return float(np.angle(four) / 4 * np.abs(four))


def mismatch(lab: Floats) -> Floats:
    """How unlike a patch (h, w, c) is to itself after each step, (2h - 1, 2w - 1), no step in the middle.

    Mean squared difference where the two overlap, over that of unrelated pixels: 0 repeats, 1 is chance. By FFT.
    """
    height, width = lab.shape[:2]
    centred = lab.astype(np.float64) - lab.mean((0, 1))
    steps = [np.arange(1 - n, n) for n in (height, width)]
    size = [fft.next_fast_len(2 * n - 1, real=True) for n in (height, width)]
    ones = fft.rfft2(np.ones((height, width)), size)
    squares = fft.rfft2((centred**2).sum(-1), size)
    product = (np.abs(fft.rfft2(centred, size, axes=(0, 1))) ** 2).sum(-1)
    total = fft.irfft2(2 * (np.conj(squares) * ones).real - 2 * product, size)[np.ix_(*steps)]
    pixels = np.outer(*[n - np.abs(step) for n, step in zip((height, width), steps)])
    return (total / pixels / max(2 * float((centred**2).sum(-1).mean()), 1e-6)).astype(np.float32)


def _framed(lab: Floats, lattice: Lattice, side: int, draw: np.random.Generator) -> Floats:
    """The tile and what comes right of it and below, (side + overlap, side + overlap, 3), from the place of the patch,
    of those drawn, whose edges differ least beside what is in it."""
    overlap = round(OVERLAP * side)
    basis = lattice.basis / side
    grain = np.abs(basis).sum(1).max()  # pixels of the patch for one of the tile
    if grain > 1:
        lab = np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.5 * float(np.sqrt(grain**2 - 1))), np.float32)
    steps = np.arange(side + overlap) + 0.5
    places = np.stack(np.meshgrid(steps, steps), -1) @ basis.T - 0.5
    room = np.array(lab.shape[1::-1]) - 1 - places.max((0, 1)) + places.min((0, 1))
    frames = []
    for where in draw.random((_ORIGINS, 2)):
        x, y = np.moveaxis((places - places.min((0, 1)) + where * np.maximum(room, 0)).astype(np.float32), -1, 0)
        frames.append(np.asarray(cv2.remap(lab, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), np.float32))
    return min(frames, key=lambda frame: _edges_beside_inside(frame, side))


def _edges_beside_inside(frame: Floats, side: int) -> float:
    """Mean squared difference of the strips to be joined, over the frame's variance."""
    overlap = len(frame) - side
    across = ((frame[:, side:] - frame[:, :overlap]) ** 2).sum(-1).mean()
    down = ((frame[side:] - frame[:overlap]) ** 2).sum(-1).mean()
    return float((across + down) / (frame.var((0, 1)).sum() + 1e-3))
