"""Tiles: seams beside the contrast within, periods that are known, and pictures that no tile can be taken from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from persona.catalog.cutout import cut_out
from persona.catalog.pictures import decode_photo
from persona.errors import BadInput
from persona.style.picture import opaque
from persona.style.seams import joined, least_path
from persona.style.tile import lattice_of, mismatch, tile_of

Bytes = NDArray[np.uint8]


def seam_beside_inside(tile: Bytes) -> float:
    """Mean difference across the tile's edges over that of the steepest twentieth of the lines within it."""
    lines = tile.astype(float)
    ratios = []
    for turned in (lines, np.swapaxes(lines, 0, 1)):
        steps = np.abs(np.diff(turned, axis=0)).mean((1, 2))
        ratios.append(np.abs(turned[0] - turned[-1]).mean() / max(np.quantile(steps, 0.95), 1.0))
    return float(max(ratios))


def plaid(height: int = 160, width: int = 150, period: float = 23.0, lean: float = 0.0) -> Bytes:
    """A plaid of that period, turned by `lean` degrees, in light that falls off to the right."""
    y, x = np.mgrid[:height, :width].astype(float)
    turn = np.radians(lean)
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    waves = [np.sin(2 * np.pi * u / period), np.sin(2 * np.pi * v / period), np.sin(4 * np.pi * u / period)]
    rgb = 130 + np.stack([45 * waves[0] + 20 * waves[1], 50 * waves[1], 30 * waves[2] + 20 * waves[0]], -1)
    light = np.linspace(1, 0.6, width)[None, :, None]
    return np.asarray(np.clip(rgb * light + np.random.default_rng(0).normal(0, 2, rgb.shape), 0, 255), np.uint8)


