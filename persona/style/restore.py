"""Damaged parts of a picture filled in its own style: stains, tears, a price tag.

Kriging: every lost pixel is the weighted sum of its known neighbours that errs least on average, given how alike two
pixels are at every distance. That is measured on the picture itself, around the damage, so stripes go on at their own
step and cloth without a pattern is filled smoothly (Galerne and Leclaire 2017, "Texture inpainting using efficient
Gaussian conditional simulation"). Larger parts are filled at half the size first, and then in what that lacks.
Nothing is learnt, and nothing is invented: a lost button or a face on a print does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg

from persona.catalog.colour import SOLID
from persona.catalog.pictures import Bytes, premultiply, unpremultiply
from persona.errors import BadInput
from persona.style.picture import Floats, check, surrounded

Reals = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARGIN = 64  # pixels around the damage that are looked at
COARSEST = 192  # pixels of a side up to which a part is filled in one go
FINEST = 1024  # pixels of a side from which on the finest detail is left out: it would take minutes and gigabytes
RING = 3  # pixels around the damage that are summed; more of them wash out what is near
_MOST_KNOWN = 1200  # of them: the cost grows with the cube
_NEAR = 24.0  # pixels: cloth so far from the damage counts a third as much in how alike pixels are
_NOISE = 0.01  # share of the variance that no neighbour tells
_OWN, _PAIRS = 0.9, 300.0  # trust in the picture's own correlation, half of it at so many pairs of pixels
_LEAST_KNOWN = 64  # pixels
_PLAIN = 1e-6  # variance of what has one colour
_MEDIAN = 0.6745  # of the absolute value of a normal number of deviation 1


@dataclass(frozen=True)
class _Part:
    """What is worked on: straight colours (h, w, 3) from 0 to 1, the pixels known and those to fill."""

    rgb: Reals
    known: Mask
    hole: Mask


def restore(rgba: Bytes, hole: Floats | Mask, *, texture: float = 0.0, torn: bool = False, seed: int = 0) -> Bytes:
    """The picture with its damaged part filled, premultiplied uint8 (h, w, 4).

    hole: (h, w), bool, or from 0 to 1: how far a pixel is replaced; what is not 0 is not looked at. Everything outside
    it stays bit for bit, and so does alpha, unless the cloth itself is torn: then alpha is filled as well.
    texture: 0 fills with what is likeliest, which has less texture than the cloth; 1 adds, at random by the seed, all
    that is lacking.

    Raises BadInput as `persona.style.picture.check` for the field picture, for texture, and for hole with the codes
    not_a_mask, no_hole (nothing to fill) and no_rest (hardly anything is known).
    """
    if not 0 <= texture <= 1:
        raise BadInput("texture", f"{texture:g}, wanted a number from 0 to 1", "out_of_range")
    region = check(rgba, None, "picture")
    weight = _weight(hole, rgba.shape[:2])
    lost = (weight > 0) & ((region > 0) | torn)
    if not lost.any():
        raise BadInput("hole", "lies where the picture is transparent: mark a damaged part of the garment", "no_hole")
    known = (region >= SOLID) & (weight == 0)
    top, bottom, left, right = _around(lost, known)
    box = np.s_[top:bottom, left:right]
    straight = unpremultiply(rgba[box])
    part = _Part(straight[..., :3] / np.float64(255), known[box], lost[box])
    drawn = _filled(part, texture, np.random.default_rng(seed))
    replaced = np.where(part.hole, weight[box], 0)[..., None]
    if torn:
        alpha = _alpha(straight[..., 3], weight[box] == 0)
        straight[..., 3] = np.rint(straight[..., 3] + (alpha - straight[..., 3]) * replaced[..., 0])
    mixed = straight[..., :3] + (np.clip(drawn, 0, 1) * 255 - straight[..., :3]) * replaced
    straight[..., :3] = np.rint(mixed)
    restored = rgba.copy()
    restored[box] = np.where(replaced > 0, premultiply(straight), rgba[box])
    return restored


def _weight(hole: Floats | Mask, shape: tuple[int, ...]) -> Floats:
    if hole.shape != shape or hole.dtype.kind not in "bf" or not np.isfinite(hole).all():
        wanted = f"{hole.dtype} {hole.shape}, wanted bool, or finite numbers from 0 to 1, of {tuple(shape)}"
        raise BadInput("hole", wanted, "not_a_mask")
    if not (hole > 0).any():
        raise BadInput("hole", "marks nothing: mark what is damaged", "no_hole")
    return np.clip(hole.astype(np.float32), 0, 1)


def _around(lost: Mask, known: Mask) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the damage with its surroundings; or of all of the picture."""
    height, width = lost.shape
    rows, columns = np.flatnonzero(lost.any(1)), np.flatnonzero(lost.any(0))
    top, left = max(0, int(rows[0]) - MARGIN), max(0, int(columns[0]) - MARGIN)
    bottom, right = min(height, int(rows[-1]) + 1 + MARGIN), min(width, int(columns[-1]) + 1 + MARGIN)
    if known[top:bottom, left:right].sum() >= _LEAST_KNOWN:
        return top, bottom, left, right
    if known.sum() < _LEAST_KNOWN:
        raise BadInput("hole", "leaves nothing of the picture to fill it from; mark less", "no_rest")
    return 0, height, 0, width


