"""What of a picture is styled and read as style: people keep face, hair and skin, found by MediaPipe itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from persona.catalog.pictures import Bytes
from persona.errors import BadInput, OutOfDate
from persona.makeup.chart import draw_chart
from persona.makeup.detector import KnownLandmarks, MediaPipeDetector, open_detector
from persona.makeup.face import Face, LandmarkDetector
from persona.makeup.portraits import load_portraits
from persona.recommend.style_regions import Found, RegionFinder
from persona.recommend.style_types import Region
from persona.style.art import paint
from persona.style.picture import changed, check, opaque
from persona.style.prints import draw_print
from tests.serve.conftest import draw, needs_faces, portrait


def missing() -> LandmarkDetector:
    raise OutOfDate("reading a face from a photo needs mediapipe, which is not installed")


@pytest.fixture(scope="module")
def finder() -> Iterator[RegionFinder]:
    detector = open_detector()
    yield RegionFinder(lambda: detector)
    if isinstance(detector, MediaPipeDetector):
        detector.close()


def find(finder: RegionFinder, picture: Bytes, wanted: Region | None = None, cut: bool = False) -> Found:
    rgba = picture if picture.shape[2] == 4 else opaque(picture)
    return finder.find(rgba, wanted, usual="garment", of_person="all", field="photo", cut=cut)


def worn() -> tuple[Bytes, np.ndarray, np.ndarray]:
    """A drawn person in a red pullover: the photo, where the face is, where the pullover is."""
    chart, side = draw_chart("oval", 4, 320), 320
    photo = np.concatenate([portrait(side=side), np.full((160, side, 3), portrait(side=side)[2, 2])])
    face = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(chart.face.xy.astype(np.float32))[:, 0].round().astype(np.int32), (1,))
    cloth = np.zeros(photo.shape[:2], np.uint8)
    low = int(chart.face.xy[152, 1]) + 40
    cv2.ellipse(cloth, (side // 2, 480), (150, 480 - low), 0, 0, 360, (1,), -1)
    photo[cloth > 0] = (170, 30, 40)
    return photo.astype(np.uint8), face > 0, cloth > 0


def garment() -> Bytes:
    """A photo of a garment on a plain background."""
    photo = np.full((160, 120, 3), 230, np.uint8)
    cv2.fillPoly(photo, [np.array([(30, 20), (90, 20), (100, 140), (20, 140)])], (40, 60, 120))
    return photo


@needs_faces
def test_a_person_is_styled_but_for_face_hair_and_skin(finder: RegionFinder) -> None:
    photo, face, cloth = worn()
    found = find(finder, photo)
    assert (found.named, found.people) == ("all", 1)
    assert found.region is not None
    assert (found.region[face] == 0).all()
    assert found.region[cloth].mean() > 0.7
    clothes = find(finder, photo, "clothes")
    background = find(finder, photo, "background")
    assert clothes.region is not None
    assert background.region is not None
    assert clothes.region[:60].mean() < 0.1 < 0.9 < background.region[:20].mean()
    assert (clothes.region[face] == 0).all()
    assert (background.region[face] == 0).all()


@needs_faces
@pytest.mark.parametrize(("stated", "named"), [("garment", "clothes"), ("print", "all"), ("all", "all")])
def test_a_face_is_kept_whatever_was_stated(finder: RegionFinder, stated: Region, named: Region) -> None:
    photo, face, _ = worn()
    found = find(finder, photo, stated)
    assert (found.named, found.people) == (named, 1)
    assert found.region is not None
    assert (found.region[face] == 0).all()


@needs_faces
def test_a_cut_out_person_keeps_their_face_too(finder: RegionFinder) -> None:
    photo, face, _ = worn()
    rgba = opaque(photo)
    rgba[:8] = 0
    for cut in (False, True):
        found = find(finder, rgba, cut=cut)
        assert found.region is not None
        assert (found.region[face] == 0).all()


@needs_faces
def test_the_art_of_a_photo_keeps_the_face_to_the_bit(finder: RegionFinder) -> None:
    photo, face, _ = worn()
    found = find(finder, photo)
    change = (paint(photo, "oil").astype(np.float32) - photo) / 255
    rgba = opaque(photo)
    after = changed(rgba, check(rgba, found.region, "photo"), change)
    np.testing.assert_array_equal(after[face], rgba[face])
    assert (after[~face] != rgba[~face]).any(1).mean() > 0.2


@needs_faces
def test_nobody_is_found_where_nobody_is(finder: RegionFinder) -> None:
    found = find(finder, garment())
    assert (found.named, found.people) == ("garment", 0)
    assert found.region is not None
    assert found.region[80, 60] == 1
    assert found.region[5, 5] == 0
    flat = find(finder, draw_print("checks", 96, 1), "print")
    assert (flat.region, flat.named, flat.people) == (None, "print", 0)
    cut = find(finder, draw("dress", (30, 40, 80), 1.0))
    assert (cut.region, cut.named) == (None, "garment")
    with pytest.raises(BadInput, match="photo: shows no face") as raised:
        find(finder, garment(), "clothes")
    assert raised.value.code == "no_face"


@needs_faces
def test_a_face_that_fills_the_photo_leaves_nothing() -> None:
    chart = draw_chart("oval", 4, 320)
    left, top = np.rint(chart.face.xy.min(0)).astype(int) + 20
    right, bottom = np.rint(chart.face.xy.max(0)).astype(int) - 20
    photo = np.ascontiguousarray(chart.picture[top:bottom, left:right])
    face = Face(chart.face.points - np.array([left, top, 0], np.float32))
    with pytest.raises(BadInput) as raised:
        find(RegionFinder(lambda: KnownLandmarks([(photo, [face])])), photo)
    assert (raised.value.field, raised.value.code) == ("photo", "no_region")


def test_without_mediapipe_only_what_is_stated_to_show_nobody_is_taken() -> None:
    finder = RegionFinder(missing)
    for wanted in (None, "all"):
        with pytest.raises(OutOfDate, match=r"needs mediapipe.*state region=garment or print"):
            find(finder, garment(), wanted)
    with pytest.raises(OutOfDate):
        find(finder, draw("dress", (30, 40, 80), 1.0), "clothes")
    stated = find(finder, garment(), "garment")
    assert (stated.named, stated.people) == ("garment", None)
    assert stated.region is not None
    assert stated.region.max() == 1
    assert find(finder, draw_print("checks", 96, 1), "print").region is None
    assert find(finder, draw("dress", (30, 40, 80), 1.0)).named == "garment"


@pytest.mark.slow
@needs_faces
@pytest.mark.data
def test_real_people_keep_face_and_hair_to_the_bit(datasets: Path, finder: RegionFinder) -> None:
    archive = datasets / "faces.zip"
    if not archive.is_file():
        pytest.skip(f"no portraits: {archive} is missing")
    for one in load_portraits(archive, open_detector())[::30]:
        rgba = opaque(one.photo)
        found = finder.find(rgba, None, usual="garment", of_person="all", field="photo")
        face = np.zeros(rgba.shape[:2], np.uint8)
        cv2.fillConvexPoly(face, cv2.convexHull(one.face.xy.astype(np.float32))[:, 0].round().astype(np.int32), (1,))
        region = check(rgba, found.region, "photo")
        after = changed(rgba, region, np.full((*region.shape, 3), 0.5, np.float32))
        assert found.people == 1
        np.testing.assert_array_equal(after[face > 0], rgba[face > 0])
        crown = one.face.xy[10] + 0.15 * (one.face.xy[10] - one.face.xy[152])  # hair above the forehead
        x, y = np.rint(crown).astype(int)
        np.testing.assert_array_equal(after[y - 3 : y + 4, x - 3 : x + 4], rgba[y - 3 : y + 4, x - 3 : x + 4])
        assert (after != rgba).any(2).mean() > 0.05
