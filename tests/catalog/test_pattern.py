"""The pattern measure on drawn cloth, and on real garments against what a person said of them."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from persona.catalog.cutout import cut_out
from persona.catalog.pattern import SURE, measures, pattern_of, pattern_shares
from persona.catalog.pattern_weights import WEIGHTS
from persona.catalog.pictures import decode_photo
from persona.store.records import PATTERNS


def garment(cloth: NDArray[np.floating], side: int = 128) -> NDArray[np.uint8]:
    """A shirt-shaped cut-out of a cloth, (128, 128, 3), softly lit, as a camera gives it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128]
    corners = np.array(
        [(45, 10), (83, 10), (118, 40), (105, 56), (92, 44), (92, 120), (36, 120), (36, 44), (23, 56), (10, 40)]
    )
    mask = cv2.fillPoly(np.zeros((128, 128), np.uint8), [corners.astype(np.int32)], 255)
    light = 1 + 0.06 * np.sin(x / 19) + 0.05 * np.cos(y / 23 + x / 40)
    lit = np.clip(cv2.GaussianBlur(cloth * light[..., None], (0, 0), 0.7) + rng.normal(0, 1.2, (128, 128, 1)), 0, 255)
    rgba = np.dstack([lit * (mask[..., None] > 0), mask]).astype(np.uint8)
    return np.asarray(cv2.resize(rgba, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


Y, X = np.mgrid[:128, :128]


def two(
    where: NDArray[np.bool_], one: tuple[int, ...] = (230, 230, 225), other: tuple[int, ...] = (40, 50, 90)
) -> NDArray[np.float64]:
    return np.where(where[..., None], np.array(one, float), np.array(other, float))


STRIPES = two(Y // 4 % 2 == 0)
UPRIGHT = two(X // 3 % 2 == 0, (220, 230, 240), (90, 120, 190))
GINGHAM = (two(X // 4 % 2 == 0) + two(Y // 4 % 2 == 0)) / 2
PLAIN = np.full((128, 128, 3), (150.0, 40, 50))


@pytest.mark.parametrize(
    ("cloth", "word"), [(PLAIN, "plain"), (STRIPES, "striped"), (UPRIGHT, "striped"), (GINGHAM, "checked")]
)
def test_drawn_cloth(cloth: NDArray[np.floating], word: str) -> None:
    assert pattern_of(garment(cloth)) == word


def test_a_picture_on_a_shirt_is_printed() -> None:
    rng = np.random.default_rng(3)
    shirt = np.full((128, 128, 3), 235.0)
    for _ in range(40):
        centre, size = rng.integers((46, 40), (82, 90)), int(rng.integers(2, 7))
        cv2.circle(shirt, centre.tolist(), size, rng.uniform(0, 200, 3).tolist(), -1)
    assert pattern_of(garment(shirt)) == "printed"


def test_shares_are_probabilities_of_our_patterns() -> None:
    shares = pattern_shares(garment(STRIPES))
    assert tuple(shares) == PATTERNS
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["striped"] >= SURE


def test_other_sizes_are_brought_to_the_measured_one() -> None:
    assert pattern_of(garment(PLAIN, side=64)) == "plain"
    assert pattern_of(np.kron(garment(STRIPES), np.ones((2, 2, 1), np.uint8))) == "striped"


def test_nothing_to_see_gives_no_word() -> None:
    nothing = np.zeros((128, 128, 4), np.uint8)
    assert pattern_of(nothing) is None
    assert pattern_shares(nothing) == {}


def test_a_speck_gives_no_word() -> None:
    speck = np.zeros((128, 128, 4), np.uint8)
    speck[60:64, 60:64] = 255
    assert pattern_of(speck) is None


def test_the_weights_are_of_these_measures() -> None:
    found = measures(garment(STRIPES))
    assert found is not None
    assert list(found) == list(WEIGHTS), "fit again: python -m tests.catalog.fit_pattern"


@pytest.mark.slow
@pytest.mark.data
def test_words_agree_with_a_person(datasets: Path) -> None:
    """Labels of the half that the measure was not fitted to: see fit_pattern.py, and pattern.py for all figures."""
    cv2.setNumThreads(1)
    with (Path(__file__).parent / "pattern_labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] != "unsure" and int(row["file"][0], 16) % 2]
    drawn = [row for row in rows if row["sample"] == "random"][:80]
    rare = [row for row in rows if row["label"] in ("striped", "checked")][:36]
    given = []
    with zipfile.ZipFile(datasets / "clothing.zip") as photos:
        for row in {row["file"]: row for row in drawn + rare}.values():
            cut = cut_out(decode_photo(photos.read(f"images/{row['file']}.webp")))
            given.append((row["sample"], row["label"], pattern_of(cut.rgba)))
    words = [(label, word) for sample, label, word in given if sample == "random" and word]
    assert len(words) >= 0.8 * len(drawn)
    assert sum(label == word for label, word in words) >= 0.83 * len(words)
    for pattern in ("striped", "checked"):
        called = [label for _, label, word in given if word == pattern]
        assert len(called) >= 6
        assert called.count(pattern) >= 0.85 * len(called)
