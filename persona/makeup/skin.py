"""Skin tone from a photo: white balance first, then the colour of cheeks and forehead, then the nearest Monk tone.

Light that cannot be told from the photo is said to be so, and what the user says of themselves is never overruled.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import delta_e_2000, from_linear, lab_to_srgb, srgb_to_lab, to_linear
from persona.makeup.analysis import SkinTone, Undertone
from persona.makeup.face import LEFT_EYE, OVAL, RIGHT_EYE, Bytes, Face
from persona.makeup.monk import MONK_LAB
from persona.makeup.regions import face_box
from persona.store.records import Traits

Floats = NDArray[np.float64]

READ_AT = 100.0  # pixels between the eyes at which colours are read
_CHEEKS = ((117, 118, 101, 36, 205, 187, 123), (346, 347, 330, 266, 425, 411, 352))
_FOREHEAD = (104, 69, 108, 151, 337, 299, 333, 296, 9, 66)
PATCHES = (*_CHEEKS, _FOREHEAD)

# Learnt on the shared portraits, all taken in one balanced light, by tests/makeup/learn_faces.py:
_SCLERA = (0.107, 0.0)  # log(r/g), log(b/g) of the whites of the eyes, linear light
_SCLERA_SD = 0.09  # of those, from person to person
_HUE_AT, _HUE_SLOPE, _HUE_SD = 46.0, -0.18, 6.8  # degrees of hue at L = 60, per L, and from person to person
_LIGHT_AT, _LIGHT_SLOPE, _LIGHT_SD = -1.266, 1.014, 0.3  # log luminance of skin by log ratio to the whites of the eyes
# The swatches are paint, lighter and less red than light skin is in any well exposed photo, yet as dark as dark skin:
# (L, a, b) of skin in a photo at the means of the darkest and of the lightest of the groups, and what they are there
_DARK, _DARK_SWATCH = (34.9, 9.7, 12.4), (32.0, 11.0, 13.0)
_LIGHT, _LIGHT_SWATCH = (66.3, 12.0, 11.5), (88.0, 1.5, 15.0)

_EXPOSURE_SD = 0.3  # of log exposure: what cameras are off by
_CAST_SD = 0.06  # log r/g of the casts that phones leave in, where nothing in the photo tells
_BACKGROUND_SD = 0.05  # of a background that looks grey
_AT_MOST = 0.6  # of a log ratio that is corrected: stronger light has no colours left to balance


@dataclass(frozen=True)
class Balance:
    """A photo's light. gains: (3,) of linear red, green, blue that make it neutral; spread: standard error of their
    logarithms; agree: whether the eyes and the background tell of the same light."""

    gains: Floats
    spread: float
    agree: bool


def read_skin(photo: Bytes, face: Face, stated: Traits | None = None) -> SkinTone:
    """Skin tone of a face in a photo, uint8 (h, w, 3); what the user stated is taken as said, first."""
    part, at = closeup(photo, face)
    balance = white_balance(photo, face)
    patches = [balanced(patch, balance) for patch in skin_patches(part, at)]
    measured = _measure(patches, _eye_white(part, at), balance)
    return measured if stated is None else as_stated(measured, stated)


def unread(why: str, stated: Traits | None = None) -> SkinTone:
    """What is known of skin without a photo: what its owner says."""
    nothing = SkinTone(monk=None, monk_range=None, undertone=None, ita=None, lab=None, certain=False, why=why)
    return nothing if stated is None else as_stated(nothing, stated)


def as_stated(skin: SkinTone, traits: Traits) -> SkinTone:
    """With the user's own word in place of what was measured."""
    said: dict[str, object] = {}
    if traits.skin_tone is not None:
        said |= {"monk": traits.skin_tone, "monk_range": (traits.skin_tone, traits.skin_tone)}
    if traits.undertone is not None:
        said["undertone"] = traits.undertone
    names = tuple(name for name in ("monk", "undertone") if name in said)
    return skin.model_copy(update={**said, "stated": names})


def closeup(photo: Bytes, face: Face, eyes: float = READ_AT) -> tuple[Bytes, Face]:
    """The face's part of a photo, no larger than with the eyes `eyes` pixels apart, and the face in it."""
    box = face_box(face, photo.shape[1], photo.shape[0])
    part = photo[box[1] : box[3], box[0] : box[2]]
    scale = min(1.0, eyes / max(face.eye_distance, 1e-6))
    if scale < 1:
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return part, face.moved(box, scale)


