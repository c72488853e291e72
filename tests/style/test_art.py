"""Photos as art: what each method keeps and drops, seeds, sizes, and faces that are found where they were."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from persona.catalog.similarity import luminance, ssim
from persona.errors import BadInput, OutOfDate
from persona.makeup.detector import MediaPipeDetector, open_detector
from persona.makeup.portraits import pictures_of
from persona.style.art import KINDS, ArtKind, kuwahara, paint
from persona.style.flow import along, flow_of

Bytes = NDArray[np.uint8]


def scene(side: int = 192) -> Bytes:
    """Discs and bars in soft light, with the noise of a camera."""
    picture = np.full((side, side, 3), (205, 212, 210), np.uint8)
    cv2.circle(picture, (side // 2, side // 2), side // 3, (200, 150, 120), -1, cv2.LINE_AA)
    cv2.circle(picture, (side // 3, side // 2), side // 12, (60, 40, 30), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (side // 2, side // 3), (side * 3 // 4, side // 3 + 8), (150, 40, 60), -1)
    light = np.linspace(1.0, 0.8, side)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 5, picture.shape)
    return np.asarray(np.clip(picture * light + noise, 0, 255), np.uint8)


def edges(rgb: Bytes) -> NDArray[np.float64]:
    soft = cv2.GaussianBlur(luminance(rgb), (0, 0), 1.5)
    return np.hypot(cv2.Sobel(soft, cv2.CV_64F, 1, 0), cv2.Sobel(soft, cv2.CV_64F, 0, 1))


def edge_cosine(one: Bytes, other: Bytes) -> float:
    a, b = edges(one), edges(other)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("kind", KINDS)
def test_edges_stay_where_they_are(kind: ArtKind) -> None:
    art = paint(scene(), kind)
    assert art.shape == scene().shape
    assert art.dtype == np.uint8
    assert edge_cosine(scene(), art) > 0.7
    assert (art != scene()).mean() > 0.5


@pytest.mark.parametrize("kind", ["oil", "impressionist", "cartoon"])
def test_more_detail_is_nearer_to_the_photo(kind: ArtKind) -> None:
    cosines = [edge_cosine(scene(), paint(scene(), kind, detail)) for detail in (0.0, 1.0)]
    assert cosines[1] > cosines[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_paints_the_same(kind: ArtKind) -> None:
    once, again, other = (paint(scene(), kind, seed=seed) for seed in (1, 1, 2))
    assert (once == again).all()
    assert (once != other).any() == (kind in ("oil", "impressionist"))


def test_each_kind_is_what_it_says() -> None:
    """Cartoons have few lightnesses, ink has no colour, oil has no grain left, strokes are of many colours."""
    photo = scene()
    ink = paint(photo, "line").astype(int)
    assert (ink.max(-1) - ink.min(-1)).max() <= 12
    inside = np.s_[100:120, 100:120]
    flat, drawn = photo[inside].astype(float), paint(photo, "cartoon")[inside].astype(float)
    assert drawn.std((0, 1)).mean() < 0.6 * flat.std((0, 1)).mean()
    strokes = paint(photo, "impressionist", 0.2)[:40, :40].reshape(-1, 3)
    assert strokes.std(0).mean() > 3
    assert len(np.unique(strokes, axis=0)) < len(strokes) / 3


def test_light_and_deep_tones_get_the_same_lines() -> None:
    """A face-like shape in a tenth of the light is drawn by about as much ink."""
    ink = []
    for light in (1.0, 0.35):
        dim = np.asarray(np.clip(scene().astype(float) * light, 0, 255), np.uint8)
        drawn = paint(cv2.GaussianBlur(dim, (0, 0), 1.0), "line").astype(float).mean(-1)
        ink.append((drawn < 0.7 * np.median(drawn)).mean())
    assert 0.5 < ink[1] / ink[0] < 2


def test_kuwahara_smooths_and_keeps_edges() -> None:
    step = np.zeros((60, 60, 3), np.float32)
    step[:, 30:] = 50
    noisy = step + np.random.default_rng(0).normal(0, 3, step.shape).astype(np.float32)
    smooth = kuwahara(noisy, 4)
    assert np.abs(smooth - step)[:, :26].mean() < 0.5 * np.abs(noisy - step)[:, :26].mean()
    jump = (smooth[:, 33] - smooth[:, 26]).mean()
    blurred = cv2.GaussianBlur(noisy, (0, 0), 4)
    assert jump > 45 > (blurred[:, 33] - blurred[:, 26]).mean()


def test_the_flow_runs_along_lines_and_smoothing_follows_it() -> None:
    y, x = np.mgrid[:80, :80].astype(np.float32)
    lean = np.radians(30)
    bars = np.sin((np.cos(lean) * x + np.sin(lean) * y) * 0.6).astype(np.float32)
    flow = flow_of(bars[..., None], 3)
    off = np.abs(flow[20:-20, 20:-20] @ np.array([np.cos(lean), np.sin(lean)]))
    assert off.max() < 0.05
    kept = along(bars, flow, 4)[20:-20, 20:-20]
    assert np.abs(kept - bars[20:-20, 20:-20]).mean() < 0.05
    assert np.abs(cv2.GaussianBlur(bars, (0, 0), 4)).mean() < 0.2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(16, 16), (16, 128), (300, 40)])
def test_small_and_long_photos(kind: ArtKind, shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert paint(photo, kind).shape == photo.shape


@pytest.mark.parametrize("kind", KINDS)
def test_one_colour_stays_one_picture(kind: ArtKind) -> None:
    art = paint(np.full((64, 64, 3), (180, 120, 90), np.uint8), kind).astype(float)
    assert art.std((0, 1)).max() < 12


def test_large_photos_are_painted_at_working_size() -> None:
    large = np.asarray(cv2.resize(scene(), (1536, 1536), interpolation=cv2.INTER_CUBIC), np.uint8)
    art = paint(large, "line")
    assert art.shape == large.shape
    small = cv2.resize(art, (192, 192), interpolation=cv2.INTER_AREA)
    assert edge_cosine(scene(), np.asarray(small, np.uint8)) > 0.7


@pytest.mark.parametrize(
    ("photo", "kind", "detail", "field"),
    [
        (scene(), "watercolour", 0.5, "kind"),
        (scene(), "oil", 1.5, "detail"),
        (scene(), "oil", float("nan"), "detail"),
        (np.zeros((1, 1, 3), np.uint8), "oil", 0.5, "photo"),
        (np.zeros((16, 400, 3), np.uint8), "oil", 0.5, "photo"),
        (np.zeros((64, 64, 4), np.uint8), "oil", 0.5, "photo"),
        (np.zeros((64, 64, 3)), "oil", 0.5, "photo"),
    ],
)
def test_what_cannot_be_painted(photo: Bytes, kind: ArtKind, detail: float, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        paint(photo, kind, detail)
    assert refused.value.field == field


@pytest.mark.slow
@pytest.mark.data
def test_faces_are_found_where_they_were(datasets: Path) -> None:
    """Landmarks of four portraits, at the finest brush: on paintings within 2 % of the distance of the eyes."""
    archive = datasets / "faces.zip"
    if not archive.is_file():
        pytest.skip(f"no portraits: {archive} is missing")
    try:
        detector = open_detector()
    except OutOfDate as error:
        pytest.skip(str(error))
    photos = [picture.photo for picture in pictures_of(archive) if not picture.composite][::41]
    faces = [detector.detect(photo)[0] for photo in photos]
    limits = {"oil": 0.02, "impressionist": 0.02, "cartoon": 0.02, "line": 0.04}
    for kind in KINDS:
        off = []
        for photo, face in zip(photos, faces):
            art = paint(photo, kind, 1.0 if kind != "line" else 0.5)
            found = detector.detect(art)
            assert len(found) == 1
            off.append(np.linalg.norm(found[0].xy - face.xy, axis=1).mean() / face.eye_distance)
            assert ssim(luminance(photo), luminance(art)) > 0.6
        assert np.mean(off) < limits[kind], kind
    if isinstance(detector, MediaPipeDetector):
        detector.close()
