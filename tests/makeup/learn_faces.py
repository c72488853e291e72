"""Learns the numbers that skin.py and shape.py were given, from the shared portraits.

python tests/makeup/learn_faces.py   prints them. Each shape ratio over the neutral portraits; the temperature at which
the median portrait's likeliest shape scores one half; the whites of the eyes, and skin against them, over all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

from persona.catalog.colour import lab_to_srgb, srgb_to_lab
from persona.makeup import shape, skin
from persona.makeup.detector import open_detector
from persona.makeup.portraits import pictures_of
from persona.settings import load_settings


@dataclass(frozen=True)
class Learnt:
    mean: np.ndarray
    deviation: np.ndarray
    temperature: float
    sclera: np.ndarray
    sclera_sd: float
    light: tuple[float, float, float]  # at, slope, sd
    hue: tuple[float, float, float]  # at L = 60, slope, sd


def learn(archive: Path) -> Learnt:
    ratios, eyes, labs, whites = [], [], [], []
    detector = open_detector()
    for portrait in pictures_of(archive):
        face = detector.detect(portrait.photo)[0]
        if portrait.file.startswith("neutral"):
            ratios.append(shape.ratios_of(face))
        part, at = skin.closeup(portrait.photo, face)
        found = skin._from_eyes(part, at)
        if found is not None:
            eyes.append(found[0] + skin._SCLERA)
        balance = skin.white_balance(portrait.photo, face)
        patches = [skin.balanced(patch, balance) for patch in skin.skin_patches(part, at) if len(patch) >= 20]
        labs.append(np.mean([np.median(srgb_to_lab(patch), 0) for patch in patches], 0))
        whites.append(skin._eye_white(part, at))
    lab = np.array(labs)
    light = np.log(skin._linear(lab_to_srgb(lab)) @ skin._LUMINANCE)
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    mean, deviation = np.mean(ratios, 0), np.std(ratios, 0)
    return Learnt(
        mean=mean,
        deviation=deviation,
        temperature=_temperature(np.array(ratios)),
        sclera=np.median(eyes, 0),
        sclera_sd=float(np.std(eyes, 0).max()),
        light=_line(light - np.log(whites), light),
        hue=_line(lab[:, 0] - 60, hue),
    )


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    slope, at = np.polyfit(x, y, 1)
    return float(at), float(slope), float((y - at - slope * x).std())


def _temperature(ratios: np.ndarray) -> float:
    distances = np.array([shape.distances(one) for one in ratios])

    def above_half(temperature: float) -> float:
        weights = np.exp(-(distances - distances.min(1, keepdims=True)) / (2 * temperature**2))
        return float(np.median(weights.max(1) / weights.sum(1))) - 0.5

    return float(brentq(above_half, 0.3, 4))


if __name__ == "__main__":
    folder = load_settings().datasets
    if folder is None:
        raise SystemExit("set PERSONA_DATASETS to the folder with faces.zip")
    print(learn(folder / "faces.zip"))
