"""Damage filled: what goes on, what stays, and what cannot be asked."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from persona.catalog.pictures import decode_photo, premultiply
from persona.errors import BadInput
from persona.style.evaluate_restore import DAMAGES, OPENCV, damage_of, opencv, psnr, restore_figures
from persona.style.restore import COARSEST, FINEST, MARGIN, restore

SIDE = 96
SHIPPED = Path(__file__).resolve().parents[2] / "data" / "demo" / "items.zip"


def garment(rgb: np.ndarray) -> np.ndarray:
    """A rounded garment of these colours (h, w, 3) with a soft rim, premultiplied."""
    height, width = rgb.shape[:2]
    alpha = np.zeros((height, width), np.uint8)
    cv2.ellipse(alpha, (width // 2, height // 2), (int(width * 0.42), int(height * 0.45)), 0, 0, 360, (255,), -1)
    return premultiply(np.dstack([rgb, cv2.GaussianBlur(alpha, (0, 0), 1.0)]))


def stripes(side: int = SIDE, period: float = 12, angle: float = 0.0) -> np.ndarray:
    """Blue and white stripes, uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (y * np.cos(angle) + x * np.sin(angle)) / period)
    return np.rint(wave[..., None] * [180, 150, 60] + [40, 60, 150]).astype(np.uint8)


def box(side: int = SIDE, half: int = 9) -> np.ndarray:
    """A hole in the middle."""
    hole = np.zeros((side, side), bool)
    hole[side // 2 - half : side // 2 + half, side // 2 - half : side // 2 + half] = True
    return hole


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1, np.pi / 2])
def test_stripes_go_on_whichever_way_they_run(angle: float) -> None:
    whole, hole = garment(stripes(angle=angle)), box()
    damaged = whole.copy()
    damaged[hole, :3] = 0
    ours = psnr(restore(damaged, hole)[..., :3], whole[..., :3], hole)
    theirs = max(psnr(opencv(damaged, hole, method), whole[..., :3], hole) for method in OPENCV.values())
    assert ours > 32
    if angle in (0.4, 1.1):  # along the rows and columns of the picture OpenCV goes on with perfect ones as well
        assert ours > theirs + 6


@pytest.mark.parametrize("texture", [0.0, 1.0])
def test_all_outside_and_alpha_stay(texture: float) -> None:
    whole, hole = garment(stripes()), np.roll(box(), 38, 1)  # over the rim
    restored = restore(whole, hole, texture=texture)
    assert (restored[~hole] == whole[~hole]).all()
    assert (restored[..., 3] == whole[..., 3]).all()
    assert (restored[..., :3] <= restored[..., 3:]).all()


def test_what_was_under_the_damage_is_not_looked_at() -> None:
    whole, hole = garment(stripes()), box()
    other = whole.copy()
    other[hole, :3] = np.random.default_rng(0).integers(0, 256, (int(hole.sum()), 3))
    assert (restore(whole, hole) == restore(other, hole)).all()


def test_one_colour_stays_one_colour() -> None:
    whole = garment(np.full((SIDE, SIDE, 3), [90, 140, 30], np.uint8))
    for texture in (0.0, 1.0):
        restored = restore(whole, box(), texture=texture)
        assert np.abs(restored.astype(int) - whole).max() <= 1


def test_a_slope_of_light_goes_through() -> None:
    across = np.linspace(40, 220, SIDE)[None, :, None].repeat(SIDE, 0).repeat(3, 2)
    whole = garment(np.rint(across).astype(np.uint8))
    assert np.abs(restore(whole, box()).astype(int) - whole)[box()].max() < 16


def test_a_large_picture_is_filled_in_its_coarse_and_its_fine_texture() -> None:
    side = 2 * COARSEST + 37  # odd: halving pads it
    whole, hole = garment(stripes(side, 14, 0.4)), box(side, side // 2 - MARGIN - 70)
    damaged = whole.copy()
    damaged[hole, :3] = 0
    ours = psnr(restore(damaged, hole)[..., :3], whole[..., :3], hole)
    theirs = max(psnr(opencv(damaged, hole, method), whole[..., :3], hole) for method in OPENCV.values())
    assert ours > theirs + 3


def test_a_part_too_large_for_detail_is_filled_all_the_same() -> None:
    side = FINEST + 40
    whole = garment(np.full((side, side, 3), [90, 140, 30], np.uint8))
    hole = np.zeros((side, side), bool)
    hole[300:-300, 200:-200] = True
    damaged = whole.copy()
    damaged[hole, :3] = 0
    assert np.abs(restore(damaged, hole).astype(int) - whole).max() <= 1


def test_texture_is_brought_back_by_as_much_as_is_asked_for() -> None:
    random = np.random.default_rng(3)
    grain = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)), (0, 0), 0.8)
    rgb = np.clip(120 + 25 * grain[..., None] / grain.std() * [1, 1, 1], 0, 255)
    whole, hole = garment(np.rint(rgb).astype(np.uint8)), box(half=12)
    spreads = [restore(whole, hole, texture=t)[hole, 0].std() for t in (0.0, 0.5, 1.0)]
    assert spreads[0] < spreads[1] < spreads[2]
    assert spreads[2] == pytest.approx(whole[hole, 0].std(), rel=0.25)
    assert (restore(whole, hole, texture=1, seed=1) == restore(whole, hole, texture=1, seed=1)).all()
    assert (restore(whole, hole, texture=1, seed=1) != restore(whole, hole, texture=1, seed=2)).any()