def _filled(part: _Part, texture: float, random: np.random.Generator) -> Reals:
    """Colours (h, w, 3) whose lost pixels are filled, coarse to fine."""
    if max(part.hole.shape) <= COARSEST:
        return _kriged(part, texture, random)
    coarse = _filled(_halved(part), texture, random)
    height, width = part.hole.shape
    base = cv2.resize(coarse, (2 * coarse.shape[1], 2 * coarse.shape[0]), interpolation=cv2.INTER_LINEAR)
    base = base[:height, :width]
    if max(height, width) > FINEST:
        return np.where(part.hole[..., None], base, part.rgb)
    return base + _kriged(_Part(part.rgb - base, part.known, part.hole), texture, random)


def _halved(part: _Part) -> _Part:
    """At half the size; a pixel is known where half of it is, and what lies beside the garment is filled smoothly."""
    odd = [(0, side % 2) for side in part.hole.shape]
    known, hole = (np.pad(mask, odd, mode="edge") for mask in (part.known, part.hole))
    rgb = np.pad(part.rgb, [*odd, (0, 0)], mode="edge")
    share = _halves(known.astype(np.float64))
    colour = _halves(rgb * known[..., None]) / np.maximum(share, 1e-9)[..., None]
    lost = (share < 0.5) & (_halves(hole.astype(np.float64)) > 0)
    return _Part(surrounded(colour, share >= 0.5), share >= 0.5, lost)


