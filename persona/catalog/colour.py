"""The colours of a cut-out garment: sRGB to CIELAB, differences as seen, a palette, and a name from our thirteen.

CIELAB is for the D65 white and the two-degree observer throughout, as sRGB itself is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from persona.store.records import Colour

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Lab = tuple[float, float, float]
_Clusters = tuple[Floats, Floats]  # centres (k, 3) and shares (k,)

# IEC 61966-2-1, linear sRGB to XYZ; the white is its row sums, so that (255, 255, 255) is exactly L=100, a=b=0
SRGB_TO_XYZ = np.array(
    [
        [0.4123907993, 0.3575843394, 0.1804807884],
        [0.2126390059, 0.7151686788, 0.0721923154],
        [0.0193308187, 0.1191947798, 0.9505321522],
    ]
)
_WHITE = SRGB_TO_XYZ.sum(1)
_FROM_XYZ = np.linalg.inv(SRGB_TO_XYZ)
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27

SOLID = 0.9  # a pixel counts as garment from this alpha on: under it, the edge still mixes with the background
TEXTILE_KL = 2.0  # weight of lightness for textiles in CIEDE2000: folds and shadows are not another colour
_ROUNDING = 1e-9  # degrees: opposite hues are 180 apart but for it, one way or the other by numpy's version
_CLUSTERS = 6
_MERGE = 8.0  # palette colours nearer than this (CIEDE2000, textile weight) are one colour
_MOST_PIXELS = 2500


def to_linear(encoded: NDArray[Any]) -> NDArray[Any]:
    """sRGB from 0 to 1 to linear light, in the same precision."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def from_linear(linear: NDArray[Any]) -> NDArray[Any]:
    """Linear light from 0 to 1 to sRGB, in the same precision."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_to_lab(rgb: ArrayLike) -> Floats:
    """sRGB in 0..255, (..., 3), to CIELAB, (..., 3)."""
    return _linear_to_lab(to_linear(np.asarray(rgb, np.float64) / 255))


def _linear_to_lab(linear: Floats) -> Floats:
    ratio = linear @ SRGB_TO_XYZ.T / _WHITE
    f = np.where(ratio > _EPSILON, np.cbrt(ratio), (_KAPPA * ratio + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def lab_to_srgb(lab: ArrayLike) -> Floats:
    """CIELAB, (..., 3), to sRGB in 0..255; colours outside sRGB are clipped to it."""
    lab = np.asarray(lab, np.float64)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    ratio = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA)
    linear = np.clip(ratio * _WHITE @ _FROM_XYZ.T, 0, 1)
    return np.asarray(np.clip(from_linear(linear) * 255, 0, 255), np.float64)


def delta_e_2000(one: ArrayLike, other: ArrayLike, k_l: float = 1.0) -> Floats:
    """CIEDE2000 between colours of CIELAB, (..., 3) each, broadcast. About 1 is the least that an eye sees.

    After Sharma, Wu and Dalal (2005), whose published pairs it reproduces. k_l: weight of lightness.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(one, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(other, np.float64), -1, 0)
    c_bar7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(c_bar7 / (c_bar7 + 25.0**7))
    c1, h1 = np.hypot(a1 * stretch, b1), np.degrees(np.arctan2(b1, a1 * stretch)) % 360
    c2, h2 = np.hypot(a2 * stretch, b2), np.degrees(np.arctan2(b2, a2 * stretch)) % 360
    grey = c1 * c2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    opposite = np.abs(turn) > 180 - _ROUNDING  # then the sign is as published
    turn = np.where(opposite, np.where(h2 > h1, 180, -180), turn)
    h_bar = np.where(grey, h1 + h2, _mean_hue(h1, h2))
    l_bar, c_bar = (l1 + l2) / 2, (c1 + c2) / 2
    delta_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    s_l = 1 + 0.015 * (l_bar - 50) ** 2 / np.sqrt(20 + (l_bar - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_bar, 1 + 0.015 * c_bar * _hue_weight(h_bar)
    r_t = -np.sin(np.radians(60 * np.exp(-(((h_bar - 275) / 25) ** 2)))) * 2
    r_t = r_t * np.sqrt(c_bar**7 / (c_bar**7 + 25.0**7))
    l_term, c_term, h_term = (l2 - l1) / (k_l * s_l), (c2 - c1) / s_c, delta_h / s_h
    return np.sqrt(np.maximum(l_term**2 + c_term**2 + h_term**2 + r_t * c_term * h_term, 0))


def _mean_hue(h1: Floats, h2: Floats) -> Floats:
    total = h1 + h2
    far = np.abs(h1 - h2) > 180 + _ROUNDING
    return np.where(far, np.where(total < 360, total + 360, total - 360), total) / 2


def _hue_weight(h: Floats) -> Floats:
    def wave(times: int, shift: float) -> Floats:
        return np.asarray(np.cos(np.radians(times * h + shift)), np.float64)

    return 1 - 0.17 * wave(1, -30) + 0.24 * wave(2, 0) + 0.32 * wave(3, 6) - 0.20 * wave(4, -63)


def straight(rgba: Bytes) -> Floats:
    """Colours of a premultiplied picture, uint8 (..., 4), undone: (..., 3) in 0..255; transparent ones are 0."""
    alpha = rgba[..., 3:].astype(np.float64) / 255
    return np.clip(rgba[..., :3] / np.maximum(alpha, 1 / 255), 0, 255)


def visible_lab(rgba: Bytes) -> Floats:
    """CIELAB of the garment's pixels, (n, 3), from a premultiplied picture. Empty where nothing is visible."""
    return _lab_of(_visible(rgba))


def _lab_of(rgba: Bytes) -> Floats:
    """CIELAB (n, 3) of premultiplied pixels (n, 4)."""
    return _linear_to_lab(np.take(_linear_colours(), rgba[:, 3:].astype(np.uint16) << 8 | rgba[:, :3], mode="clip"))


@cache
def _linear_colours() -> Floats:
    """Linear light of premultiplied colours, by alpha and colour, flat: float64 (65536,)."""
    alpha, colour = (grid.astype(np.uint8) for grid in np.mgrid[:256, :256])
    return to_linear(straight(np.stack([colour, colour, colour, alpha], -1))[..., 0] / 255).ravel()


def _visible(rgba: Bytes) -> Bytes:
    """The garment's pixels, (n, 4)."""
    solid = rgba[..., 3] >= SOLID * 255
    if not solid.any():
        solid = rgba[..., 3] > 0
    return rgba[solid]


def palette(rgba: Bytes) -> list[tuple[Lab, float]]:
    """The garment's colours, (CIELAB, share of its visible area), largest share first; at most six.

    rgba: uint8 (h, w, 4), premultiplied. k-means in CIELAB; clusters that an eye takes for one are merged.
    The same picture gives the same palette. Empty for a picture with nothing visible.
    """
    return palettes([rgba])[0]


def palettes(pictures: Sequence[Bytes]) -> list[list[tuple[Lab, float]]]:
    """The palette of each picture, sooner than one by one."""
    visible = [_visible(rgba) for rgba in pictures]
    pixels = [_lab_of(part[:: max(1, -(-len(part) // _MOST_PIXELS))]) for part in visible]
    clusters = [_k_means(part, min(_CLUSTERS, len(part))) for part in pixels if len(part)]
    merged = iter(_merge(clusters))
    return [_by_share(*next(merged)) if len(part) else [] for part in pixels]


def garment_lab(rgba: Bytes) -> Lab | None:
    """CIELAB of the dominant colour of a premultiplied picture, or None where nothing is visible."""
    return garment_labs([rgba])[0]


def garment_labs(pictures: Sequence[Bytes]) -> list[Lab | None]:
    """The dominant colour of each picture, sooner than one by one."""
    return [colours[0][0] if colours else None for colours in palettes(pictures)]


def _by_share(centres: Floats, shares: Floats) -> list[tuple[Lab, float]]:
    order = np.argsort(-shares, kind="stable")
    return [((float(c[0]), float(c[1]), float(c[2])), float(s)) for c, s in zip(centres[order], shares[order])]


def _k_means(pixels: Floats, count: int, rounds: int = 12) -> _Clusters:
    """Lloyd's algorithm, begun at quantiles of lightness: nothing random. Returns centres and shares."""
    by_lightness = np.argsort(pixels[:, 0], kind="stable")
    begun = pixels[by_lightness[((np.arange(count) + 0.5) / count * len(pixels)).astype(int)]]
    centres = np.array(list(dict.fromkeys(map(tuple, begun.tolist()))))  # of several alike, one would get everything
    counted = np.vstack([pixels.T, np.ones(len(pixels))])
    for _ in range(rounds):
        sums = _sums(counted, centres)
        sums = sums[sums[:, 3] > 0]
        centres = sums[:, :3] / sums[:, 3:]
    return centres, _sums(counted, centres)[:, 3] / len(pixels)


def _sums(counted: Floats, centres: Floats) -> Floats:
    """Sums (k, 4) of the pixels nearest to each centre, the first of those that are as near. counted: (4, n), the
    pixels as columns with a one under each, whose sum is their number.

    By two matrix products, in half the time that numbering each pixel's nearest centre and counting those takes.
    """
    by_centre = np.empty((len(centres), 4))
    by_centre[:, :3], by_centre[:, 3] = -2 * centres, np.square(centres).sum(1)
    distances = by_centre @ counted  # squared, less the square of the pixel's own length
    nearest = distances == distances.min(0)
    if np.count_nonzero(nearest) > counted.shape[1]:  # some pixel is as near to two
        nearest = np.arange(len(centres))[:, None] == nearest.argmax(0)
    return np.asarray(nearest.astype(np.float64) @ counted.T)


def _merge(clusters: Sequence[_Clusters]) -> list[_Clusters]:
    """Clusters of several pictures, with those that are one to the eye merged, nearest first.

    One merge of each picture at a time: the differences of all of them cost hardly more than those of one.
    """
    merged, left = list(clusters), list(range(len(clusters)))
    while left := [number for number in left if len(merged[number][0]) > 1]:
        going_on = []
        for number, gaps in zip(left, _gaps([merged[number][0] for number in left])):
            i, j = np.unravel_index(gaps.argmin(), gaps.shape)
            if gaps[i, j] < _MERGE:
                merged[number] = _joined(*merged[number], int(i), int(j))
                going_on.append(number)
        left = going_on
    return merged


def _gaps(centres: Sequence[Floats]) -> Floats:
    """Differences between the centres of each picture, (pictures, most, most); infinite where there is none."""
    most = max(map(len, centres))
    padded = np.stack([np.concatenate([own, own[:1].repeat(most - len(own), 0)]) for own in centres])
    gaps = delta_e_2000(padded[:, :, None], padded[:, None], k_l=TEXTILE_KL)
    there = np.arange(most) < np.array([len(own) for own in centres])[:, None]
    gaps[~(there[:, :, None] & there[:, None] & ~np.eye(most, dtype=bool))] = np.inf
    return gaps


def _joined(centres: Floats, shares: Floats, i: int, j: int) -> _Clusters:
    """Clusters i and j as one, the last."""
    joined = (centres[i] * shares[i] + centres[j] * shares[j]) / max(shares[i] + shares[j], 1e-12)
    rest = [k for k in range(len(centres)) if k not in (i, j)]
    return np.vstack([centres[rest], joined]), np.append(shares[rest], shares[i] + shares[j])


def colour_name(lab: ArrayLike) -> Colour:
    """The name that people would give a garment of this colour, one of `records.COLOURS`.

    Bounds of hue, chroma and lightness, set by eye on sheets of real garments; homes light them dim and warm.
    Of 193 others, drawn at random and named by eye, 92 % got a name that the eye would let pass, and 88 % of the 92 of
    which it would let but one. It errs most on washed-out denim (grey) and on dark taupe (grey for brown).
    """
    lightness, a, b = (float(v) for v in np.asarray(lab, np.float64))
    chroma, hue = float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360)
    if chroma < _grey_limit(lightness, hue):
        return "black" if lightness < 26 else "grey" if lightness < 70 else "white"
    for above, name_of in _SECTORS:
        if hue < above:
            return name_of(lightness, chroma, hue)
    return _reds(lightness, chroma, hue - 360)


def _grey_limit(lightness: float, hue: float) -> float:
    """Chroma under which a colour passes for grey: more where warm light tints a white, or where it is too dark."""
    if lightness < 24:
        return 12.0
    if 45 <= hue < 125:
        return 15.0 if lightness > 84 else 10.0
    return 8.0


def _reds(lightness: float, chroma: float, hue: float) -> Colour:
    if lightness > 60 or (hue < 12 and lightness > 42 and chroma > 20):
        return "pink"
    if chroma < 18:
        return "purple" if hue < 5 else "brown"
    return "purple" if hue < -5 and lightness < 42 else "red"


def _oranges(lightness: float, chroma: float, hue: float) -> Colour:
    if chroma > 42 and lightness > 40:
        return "orange"
    if lightness > 60:
        return "pink" if hue < 55 and chroma > 14 else "beige"
    return "brown"


def _yellows(lightness: float, chroma: float, hue: float) -> Colour:
    if chroma > 38 and lightness > 50:
        return "yellow"
    if lightness > 55:
        return "beige"
    return "green" if hue > 94 else "brown"


def _greens(lightness: float, chroma: float, hue: float) -> Colour:
    return "beige" if hue < 112 and chroma < 16 and lightness > 55 else "green"


def _blues(lightness: float, chroma: float, hue: float) -> Colour:
    return "navy" if lightness < 32 and chroma < 42 else "blue"


def _purples(lightness: float, chroma: float, hue: float) -> Colour:
    if hue < 308 and (chroma > 36 or (lightness < 30 and chroma < 18)):
        return _blues(lightness, chroma, hue)
    return "purple"


_SECTORS: tuple[tuple[float, Callable[[float, float, float], Colour]], ...] = (
    (45, _reds),
    (75, _oranges),
    (106, _yellows),
    (200, _greens),
    (298, _blues),
    (335, _purples),
)
