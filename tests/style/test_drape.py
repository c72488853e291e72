"""Prints laid on garments: what may not change, what each control does, folds and limbs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from persona.catalog.colour import to_linear
from persona.catalog.pictures import premultiply
from persona.errors import BadInput
from persona.style.domain import Domain
from persona.style.drape import Drape, lay
from persona.style.prints import draw_print
from persona.style.shape import shape_of

Bytes = NDArray[np.uint8]

CHECKS = draw_print("checks", 64, 1)


def stripes(side: int = 64) -> Bytes:
    """One light and one dark stripe, upright."""
    tile = np.full((side, side, 3), 230, np.uint8)
    tile[:, : side // 2] = 40
    return tile


def cloth(mask: NDArray[np.bool_], colour: tuple[int, int, int] = (90, 90, 140)) -> Bytes:
    """A garment of that outline, its edge soft, premultiplied."""
    alpha = cv2.GaussianBlur(mask.astype(np.float32) * 255, (0, 0), 0.8)
    return premultiply(np.dstack([np.full((*mask.shape, 3), colour, np.uint8), np.rint(alpha).astype(np.uint8)]))


def rectangle(height: int = 160, width: int = 160, margin: int = 16) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), bool)
    mask[margin:-margin, margin:-margin] = True
    return mask


def jumper(side: int = 200) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A body with two sleeves 35 degrees from upright, and the left sleeve's middle."""
    mask, sleeve = np.zeros((2, side, side), np.uint8)
    cv2.rectangle(mask, (65, 20), (135, 180), 1, -1)
    for sense in (-1, 1):
        shoulder = np.array([100 + sense * 28, 32])
        cuff = shoulder + (np.array([sense * np.sin(np.radians(35)), np.cos(np.radians(35))]) * 115).astype(int)
        cv2.line(mask, shoulder.tolist(), cuff.tolist(), 1, 26)
    cv2.line(sleeve, (32, 92), (16, 115), 1, 12)
    return mask.astype(bool), sleeve.astype(bool)


def direction(picture: Bytes, where: NDArray[np.bool_]) -> float:
    """Degrees from the x axis of the mean gradient, in [-90, 90)."""
    grey = cv2.GaussianBlur(picture[..., :3].astype(np.float32).mean(-1), (0, 0), 1)
    step = cv2.Sobel(grey, cv2.CV_32F, 1, 0) + 1j * cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return float(np.degrees(np.angle((step[where] ** 2).sum())) / 2)


def stripes_across(picture: Bytes, row: int) -> int:
    """Changes from dark to light along a row."""
    line = picture[row, 20:-20, 0].astype(float) > 135
    return int((np.diff(line.astype(int)) == 1).sum())


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_alpha_and_what_lies_outside_stay_bit_for_bit(strength: float) -> None:
    garment = cloth(jumper()[0])
    region = np.zeros(garment.shape[:2], np.float32)
    region[60:150, 70:130] = 1
    laid = lay(garment, CHECKS, Drape(strength=strength), region)
    assert (laid[..., 3] == garment[..., 3]).all()
    assert (laid[region == 0] == garment[region == 0]).all()
    assert (laid[..., :3] <= laid[..., 3:]).all()
    assert (laid != garment).any() == (strength > 0)


def test_strength_is_monotone() -> None:
    garment = cloth(rectangle())
    changes = [
        np.abs(lay(garment, CHECKS, Drape(strength=s)).astype(int) - garment).mean() for s in np.linspace(0, 1, 9)
    ]
    assert changes[0] == 0
    assert (np.diff(changes) > 0.02 * changes[-1]).all()


@pytest.mark.parametrize("scale", [2.0, 5.0, 9.0])
def test_scale_counts_tiles_across(scale: float) -> None:
    laid = lay(cloth(rectangle()), stripes(), Drape(scale=scale))
    assert stripes_across(laid, 80) == pytest.approx(scale * 120 / 128, abs=1)


@pytest.mark.parametrize("rotation", [-60.0, -30.0, 20.0, 45.0, 80.0])
def test_rotation_turns_clockwise(rotation: float) -> None:
    laid = lay(cloth(rectangle()), stripes(), Drape(scale=6, rotation=rotation))
    inner = rectangle(margin=30)
    off = direction(laid, inner) - rotation
    assert abs((off + 90) % 180 - 90) < 2


def test_the_print_turns_with_the_sleeve_and_stays_upright_on_the_body() -> None:
    mask, sleeve = jumper()
    laid = lay(cloth(mask), stripes(), Drape(scale=8))
    body = np.zeros_like(mask)
    body[60:170, 80:120] = True
    assert abs(direction(laid, body)) < 6
    assert direction(laid, sleeve) == pytest.approx(35, abs=10)
    mirrored = np.ascontiguousarray(sleeve[:, ::-1])
    assert direction(laid, mirrored) == pytest.approx(-35, abs=10)


