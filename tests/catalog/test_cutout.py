"""Background removal, on drawn photos whose garment is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from persona.catalog.cutout import FILL, PICTURE_SIDE, cut_out

RED = (190, 30, 40)


def photo(height: int = 160, width: int = 120, box: tuple[slice, slice] = np.s_[40:120, 30:90]) -> NDArray[np.uint8]:
    """A red rectangle on a wooden floor."""
    rng = np.random.default_rng(0)
    floor = np.array((205, 180, 140)) + rng.normal(0, 6, (height, width, 3))
    floor[box] = np.array(RED) + rng.normal(0, 6, floor[box].shape)
    return np.clip(floor, 0, 255).astype(np.uint8)


def test_the_garment_is_kept_centred_and_premultiplied() -> None:
    cut = cut_out(photo())
    assert cut.failed is None
    assert cut.coverage == pytest.approx(80 * 60 / (160 * 120), abs=0.02)
    assert cut.rgba.shape == (PICTURE_SIDE, PICTURE_SIDE, 4)
    colour, alpha = cut.rgba[..., :3], cut.rgba[..., 3]
    assert (colour <= alpha[..., None]).all()
    rows, columns = np.flatnonzero(alpha.max(1) > 128), np.flatnonzero(alpha.max(0) > 128)
    assert len(rows) == pytest.approx(PICTURE_SIDE * FILL, abs=3)
    assert len(columns) / len(rows) == pytest.approx(60 / 80, abs=0.04)
    assert rows[0] + rows[-1] == pytest.approx(PICTURE_SIDE - 1, abs=2)
    assert columns[0] + columns[-1] == pytest.approx(PICTURE_SIDE - 1, abs=2)
    np.testing.assert_allclose(colour[alpha == 255].mean(0), RED, atol=5)


def test_the_same_photo_gives_the_same_cut() -> None:
    first = cut_out(photo())
    cut_out(photo(box=np.s_[20:140, 20:100]))  # whatever was cut before
    np.testing.assert_array_equal(cut_out(photo()).rgba, first.rgba)


def test_a_large_photo_is_cut_like_a_small_one() -> None:
    small, large = cut_out(photo()), cut_out(np.kron(photo(), np.ones((6, 6, 1), np.uint8)))
    assert large.failed is None
    assert large.coverage == pytest.approx(small.coverage, abs=0.02)


@pytest.mark.parametrize(
    "nothing",
    [np.full((64, 64, 3), 90, np.uint8), np.zeros((1, 1, 3), np.uint8), photo(box=np.s_[70:90, 50:60])],
    ids=["wall", "pixel", "speck"],
)
def test_where_nothing_is_found_the_photo_is_kept_and_the_failure_said(nothing: NDArray[np.uint8]) -> None:
    cut = cut_out(nothing)
    assert cut.failed is not None
    assert "not found" in cut.failed
    assert (cut.rgba[64, 64, 3], cut.rgba[..., 3].max()) == (255, 255)


def test_alpha_that_is_there_is_trusted() -> None:
    rgba = np.dstack([photo(), np.zeros((160, 120), np.uint8)])
    rgba[60:100, 50:90, 3] = 255
    cut = cut_out(rgba)
    assert cut.failed is None
    assert cut.coverage == pytest.approx(40 * 40 / (160 * 120), abs=1e-3)
    rows, columns = np.flatnonzero(cut.rgba[..., 3].any(1)), np.flatnonzero(cut.rgba[..., 3].any(0))
    assert len(rows) == pytest.approx(len(columns), abs=2)


def test_a_transparent_picture_fails() -> None:
    assert cut_out(np.zeros((32, 32, 4), np.uint8)).failed == "the picture is transparent"


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 2), (32, 32, 5)])
def test_what_is_no_photo(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        cut_out(np.zeros(shape, np.uint8))