def test_torn_cloth_is_made_whole() -> None:
    whole, hole = garment(stripes()), box(half=6)
    torn = whole.copy()
    torn[hole] = 0
    with pytest.raises(BadInput, match="hole: lies where the picture is transparent"):
        restore(torn, hole)
    mended = restore(torn, hole, torn=True)
    assert (mended[hole, 3] == 255).all()
    assert psnr(mended[..., :3], whole[..., :3], hole) > 22
    assert (mended[~hole] == torn[~hole]).all()


def test_a_soft_hole_is_replaced_in_part() -> None:
    whole = garment(stripes())
    hard, soft = box().astype(np.float32), 0.5 * box().astype(np.float32)
    stained = whole.copy()
    stained[box(), :3] = 0
    full, half = restore(stained, hard)[box()].astype(int), restore(stained, soft)[box()].astype(int)
    assert np.abs(half[:, :3] - full[:, :3] / 2).max() <= 1


def test_damage_that_leaves_an_island_unknown_around() -> None:
    """A hole whose neighbours are all transparent is filled from the rest of the picture."""
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[:, :40] = [200, 30, 30, 255]
    rgba[40:50, 60:70] = [1, 2, 3, 255]
    hole = np.zeros((SIDE, SIDE), bool)
    hole[40:50, 60:70] = True
    assert np.abs(restore(rgba, hole)[45, 65].astype(int) - [200, 30, 30, 255]).max() <= 1


def _no_hole() -> np.ndarray:
    return np.zeros((SIDE, SIDE), bool)


@pytest.mark.parametrize(
    ("hole", "code"),
    [
        (_no_hole(), "no_hole"),
        (np.ones((SIDE, SIDE), bool), "no_rest"),
        (np.ones((SIDE, SIDE + 1), bool), "not_a_mask"),
        (np.ones((SIDE, SIDE), np.uint8), "not_a_mask"),
        (np.full((SIDE, SIDE), np.nan, np.float32), "not_a_mask"),
    ],
)
def test_holes_that_cannot_be_filled(hole: np.ndarray, code: str) -> None:
    with pytest.raises(BadInput) as raised:
        restore(garment(stripes()), hole)
    assert (raised.value.field, raised.value.code) == ("hole", code)


@pytest.mark.parametrize(
    ("rgba", "code"),
    [
        (np.zeros((SIDE, SIDE, 4), np.uint8), "transparent"),
        (np.full((1, 1, 4), 255, np.uint8), "too_small"),
        (np.full((16, 400, 4), 255, np.uint8), "too_long"),
    ],
)
def test_pictures_that_cannot_be_restored(rgba: np.ndarray, code: str) -> None:
    with pytest.raises(BadInput) as raised:
        restore(rgba, np.ones(rgba.shape[:2], bool))
    assert (raised.value.field, raised.value.code) == ("picture", code)


@pytest.mark.parametrize("texture", [-0.1, 1.5, float("nan")])
def test_texture_out_of_range(texture: float) -> None:
    with pytest.raises(BadInput, match=r"texture: .*from 0 to 1"):
        restore(garment(stripes()), box(), texture=texture)


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_of_the_size_asked_for(kind: str) -> None:
    solid = garment(stripes())[..., 3] > 250
    for share in (0.02, 0.06):
        holes = [damage_of(solid, kind, share, np.random.default_rng(seed)) for seed in range(10)]
        assert all((hole & ~solid).sum() == 0 for hole in holes)
        assert np.median([hole.sum() for hole in holes]) == pytest.approx(share * solid.sum(), rel=0.35)


def test_garments_that_ship_are_filled_better_than_by_opencv() -> None:
    with zipfile.ZipFile(SHIPPED) as archive:
        names = [name for name in archive.namelist() if name.endswith(".webp")][::20]
        pictures = np.stack([premultiply(decode_photo(archive.read(name))) for name in names])
    found = restore_figures(pictures, shares=(0.04,))
    assert found["inpaint_holes"] > 20
    assert found["inpaint_gain"] > 0.5
    assert found["inpaint_outside_changed"] == 0


def test_figures_of_garments_damaged_on_purpose() -> None:
    pictures = np.stack([garment(stripes(angle=angle)) for angle in (0.0, 0.3, 0.6)])
    found = restore_figures(pictures, shares=(0.03,))
    assert found["inpaint_holes"] == 3
    assert found["inpaint_psnr"] > found["inpaint_psnr_opencv"]
    assert found["inpaint_gain"] == pytest.approx(found["inpaint_psnr"] - found["inpaint_psnr_opencv"], abs=0.02)
    assert found["inpaint_gain_95"][0] <= found["inpaint_gain"] <= found["inpaint_gain_95"][1]
    assert found["inpaint_outside_changed"] == 0
    assert found == restore_figures(pictures, shares=(0.03,))
    nothing = np.zeros((1, SIDE, SIDE, 4), np.uint8)
    assert restore_figures(nothing) == {"inpaint_psnr": None, "inpaint_psnr_opencv": None, "inpaint_holes": 0}