@pytest.mark.parametrize("albedo", [0.02, 0.2, 0.75])
def test_folds_light_the_print_on_any_cloth(albedo: float) -> None:
    """Folds that halve the light do so to the print as well, as far as black cloth shows them."""
    mask = rectangle()
    x = np.mgrid[:160, :160][1]
    light = 1 - 0.25 * (1 + np.sin(2 * np.pi * x / 60))
    grey = np.where(albedo * light <= 0.0031308, 12.92 * albedo * light, 1.055 * (albedo * light) ** (1 / 2.4) - 0.055)
    garment = premultiply(np.dstack([np.rint(255 * grey)] * 3 + [mask * 255.0]).astype(np.uint8))
    white = np.full((32, 32, 3), 200, np.uint8)
    laid = lay(garment, white)
    inner = rectangle(margin=30)
    printed = to_linear(laid[..., 0].astype(float) / 255)[inner]
    assert np.corrcoef(printed, light[inner])[0, 1] > 0.97
    seen = 0.45 if albedo < 0.05 else 0.8  # of the range, which is a half
    assert 1 - np.quantile(printed, 0.02) / np.quantile(printed, 0.98) > seen * 0.5
    assert np.median(laid[inner][:, 0]) > 150  # light print, on black cloth as well


def test_the_garments_own_print_does_not_show_through() -> None:
    mask = rectangle()
    garment = cloth(mask, (230, 230, 230))
    motif = np.zeros_like(mask)
    motif[60:100, 50:110] = True
    garment[motif, :3] = (20, 20, 20)
    laid = lay(garment, np.full((32, 32, 3), 180, np.uint8)).astype(float)[..., 0]
    inside = motif & np.roll(motif, 4, 0) & np.roll(motif, -4, 0)
    assert abs(laid[inside].mean() - laid[rectangle(margin=26) & ~motif].mean()) < 8


def test_folds_shift_the_print() -> None:
    mask = rectangle()
    y = np.mgrid[:160, :160][0]
    fold = 1 - 0.5 * np.exp(-(((y - 80) / 6.0) ** 2))
    rgb = np.rint(140 * fold[..., None]).repeat(3, -1)
    garment = premultiply(np.dstack([rgb, mask * 255.0]).astype(np.uint8))
    place = lay(garment, stripes(), Drape(scale=4)).astype(float)[..., 0]

    def shift(row: int, other: int) -> float:
        """Pixels, of a print that repeats after 32."""
        wave = np.exp(2j * np.pi * np.arange(32, 128) / 32)
        phases = [np.angle((place[n, 32:128] * wave).sum()) for n in (row, other)]
        return float(abs(np.angle(np.exp(1j * (phases[0] - phases[1]))))) * 32 / (2 * np.pi)

    assert 1 < shift(80, 40) < 10
    assert shift(120, 40) < 0.3


def test_a_fine_print_turns_into_its_mean_instead_of_flickering() -> None:
    laid = lay(cloth(rectangle()), stripes(), Drape(scale=64, rotation=10))
    inner = laid[30:-30, 30:-30, 0].astype(float)
    assert abs(inner.mean() - 135) < 12
    assert inner.std() < 40


def test_the_garment_laid_larger_looks_the_same() -> None:
    small, large = jumper(200)[0], np.kron(jumper(200)[0], np.ones((2, 2), bool))
    one = lay(cloth(small), CHECKS, Drape(scale=2))
    other = cv2.resize(lay(cloth(large), CHECKS, Drape(scale=2)), (200, 200), interpolation=cv2.INTER_AREA)
    assert np.abs(one[small].astype(int) - other[small]).mean() < 12


@pytest.mark.parametrize(
    ("shape", "code"), [((1, 1), "too_small"), ((20, 400), "too_long"), ((0, 0), "transparent"), ((16, 120), "")]
)
def test_what_cannot_be_laid_on(shape: tuple[int, int], code: str) -> None:
    garment = np.full((*shape, 4), 255, np.uint8) if shape[0] else np.zeros((40, 40, 4), np.uint8)
    if not code:
        assert lay(garment, CHECKS).shape == garment.shape
        return
    with pytest.raises(BadInput) as refused:
        lay(garment, CHECKS)
    assert (refused.value.field, refused.value.code) == ("picture", code)


@pytest.mark.parametrize("tile", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((1, 8, 3), np.uint8)])
def test_what_is_no_tile(tile: NDArray[np.generic]) -> None:
    with pytest.raises(BadInput) as refused:
        lay(cloth(rectangle()), tile)  # type: ignore[arg-type]
    assert (refused.value.field, refused.value.code) == ("tile", "no_tile")


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"scale": float("nan")}, {"rotation": 1e9}, {"strength": 1.1}])
def test_what_is_no_drape(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Drape(**wrong)


def test_parts_that_do_not_touch_and_a_part_of_one_pixel() -> None:
    mask = np.zeros((80, 120), bool)
    mask[10:70, 8:50] = mask[10:70, 70:112] = mask[5, 60] = True
    shape = shape_of(cloth(mask), mask.astype(np.float32))
    assert np.isfinite(shape.place).all()
    assert np.isfinite(shape.light).all()
    assert shape.width == pytest.approx(42, abs=4)


def test_fields_follow_the_differences_they_are_given() -> None:
    y, x = np.mgrid[:12, :15].astype(float)
    wanted = x**2 - 3 * y
    mask = (x - 7) ** 2 + (y - 6) ** 2 < 30
    across, down = np.diff(wanted, axis=1, append=0), np.diff(wanted, axis=0, append=np.zeros((1, 15)))
    found = Domain(mask).fields(across[..., None], down[..., None])[..., 0]
    np.testing.assert_allclose(found[mask], (wanted - wanted[mask].mean())[mask], atol=1e-3)
    assert (found[~mask] == 0).all()
