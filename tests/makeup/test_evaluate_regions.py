"""The measure of the regions itself, and the goal for lips where the portraits are."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from persona.catalog.pictures import encode
from persona.makeup.chart import draw_chart
from persona.makeup.detector import KnownLandmarks
from persona.makeup.evaluate_regions import evaluate_regions, iou, outlines
from persona.makeup.face import LIPS_INNER, LIPS_OUTER, Face, LandmarkDetector
from persona.makeup.portraits import pictures_of

CHART = draw_chart("oval", 5, 384)
OUTER = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)  # as the template's points go round the mouth
INNER = (78, 81, 82, 13, 312, 311, 308, 402, 317, 14, 87, 178)


def points_of(face: Face) -> np.ndarray:
    """Template points with a mouth where this face has its own; the rest in the middle of it."""
    points = np.tile(face.xy.mean(0).astype(float), (189, 1))
    points[[87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104]] = face.xy[list(OUTER)]
    points[[87, 94, 95, 96, 97, 98, 93, 103, 102, 101, 100, 99]] = face.xy[list(INNER)]
    points[87], points[93] = face.xy[61], face.xy[291]
    return points


def archive_of(folder: Path, faces: list[Face], groups: list[str]) -> Path:
    """Charts, laid out like faces.zip."""
    path = folder / "faces.zip"
    rows = ["file,face_id,age,gender,ethnicity"]
    rgba = np.concatenate([CHART.picture, np.full((384, 384, 1), 255, np.uint8)], 2)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (face, group) in enumerate(zip(faces, groups)):
            rows.append(f"neutral/{number}.webp,{number},30,female,{group}")
            marked = rgba.copy()
            marked[0, number] = 255 - marked[0, number]
            marked[..., 3] = 255
            archive.writestr(f"neutral/{number}.webp", encode(marked))
            lines = [f"{x:.2f},{y:.2f}" for x, y in points_of(face)]
            archive.writestr(f"neutral/{number}.landmarks.csv", "\n".join(lines))
        archive.writestr("faces.csv", "\n".join(rows) + "\n")
    return path


def known(path: Path) -> KnownLandmarks:
    return KnownLandmarks((portrait.photo, [CHART.face]) for portrait in pictures_of(path))


def test_overlap() -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert iou(one, other) == 1
    one[:2], other[1:3] = True, True
    assert iou(one, other) == pytest.approx(1 / 3)
    assert iou(one, one) == 1


def test_lips_are_the_outline_without_the_opening() -> None:
    truth = outlines(points_of(CHART.face), (384, 384))
    whole = np.zeros((384, 384), np.uint8)
    cv2.fillPoly(whole, [np.rint(CHART.face.xy[list(LIPS_OUTER)]).astype(np.int32)], (1,))
    assert iou(truth["lips"] | truth["mouth"], whole > 0) > 0.85
    assert not (truth["lips"] & truth["mouth"]).any()
    assert len(LIPS_INNER) == 20


def test_a_right_mask_scores_high_and_a_moved_one_low(tmp_path: Path) -> None:
    path = archive_of(tmp_path, [CHART.face] * 4, ["a"] * 4)
    right = evaluate_regions(path, known(path))
    assert right["lip_iou"] > 0.8
    assert right["found"] == 1
    moved = archive_of(tmp_path, [CHART.face.moved((0, 12, 0, 0))] * 4, ["a"] * 4)
    assert evaluate_regions(moved, known(moved))["lip_iou"] < right["lip_iou"] - 0.2


def test_groups_are_told_apart_and_small_ones_not_compared(tmp_path: Path) -> None:
    off = CHART.face.moved((0, 6, 0, 0))
    path = archive_of(tmp_path, [CHART.face] * 4 + [off] * 4 + [CHART.face], ["a"] * 4 + ["b"] * 4 + ["c"])
    found = evaluate_regions(path, known(path))
    groups = found["by_group"]
    assert [groups[name]["persons"] for name in "abc"] == [4, 4, 1]
    assert groups["a"]["lips_iou"] > groups["b"]["lips_iou"]
    assert found["group_worst_over_best"] == pytest.approx(groups["a"]["lips_iou"] / groups["b"]["lips_iou"], abs=1e-3)


def test_portraits_without_a_face_are_counted(tmp_path: Path) -> None:
    path = archive_of(tmp_path, [CHART.face] * 4, ["a"] * 4)
    found = evaluate_regions(path, KnownLandmarks((p.photo, [CHART.face]) for p in list(pictures_of(path))[:3]))
    assert found["found"] == 0.75


@pytest.mark.slow
@pytest.mark.data
def test_lips_of_the_shared_portraits(faces_zip: Path, detector: LandmarkDetector) -> None:
    found = evaluate_regions(faces_zip, detector)
    assert found["lip_iou"] >= 0.845
    assert found["eyes_painted"] < 0.05
    assert found["group_worst_over_best"] <= 1.25
    assert found["tone_worst_over_best"] <= 1.25