def inside(face: Face, points: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels (h, w) within an outline of landmarks."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(face.xy[list(points)]).astype(np.int32)], (1,))
    return mask > 0


def skin_patches(photo: Bytes, face: Face) -> list[Floats]:
    """sRGB pixels (n, 3) of the right cheek, the left cheek and the forehead, without hair, shadow and shine.

    Left out is what lies far from the cheeks' own median; a patch with little left (a fringe) is empty.
    """
    masks = [inside(face, points, photo.shape[:2]) for points in PATCHES]
    labs = [srgb_to_lab(photo[mask]) for mask in masks]
    cheeks = np.concatenate(labs[:2])
    if not len(cheeks):
        return [np.empty((0, 3)) for _ in PATCHES]
    middle = np.median(cheeks, 0)
    patches = []
    for mask, lab in zip(masks, labs):
        near = (np.abs(lab[:, 0] - middle[0]) < 6 + 0.2 * middle[0]) & (np.hypot(*(lab - middle)[:, 1:].T) < 14)
        shiny = lab[:, 0] > np.quantile(lab[:, 0], 0.93) if len(lab) else near
        kept = near & ~shiny
        enough = kept.sum() > 0.35 * len(lab)
        patches.append(photo[mask][kept if enough else np.zeros(len(lab), bool)].astype(np.float64))
    return patches


def white_balance(photo: Bytes, face: Face) -> Balance:
    """The photo's light from the whites of the eyes and from what looks grey around the face, each as far as it goes.

    Both are averaged by their errors together with the expectation that a camera balanced its photo itself; a photo
    without either keeps the colours that it has, with a wide spread. Shades of grey after Finlayson and Trezzi (2004).
    """
    part, at = closeup(photo, face)
    eyes = _from_eyes(part, at)
    around = _from_background(photo, face, np.zeros(2) if eyes is None else eyes[0])
    found = [estimate for estimate in (eyes, around) if estimate is not None]
    if found:  # light far from what cameras leave in is believed all the same
        far = np.abs(np.average([cast for cast, _ in found], axis=0, weights=[1 / spread**2 for _, spread in found]))
        found.append((np.zeros(2), max(_CAST_SD, float(far.max()) / 2)))
    else:
        found.append((np.zeros(2), _CAST_SD))
    weights = np.array([1 / spread**2 for _, spread in found])
    cast = np.average([cast for cast, _ in found], axis=0, weights=weights)
    agree = eyes is None or around is None or bool(np.abs(eyes[0] - around[0]).max() < 3 * np.hypot(eyes[1], around[1]))
    spread = float(weights.sum() ** -0.5) * (1 if agree else 2)
    cast = np.clip(cast, -_AT_MOST, _AT_MOST)
    gains = np.exp(-np.array([cast[0], 0.0, cast[1]]))
    return Balance(gains / (gains @ _LUMINANCE), spread, agree)


_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def balanced(rgb: Floats | Bytes, balance: Balance) -> Floats:
    """sRGB in 0..255, (..., 3), as it would be in neutral light (von Kries on linear light)."""
    return _encoded(_linear(rgb) * balance.gains)


def _linear(rgb: Floats | Bytes) -> Floats:
    return to_linear(np.asarray(rgb, np.float64) / 255)


def _encoded(linear: Floats) -> Floats:
    return np.asarray(from_linear(np.clip(linear, 0, 1)) * 255)


def _ratios(linear: Floats) -> Floats:
    """log(r/g), log(b/g), (n, 2)."""
    logs = np.log(np.maximum(linear, 1e-4))
    return np.stack([logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]], 1)


def _eye_pixels(part: Bytes, face: Face) -> Floats:
    """Linear light (n, 3) of the brighter half of what lies between the lids."""
    mask = inside(face, RIGHT_EYE, part.shape[:2]) | inside(face, LEFT_EYE, part.shape[:2])
    linear = _linear(part[mask])
    if not len(linear):
        return linear
    light = linear @ _LUMINANCE
    return linear[light >= np.median(light)]


def _eye_white(part: Bytes, face: Face) -> float | None:
    """Linear luminance of the whites of the eyes; None where they are too small to be seen."""
    pixels = _eye_pixels(part, face)
    return float(np.quantile(pixels @ _LUMINANCE, 0.8)) if len(pixels) >= 30 else None


def _from_eyes(part: Bytes, face: Face) -> tuple[Floats, float] | None:
    """The cast by the whites of the eyes: of the bright pixels there those that are least red, without the lids."""
    pixels = _eye_pixels(part, face)
    pixels = pixels[(pixels.max(1) < 0.97) & (pixels.min(1) > 0.01)] if len(pixels) else pixels
    if len(pixels) < 30:
        return None
    ratios = _ratios(pixels)
    white = ratios[ratios[:, 0] <= np.quantile(ratios[:, 0], 0.4)]
    return np.median(white, 0) - _SCLERA, _SCLERA_SD


