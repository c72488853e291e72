"""Colours: against published values, against the definition written out, and against what a person calls them."""

from __future__ import annotations

import csv
import math
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.catalog.colour import (
    colour_name,
    delta_e_2000,
    garment_lab,
    lab_to_srgb,
    palette,
    srgb_to_lab,
    straight,
)
from persona.catalog.cutout import cut_out
from persona.catalog.pictures import decode_photo, premultiply
from persona.store.records import COLOURS

# Sharma, Wu and Dalal (2005), table 1: two colours and their difference
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
PAIRS = np.array([[float(v) for v in line.split()] for line in SHARMA.strip().splitlines()])
channels = st.tuples(*[st.integers(0, 255)] * 3)
labs = st.tuples(st.floats(0, 100), st.floats(-100, 100), st.floats(-100, 100))


def test_ciede2000_reproduces_the_published_pairs() -> None:
    one, other, wanted = PAIRS[:, :3], PAIRS[:, 3:6], PAIRS[:, 6]
    np.testing.assert_allclose(delta_e_2000(one, other), wanted, atol=5e-5)
    np.testing.assert_allclose(delta_e_2000(other, one), wanted, atol=5e-5)


@given(labs, labs)
def test_a_difference_is_a_symmetric_distance(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    there, back = float(delta_e_2000(one, other)), float(delta_e_2000(other, one))
    assert there >= 0
    assert there == pytest.approx(back, abs=1e-9)
    assert float(delta_e_2000(one, one)) == pytest.approx(0, abs=1e-9)


def test_lightness_counts_less_for_textiles() -> None:
    assert delta_e_2000((50, 0, 0), (60, 0, 0), k_l=2) == pytest.approx(delta_e_2000((50, 0, 0), (60, 0, 0)) / 2)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(srgb_to_lab(rgb), lab, atol=0.03)


def reference_lab(rgb: tuple[int, int, int]) -> list[float]:
    """CIELAB by the book, one colour at a time (IEC 61966-2-1, CIE 15; D65 as 0.95047, 1, 1.08883)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb)]
    rows = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    xyz = [sum(m * v for m, v in zip(row, linear)) / white for row, white in zip(rows, (0.95047, 1, 1.08883))]
    x, y, z = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in xyz)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@given(channels)
def test_lab_is_that_of_the_definition(rgb: tuple[int, int, int]) -> None:
    np.testing.assert_allclose(srgb_to_lab(rgb), reference_lab(rgb), atol=0.03)


@given(channels)
def test_lab_and_back_is_exact(rgb: tuple[int, int, int]) -> None:
    np.testing.assert_allclose(lab_to_srgb(srgb_to_lab(rgb)), rgb, atol=1e-6)


@given(labs)
def test_every_colour_has_one_of_our_names(lab: tuple[float, float, float]) -> None:
    assert colour_name(lab) in COLOURS


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((20, 20, 22), "black"), ((245, 245, 240), "white"), ((128, 128, 128), "grey"), ((215, 190, 155), "beige"),
        ((101, 67, 33), "brown"), ((190, 20, 35), "red"), ((240, 130, 30), "orange"), ((240, 210, 40), "yellow"),
        ((40, 120, 60), "green"), ((60, 110, 190), "blue"), ((25, 35, 75), "navy"), ((110, 50, 130), "purple"),
        ((245, 170, 190), "pink"), ((75, 80, 45), "green"), ((110, 20, 40), "red"), ((0, 0, 255), "blue"),
    ],
)  # fmt: skip
def test_names_of_plain_colours(rgb: tuple[int, int, int], name: str) -> None:
    assert colour_name(srgb_to_lab(rgb)) == name


def blocks(*shares: tuple[tuple[int, int, int], int]) -> np.ndarray:
    """A premultiplied picture of 10 columns, so many of each colour, with a transparent border of another colour."""
    columns = [colour for colour, count in shares for _ in range(count)]
    rgba = np.zeros((30, 10 + 4, 4), np.uint8)
    rgba[5:25, 2:12, :3], rgba[5:25, 2:12, 3] = columns, 255
    return rgba


def test_palette_gives_colours_and_their_shares() -> None:
    found = palette(blocks(((200, 30, 40), 6), ((30, 40, 200), 3), ((240, 240, 240), 1)))
    assert [round(share, 3) for _, share in found] == [0.6, 0.3, 0.1]
    for (lab, _), rgb in zip(found, ((200, 30, 40), (30, 40, 200), (240, 240, 240))):
        assert delta_e_2000(lab, srgb_to_lab(rgb)) < 0.5


def test_shading_of_one_cloth_is_one_colour_and_shares_sum_to_one() -> None:
    shaded = blocks(*[((150 + 6 * k, 40 + 2 * k, 50 + 2 * k), 1) for k in range(10)])
    found = palette(shaded)
    assert len(found) == 1
    assert sum(share for _, share in found) == pytest.approx(1)
    assert palette(shaded) == found  # nothing random in it


def test_the_dominant_colour_is_the_largest_not_the_mean() -> None:
    lab = garment_lab(blocks(((250, 250, 250), 6), ((10, 10, 10), 4)))
    assert lab is not None
    assert colour_name(lab) == "white"


def test_nothing_visible_has_no_colour() -> None:
    assert palette(np.zeros((8, 8, 4), np.uint8)) == []
    assert garment_lab(np.zeros((8, 8, 4), np.uint8)) is None


def test_a_garment_that_is_nowhere_opaque_is_still_measured() -> None:
    veil = premultiply(np.full((8, 8, 4), (200, 30, 40, 120), np.uint8))
    lab = garment_lab(veil)
    assert lab is not None
    assert colour_name(lab) == "red"
    assert math.isclose(straight(veil)[0, 0, 0], 200, abs_tol=2)


@pytest.mark.slow
@pytest.mark.data
def test_names_agree_with_a_person(datasets: Path) -> None:
    """200 garments drawn at random, named by eye before the rule had seen them; a few names were open to argument."""
    cv2.setNumThreads(1)
    with (Path(__file__).parent / "colour_labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["names"] != "unsure"][:60]
    right = 0
    with zipfile.ZipFile(datasets / "clothing.zip") as photos:
        for row in rows:
            cut = cut_out(decode_photo(photos.read(f"images/{row['file']}.webp")))
            lab = garment_lab(cut.rgba)
            right += lab is not None and colour_name(lab) in row["names"].split("/")
    assert right / len(rows) >= 0.85