def blots(side: int = 200, seed: int = 0) -> Bytes:
    """A picture without a period."""
    noise = np.random.default_rng(seed).normal(size=(side, side, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(np.clip(128 + 45 * smooth / smooth.std(), 0, 255), np.uint8)


@pytest.mark.parametrize("picture", [plaid(), plaid(lean=6), blots(), blots(seed=1)])
def test_the_seam_is_no_sharper_than_what_is_within(picture: Bytes) -> None:
    assert seam_beside_inside(picture[:128, :128]) > 3  # cut out as it stands
    tile = tile_of(opaque(picture))
    assert tile.shape == (128, 128, 3)
    assert seam_beside_inside(tile) < 1.1


def test_no_edge_is_left_anywhere_where_the_parts_were_joined() -> None:
    """The sharpest line of a tile is not sharper than those of the picture it was cut from."""
    picture = blots()
    steps = np.abs(np.diff(picture.astype(float), axis=1)).mean(-1)
    tile = tile_of(opaque(picture), side=96).astype(float)
    turned = np.roll(tile, 48, (0, 1))
    assert np.quantile(np.abs(np.diff(turned, axis=1)).mean(-1), 0.999) < 1.5 * 2 * np.quantile(steps, 0.999)


@pytest.mark.parametrize("period", [15.0, 23.0, 31.0])
def test_the_steps_are_whole_periods(period: float) -> None:
    found = lattice_of(plaid(period=period).astype(np.float32))
    for step in (found.across[0], found.down[1]):
        assert step >= period * 0.95
        assert abs(step / period - round(step / period)) < 0.06


def test_cloth_that_lies_at_a_slant_is_set_upright() -> None:
    """A tile's columns of a slanting stripe are alike all the way down."""
    y, x = np.mgrid[:180, :180].astype(float)
    lean = np.radians(7)
    stripes = 128 + 80 * np.sign(np.sin(2 * np.pi * (np.cos(lean) * x + np.sin(lean) * y) / 18))
    tile = tile_of(opaque(np.repeat(stripes[..., None], 3, 2).astype(np.uint8))).astype(float)[..., 0]
    assert tile.mean(0).std() > 0.75 * tile.std()
    crop = stripes[:128, :128]
    assert crop.mean(0).std() < 0.5 * crop.std()


def test_light_over_the_patch_is_taken_out() -> None:
    flat = tile_of(opaque(plaid())).astype(float).mean(-1)
    halves = abs(flat[:, :64].mean() - flat[:, 64:].mean())
    lit = plaid().astype(float).mean(-1)
    assert halves < 3 < abs(lit[:, :75].mean() - lit[:, 75:].mean())


def test_only_the_region_is_used() -> None:
    picture = np.full((120, 120, 3), (250, 0, 0), np.uint8)
    picture[30:110, 20:100] = plaid(80, 80, 11)
    region = np.zeros((120, 120), np.float32)
    region[32:108, 22:98] = 1
    tile = tile_of(opaque(picture), region).astype(int)
    assert (tile[..., 0] - tile[..., 1:].max(-1)).max() < 150


def test_the_seed_decides() -> None:
    picture = opaque(blots())
    assert (tile_of(picture, seed=3) == tile_of(picture, seed=3)).all()
    assert any((tile_of(picture, seed=3) != tile_of(picture, seed=seed)).any() for seed in (4, 5, 6))


@pytest.mark.parametrize("colour", [(200, 30, 40), (0, 0, 0), (255, 255, 255)])
def test_one_colour_gives_a_tile_of_it(colour: tuple[int, int, int]) -> None:
    tile = tile_of(opaque(np.full((64, 64, 3), colour, np.uint8)), side=32)
    assert np.abs(tile.astype(int) - colour).max() <= 1


@pytest.mark.parametrize(
    ("shape", "code"), [((1, 1), "too_small"), ((20, 400), "too_long"), ((16, 16), ""), ((600, 90), "")]
)
def test_sizes(shape: tuple[int, int], code: str) -> None:
    picture = opaque(np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8))
    if not code:
        assert tile_of(picture, side=48).shape == (48, 48, 3)
        return
    with pytest.raises(BadInput) as refused:
        tile_of(picture)
    assert (refused.value.field, refused.value.code) == ("style", code)


def test_what_no_tile_can_be_taken_from() -> None:
    picture = opaque(plaid())
    threads = np.zeros(picture.shape[:2], np.float32)
    threads[:, ::20] = 1
    for rgba, region, side, code in (
        (picture, threads, 128, "too_narrow"),
        (np.zeros((64, 64, 4), np.uint8), None, 128, "transparent"),
        (picture, None, 8, "no_side"),
        (picture, None, 5000, "no_side"),
        (picture[..., :3], None, 128, "not_rgba"),
    ):
        with pytest.raises(BadInput) as refused:
            tile_of(rgba, region, side=side)
        assert refused.value.code == code


def test_mismatch_is_the_mean_squared_difference_over_chance() -> None:
    picture = np.random.default_rng(0).normal(size=(14, 17, 2)).astype(np.float32)
    found = mismatch(picture)
    down, right = 3, -5
    here, there = picture[:-down, -right:], picture[down:, :right]
    expected = ((here - there) ** 2).sum(-1).mean() / (2 * picture.var((0, 1)).sum())
    assert found[13 + down, 16 + right] == pytest.approx(expected, rel=1e-4)
    assert found[13, 16] == pytest.approx(0, abs=1e-6)


def test_the_cut_is_the_least_of_all() -> None:
    """Beside every path there is, on a small strip."""
    unlike = np.random.default_rng(2).random((6, 5))
    cost = unlike[:, :-1] + unlike[:, 1:]

    def paths(closed: bool) -> list[list[int]]:
        grown = [[p] for p in range(4)]
        for _ in range(5):
            grown = [path + [p] for path in grown for p in range(4) if abs(p - path[-1]) <= 1]
        return [path for path in grown if not closed or abs(path[0] - path[-1]) <= 1]

    for closed in (False, True):
        found = least_path(unlike, closed) - 1
        best = min(paths(closed), key=lambda path: cost[np.arange(6), path].sum())
        assert found.tolist() == best


def test_what_repeats_already_is_not_changed() -> None:
    period = blots(64).astype(np.float32)
    frame = np.tile(period, (2, 2, 1))[:76, :76]
    np.testing.assert_allclose(joined(frame, 64), period, atol=1e-2)


@pytest.mark.slow
@pytest.mark.data
def test_seams_of_real_garments(datasets: Path) -> None:
    """Of twenty garments of the shared photos: nine in ten tiles have no seam that is seen."""
    with zipfile.ZipFile(datasets / "clothing.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".webp", ".png")))[::220][:20]
        cuts = [cut_out(decode_photo(archive.read(name))) for name in names]
    found = [seam_beside_inside(tile_of(cut.rgba)) for cut in cuts if cut.failed is None]
    assert len(found) >= 15
    assert np.quantile(found, 0.9) < 1.25