def _from_background(photo: Bytes, face: Face, toward: Floats) -> tuple[Floats, float] | None:
    """The cast by what is nearly grey outside the face, in the light that the eyes tell of where that is strong: the
    more of it and the more alike, the surer."""
    scale = min(1.0, 160 / max(photo.shape[:2]))
    size = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
    small = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    points = face.xy * scale
    middle = points.mean(0)
    oval = middle + (points[list(OVAL)] - middle) * [1.55, 1.75]  # with hair, ears and neck
    away = np.ones(small.shape[:2], np.uint8)
    cv2.fillPoly(away, [np.rint(oval).astype(np.int32)], (0,))
    linear = _linear(small[away > 0])
    linear = linear[(linear.max(1) < 0.97) & (linear.min(1) > 0.03)]
    if len(linear) < 200:
        return None
    ratios = _ratios(linear)
    strong = np.abs(toward).max() > 3 * _SCLERA_SD
    grey = np.abs(ratios - (toward if strong else 0)).max(1) < 0.35
    share = grey.sum() / max(int(away.sum()), 1)
    if share < 0.1:
        return None
    power = np.power(np.mean(linear[grey] ** 6, 0), 1 / 6)  # shades of grey
    cast = (np.median(ratios[grey], 0) + _ratios(power[None])[0]) / 2
    wide = np.median(np.abs(ratios[grey] - np.median(ratios[grey], 0)))
    return cast, float(np.hypot(_BACKGROUND_SD / share**0.5, wide))


def _measure(patches: list[Floats], eye_white: float | None, balance: Balance) -> SkinTone:
    labs = [np.median(srgb_to_lab(patch), 0) for patch in patches if len(patch) >= 20]
    if not labs:
        return unread("neither cheeks nor forehead can be seen free of hair and shadow")
    lab = np.mean(labs, 0)
    brighter, why = _exposure(lab, eye_white)
    why += _doubts(labs, lab, balance)
    lab = srgb_to_lab(_encoded(_linear(lab_to_srgb(lab)) * brighter))
    distance = delta_e_2000(_as_swatch(lab), MONK_LAB)
    possible = np.flatnonzero(distance <= distance.min() + 3.0 + 40 * balance.spread + 4 * len(why)) + 1
    return SkinTone(
        monk=int(distance.argmin()) + 1 if possible[-1] - possible[0] <= 5 else None,
        monk_range=(int(possible[0]), int(possible[-1])),
        undertone=None if why else _undertone(lab, balance),
        ita=round(float(np.degrees(np.arctan2(lab[0] - 50, max(lab[2], 1e-6)))), 1),
        lab=(round(float(lab[0]), 2), round(float(lab[1]), 2), round(float(lab[2]), 2)),
        certain=not why,
        why="; ".join(why),
    )


def _exposure(lab: Floats, eye_white: float | None) -> tuple[float, list[str]]:
    """How many times brighter the photo should be, and what is doubtful about that.

    How light skin is beside the whites of the same eyes does not depend on the exposure, and foretells how light it is;
    that and what the photo shows are averaged by their errors.
    """
    if eye_white is None:
        return 1.0, ["the eyes are too small or shut to judge the light by"]
    shown = float(np.log(max(_linear(lab_to_srgb(lab)) @ _LUMINANCE, 1e-4)))
    foretold = _LIGHT_AT + _LIGHT_SLOPE * (shown - float(np.log(max(eye_white, 1e-4))))
    off = foretold - shown
    brighter = off * _EXPOSURE_SD**2 / (_EXPOSURE_SD**2 + _LIGHT_SD**2)
    if abs(off) < 2.2 * _LIGHT_SD:
        return float(np.exp(brighter)), []
    brighter = off - float(np.sign(off)) * _LIGHT_SD  # so far off, it is the photo
    said = "the photo is too dark" if off > 0 else "the photo is too bright"
    return float(np.exp(np.clip(brighter, -1.5, 1.5))), [said]


def _doubts(labs: list[Floats], lab: Floats, balance: Balance) -> list[str]:
    why = []
    if not balance.agree or np.abs(np.log(balance.gains)).max() > 0.3:
        why.append("the light is coloured")
    elif balance.spread > 0.055:
        why.append("nothing in the photo shows the colour of the light")
    if max(one[0] for one in labs) - min(one[0] for one in labs) > 10 + 0.12 * lab[0]:
        why.append("one side of the face lies in shadow")
    return why


def _as_swatch(lab: Floats) -> Floats:
    share = (lab[0] - _DARK[0]) / (_LIGHT[0] - _DARK[0])
    there = np.add(_DARK_SWATCH, share * np.subtract(_LIGHT_SWATCH, _DARK_SWATCH))
    usual = np.add(_DARK, share * np.subtract(_LIGHT, _DARK))
    swatch = there + lab - usual
    return np.array([np.clip(swatch[0], 5, 97), swatch[1], swatch[2]])


def _undertone(lab: Floats, balance: Balance) -> Undertone | None:
    """By hue against what is usual at this lightness; None between two."""
    hue = float(np.degrees(np.arctan2(lab[2], lab[1])))
    off = (hue - _HUE_AT - _HUE_SLOPE * (float(lab[0]) - 60)) / _HUE_SD
    error = 2 * balance.spread  # a light 5 % off turns the hue by half of what differs from person to person
    if abs(off) < max(0.45 - error, 0.1):
        return "neutral"
    if abs(off) > 0.65 + error:
        return "cool" if off < 0 else "warm"
    return None
