"""Reinhard's colour transfer: the style's colours, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from persona.catalog.colour import srgb_to_lab
from persona.catalog.pictures import Bytes, unpremultiply
from persona.errors import BadInput
from persona.style.bench import garment_like
from persona.style.colour_transfer import colour_transfer
from persona.style.content import edge_cosine
from persona.style.picture import opaque
from tests.style.drawn import garment


def moments(rgba: Bytes) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of Lab, (3,) each, of what is seen."""
    lab = srgb_to_lab(unpremultiply(rgba)[rgba[..., 3] == 255][:, :3])
    return lab.mean(0), lab.std(0)


@pytest.fixture
def cloth() -> Bytes:
    """A soft blue-green, all of whose colours are within sRGB however they are moved."""
    rows, columns = np.mgrid[:80, :80] / 80
    wave = np.stack([np.sin(9 * rows), np.cos(7 * columns), np.sin(5 * rows + 6 * columns)], -1)
    return opaque(np.rint([90, 140, 150] + 12 * wave).astype(np.uint8))


def test_colours_have_the_style_s_mean_and_deviation(cloth: Bytes) -> None:
    made = colour_transfer(garment_like(96), cloth)
    for got, wanted in zip(moments(made), moments(cloth)):
        np.testing.assert_allclose(got, wanted, atol=0.6)  # rounding to bytes, and the alpha of the edge


def test_edges_stay_and_so_do_alpha_and_what_is_outside_the_region(cloth: Bytes) -> None:
    source = garment_like(96)
    region = np.zeros((96, 96), np.float32)
    region[:, 30:60] = 1
    made = colour_transfer(source, cloth, region)
    assert (made[..., 3] == source[..., 3]).all()
    assert (made[region == 0] == source[region == 0]).all()
    assert (made[:, 30:60] != source[:, 30:60]).any()
    whole = source[..., 3] / np.float32(255)
    assert edge_cosine(source, colour_transfer(source, cloth), whole) > 0.9  # Lab bends light a little


def test_a_style_s_own_region_is_all_that_counts(cloth: Bytes) -> None:
    half = np.zeros((80, 80), np.float32)
    half[:40] = 1
    other = cloth.copy()
    other[45:] = (255, 0, 0, 255)
    source = garment_like(64)
    assert (colour_transfer(source, cloth, None, half) == colour_transfer(source, other, None, half)).all()


def test_a_style_of_one_colour_makes_everything_that_colour() -> None:
    plain = opaque(np.full((32, 32, 3), (40, 90, 160), np.uint8))
    made = colour_transfer(garment(1), plain)
    solid = made[..., 3] == 255
    assert np.abs(made[solid][:, :3].astype(int) - (40, 90, 160)).max() <= 2


@pytest.mark.parametrize(("picture", "style", "field"), [(True, False, "picture"), (False, True, "style")])
def test_what_cannot_be_seen_is_refused_by_name(picture: bool, style: bool, field: str) -> None:
    nothing = np.zeros((32, 32, 4), np.uint8)
    with pytest.raises(BadInput, match=f"^{field}: is transparent"):
        colour_transfer(nothing if picture else garment(0), nothing if style else garment(0))