def _halves(picture: Reals) -> Reals:
    height, width = picture.shape[:2]
    blocks = picture.reshape(height // 2, 2, width // 2, 2, -1).mean((1, 3))
    return blocks.reshape(height // 2, width // 2, *picture.shape[2:])


def _alpha(alpha: Bytes, known: Mask) -> Reals:
    return surrounded(alpha[..., None].astype(np.float64), known)[..., 0]


def _kriged(part: _Part, texture: float, random: np.random.Generator) -> Reals:
    """Ordinary kriging of the lost pixels (h, w, 3) from a ring around them, all channels alike."""
    distance = _distance(part.hole)
    rows, columns = np.nonzero(part.known & (distance <= RING))
    if len(rows) > _MOST_KNOWN:
        nearest = np.argsort(distance[rows, columns], kind="stable")[:_MOST_KNOWN]
        rows, columns = rows[nearest], columns[nearest]
    if not len(rows):  # an island of damage without a neighbour
        return surrounded(part.rgb, part.known)
    correlation, variance = _correlation(part, distance)
    between = correlation[rows[:, None] - rows, columns[:, None] - columns]
    between[np.diag_indices(len(rows))] += _NOISE
    factor = linalg.cho_factor(between, lower=True, check_finite=False)
    solved = linalg.cho_solve(factor, np.hstack([part.rgb[rows, columns], np.ones((len(rows), 1))]))
    mean = solved[:, :3].sum(0) / solved[:, 3].sum()
    weights = solved[:, :3] - solved[:, 3:] * mean
    drawn = np.zeros((*part.hole.shape, 3))
    if texture > 0:  # a drawn texture, less what the ring tells of it
        drawn = texture * _lacking(factor[0], weights, variance) * _drawn(correlation, variance, random)
        weights = weights - linalg.cho_solve(factor, drawn[rows, columns])
    summed = np.zeros((*correlation.shape, 3))
    summed[rows, columns] = weights
    told = _convolved(summed, fft.rfft2(correlation))
    return np.where(part.hole[..., None], mean + told + drawn, part.rgb)


def _convolved(picture: Reals, spectrum: NDArray[np.complex128]) -> Reals:
    """(2h, 2w, 3) convolved on the torus, of which (h, w, 3) is kept."""
    found = fft.irfft2(fft.rfft2(picture, axes=(0, 1)) * spectrum[..., None], picture.shape[:2], axes=(0, 1))
    return np.asarray(found[: picture.shape[0] // 2, : picture.shape[1] // 2])


def _distance(hole: Mask) -> Reals:
    """Pixels to the nearest lost one."""
    return np.asarray(cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5), np.float64)


def _correlation(part: _Part, distance: Reals) -> tuple[Reals, Reals]:
    """Correlation of two pixels by their offset, on a torus of twice the size, and the covariance (3, 3) of channels.

    The picture's own around the damage, over the pairs that are known; where there are few, 1 / (1 + distance), which
    is that of garments on average. No power of its spectrum is negative, so any choice of pixels can be solved for.
    """
    size = tuple(2 * side for side in part.hole.shape)
    near = part.known * np.exp(-distance / _NEAR)
    mean = (part.rgb * near[..., None]).sum((0, 1)) / near.sum()
    off = (part.rgb - mean) * part.known[..., None]
    weighted = (part.rgb - mean) * near[..., None]
    variance = np.tensordot(weighted, off, ((0, 1), (0, 1))) / near.sum()
    lags = [np.minimum(np.arange(side), side - np.arange(side)) for side in size]
    usual = 1 / (1 + np.hypot(lags[0][:, None], lags[1]))
    spread = float(np.trace(variance))
    if spread > _PLAIN:
        pairs = np.maximum(_correlated(near[..., None], part.known[..., None].astype(np.float64), size), 0)
        own = _correlated(weighted, off, size) / np.maximum(pairs, 1) / spread
        trust = np.where(pairs > _PAIRS / 10, _OWN * pairs / (pairs + _PAIRS), 0)
        usual = usual + trust * (own - usual)
    power = np.maximum(fft.rfft2(usual).real, 0)
    found = fft.irfft2(power, size)
    return found / found[0, 0], variance


def _correlated(one: Reals, other: Reals, size: tuple[int, ...]) -> Reals:
    spectra = (fft.rfft2(values, size, axes=(0, 1)) for values in (one, other))
    return np.asarray(fft.irfft2((next(spectra).conj() * next(spectra)).sum(2), size))


def _lacking(lower: Reals, weights: Reals, variance: Reals) -> float:
    """How much of the variance the pixels of the ring really miss when each is told from the others, as a factor of the
    deviation; by the median, so that seams and buttons are no texture. Of kriging's cross-validation (Dubrule 1983)."""
    inverse = linalg.solve_triangular(lower, np.eye(len(lower)), lower=True, check_finite=False)
    missed = np.abs(weights) / np.sqrt(np.square(inverse).sum(0))[:, None]
    return float(np.sqrt(np.square(np.median(missed, 0) / _MEDIAN).mean() / max(np.trace(variance) / 3, _PLAIN)))


def _drawn(correlation: Reals, variance: Reals, random: np.random.Generator) -> Reals:
    """A stationary Gaussian texture (h, w, 3) of this correlation and covariance of channels."""
    amplitude = np.sqrt(np.maximum(fft.rfft2(correlation).real, 0)) + 0j
    values, vectors = np.linalg.eigh((variance + variance.T) / 2)
    mixed = random.standard_normal((*correlation.shape, 3)) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    return _convolved(mixed, amplitude)
