"""Who finds faces: one contract for all providers, and what installing and opening MediaPipe may run into."""

from __future__ import annotations

import importlib.metadata
import os
import threading

import cv2
import numpy as np
import pytest

from persona import mediapipe_models
from persona.errors import OutOfDate
from persona.makeup.chart import draw_chart
from persona.makeup.detector import KnownLandmarks, MediaPipeDetector, open_detector
from persona.makeup.face import POINTS, Face, LandmarkDetector
from persona.mediapipe_models import how_to_install

CHART = draw_chart("oval", 5, 512)
PAIR = np.concatenate([CHART.picture, cv2.resize(draw_chart("round", 8, 512).picture, (256, 512))], 1)


class Contract:
    """What every LandmarkDetector does; `provider` opens it knowing, if it must, CHART and PAIR."""

    @pytest.fixture
    def provider(self) -> LandmarkDetector:
        raise NotImplementedError

    def test_a_face_comes_in_pixels_of_the_photo(self, provider: LandmarkDetector) -> None:
        (face,) = provider.detect(CHART.picture)
        assert face.points.shape == (POINTS, 3)
        assert face.points.dtype == np.float32
        assert 0 < face.confidence <= 1
        off = np.linalg.norm(face.xy - CHART.face.xy, axis=1) / CHART.face.eye_distance
        assert off.mean() < 0.08

    def test_right_is_the_persons_own(self, provider: LandmarkDetector) -> None:
        (face,) = provider.detect(CHART.picture)
        assert face.xy[33, 0] < face.xy[263, 0]
        assert face.xy[10, 1] < face.xy[152, 1]

    def test_several_faces_come_largest_first(self, provider: LandmarkDetector) -> None:
        faces = provider.detect(PAIR)
        assert len(faces) == 2
        assert faces[0].eye_distance > faces[1].eye_distance
        assert faces[0].xy[:, 0].mean() < 512 < faces[1].xy[:, 0].mean()

    def test_nothing_is_an_empty_list(self, provider: LandmarkDetector) -> None:
        for size in ((1, 1), (7, 300), (64, 64), (700, 900)):
            assert provider.detect(np.full((*size, 3), 90, np.uint8)) == []

    @pytest.mark.parametrize("shape", [(9000, 1, 3), (1, 9000, 3), (31, 5000, 3), (1, 1, 3)])
    def test_a_strip_shows_nobody(self, provider: LandmarkDetector, shape: tuple[int, ...]) -> None:
        assert provider.detect(np.full(shape, 120, np.uint8)) == []

    def test_the_same_photo_gives_the_same_face_and_stays_as_it_was(self, provider: LandmarkDetector) -> None:
        before = CHART.picture.copy()
        one, other = (provider.detect(CHART.picture)[0] for _ in range(2))
        np.testing.assert_array_equal(one.points, other.points)
        np.testing.assert_array_equal(before, CHART.picture)

    def test_many_threads_may_ask_at_once(self, provider: LandmarkDetector) -> None:
        found: list[int] = []
        asked = [CHART.picture, PAIR, np.zeros((99, 80, 3), np.uint8)] * 3
        threads = [threading.Thread(target=lambda p=p: found.append(len(provider.detect(p)))) for p in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


class TestMediaPipe(Contract):
    @pytest.fixture
    def provider(self, detector: LandmarkDetector) -> LandmarkDetector:
        return detector


class TestKnownLandmarks(Contract):
    @pytest.fixture
    def provider(self) -> LandmarkDetector:
        small = draw_chart("round", 8, 512).face
        beside = Face((small.points * [0.5, 1, 1] + [512, 0, 0]).astype(np.float32))
        return KnownLandmarks([(CHART.picture, [CHART.face]), (PAIR, [beside, CHART.face])])


def test_a_photo_that_differs_in_one_pixel_is_not_known() -> None:
    known = KnownLandmarks([(CHART.picture, [CHART.face])])
    other = CHART.picture.copy()
    other[0, 0, 0] ^= 1
    assert known.detect(other) == []
    known.add(other, [CHART.face])
    assert known.detect(other) == [CHART.face]


@pytest.mark.parametrize("side", [900, 400, 260])
def test_a_small_face_in_a_large_photo(detector: LandmarkDetector, side: int) -> None:
    photo = np.full((3000, 4000, 3), 120, np.uint8)
    photo[500 : 500 + side, 2600 : 2600 + side] = cv2.resize(CHART.picture, (side, side), interpolation=cv2.INTER_AREA)
    (face,) = detector.detect(photo)
    wanted = CHART.face.xy * (side / 512) + [2600, 500]
    assert np.linalg.norm(face.xy - wanted, axis=1).mean() < 0.1 * face.eye_distance


def test_eight_faces(detector: LandmarkDetector) -> None:
    small = cv2.resize(CHART.picture, (300, 300), interpolation=cv2.INTER_AREA)
    assert len(detector.detect(np.tile(small, (2, 4, 1)))) == 8


def test_it_says_nothing_on_stderr(detector: LandmarkDetector, capfd: pytest.CaptureFixture[str]) -> None:
    with MediaPipeDetector() as opened:
        assert len(opened.detect(CHART.picture)) == 1
        assert len(opened.detect(PAIR)) == 2
    assert capfd.readouterr().err == ""


def test_what_others_say_while_it_opens_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with mediapipe_models.quiet(True):
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nworker 3 died\n")
    assert capfd.readouterr().err == "worker 3 died\n"


def test_closed_it_opens_again(detector: LandmarkDetector) -> None:
    opened = MediaPipeDetector()
    opened.close()  # never opened is no error
    assert len(opened.detect(CHART.picture)) == 1
    opened.close()
    assert len(opened.detect(CHART.picture)) == 1
    opened.close()


def test_lost_models_are_named(detector: LandmarkDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    from mediapipe.python.solutions import face_detection

    monkeypatch.setattr(face_detection, "_FULL_RANGE_GRAPH_FILE_PATH", "mediapipe/modules/gone.binarypb")
    with pytest.raises(OutOfDate, match=r"does not open its models.*force-reinstall mediapipe==0\.10\.21"):
        MediaPipeDetector().detect(CHART.picture)


def test_without_mediapipe_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(mediapipe_models.importlib.metadata, "version", missing)
    with pytest.raises(OutOfDate, match="needs mediapipe"):
        open_detector()


def test_another_release_brings_no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediapipe_models.importlib.metadata, "version", lambda name: "0.10.33")
    with pytest.raises(OutOfDate, match=r"mediapipe==0\.10\.21"):
        open_detector()


@pytest.mark.parametrize(
    ("python", "machine", "said"),
    [
        ((3, 12), "linux x86_64", r"not installed: `pip install 'persona\[face\]'`"),
        ((3, 13), "linux x86_64", r"no release for Python 3\.13: .*3\.12.*persona\[face\]"),
        ((3, 11), "linux aarch64", r"no release for linux aarch64"),
        ((3, 11), "darwin arm64", "not installed"),
    ],
)
def test_where_there_is_no_wheel_that_is_said(python: tuple[int, int], machine: str, said: str) -> None:
    with pytest.raises(OutOfDate, match=said):
        raise OutOfDate(how_to_install(python, machine))


def test_two_owners_of_cv2_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"cv2": ["opencv-python-headless", "opencv-contrib-python"]}
    monkeypatch.setattr(mediapipe_models.importlib.metadata, "version", lambda name: mediapipe_models.VERSION)
    monkeypatch.setattr(mediapipe_models.importlib.metadata, "packages_distributions", lambda: owners)
    with pytest.warns(UserWarning, match="pip uninstall -y opencv-contrib-python opencv-python-headless"):
        open_detector()
