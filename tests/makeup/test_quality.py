"""What makeup can be put on, and the refusals: on the chart always, on the portraits where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from persona.errors import BadInput
from persona.makeup.chart import draw_chart
from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.portraits import Picture
from persona.makeup.quality import check, head_pose, openness

from . import faces_of

CHART = draw_chart("oval", 5, 512)


def code(photo: Bytes, detector: LandmarkDetector, choose: int | None = None) -> str:
    try:
        check(photo, detector.detect(photo), choose)
    except BadInput as error:
        return error.code
    return "ok"


def rotated(face: Face, yaw: float) -> Face:
    a = np.radians(yaw)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    return Face(((face.points - face.points.mean(0)) @ turn.T + face.points.mean(0)).astype(np.float32))


CHANGES: dict[str, tuple[str, Callable[[Bytes, Face], Bytes]]] = {
    "as it is": ("ok", lambda photo, face: photo),
    "bearded": ("ok", faces_of.bearded),
    "dim": ("ok", lambda photo, face: faces_of.dim(photo, 1.5)),
    "turned by 20": ("ok", lambda photo, face: faces_of.turned(photo, face, 20)),
    "turned back by 20": ("ok", lambda photo, face: faces_of.turned(photo, face, -20)),
    "turned by 45": ("face_turned", lambda photo, face: faces_of.turned(photo, face, 45)),
    "on its side": ("face_turned", lambda photo, face: np.ascontiguousarray(np.rot90(photo))),
    "dark": ("too_dark", lambda photo, face: faces_of.dim(photo, 5)),
    "asleep": ("eyes_shut", faces_of.asleep),
    "in a blue mask": ("lips_hidden", lambda photo, face: faces_of.masked(photo, face, (140, 180, 210))),
    "in a black mask": ("lips_hidden", lambda photo, face: faces_of.masked(photo, face, (35, 35, 38))),
    "cut off at the lips": ("lips_hidden", lambda photo, face: photo[: int(face.xy[13, 1])]),
    "small": ("face_too_small", lambda photo, face: cv2.resize(photo, (130, 130), interpolation=cv2.INTER_AREA)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_chart_as_a_photo(change: str, detector: LandmarkDetector) -> None:
    wanted, changed = CHANGES[change]
    (face,) = detector.detect(CHART.picture)
    assert code(changed(CHART.picture, face), detector) == wanted


@pytest.mark.parametrize("monk", [1, 4, 7, 10])
def test_no_skin_is_too_dark_in_itself(monk: int, detector: LandmarkDetector) -> None:
    assert code(draw_chart("round", monk, 512).picture, detector) == "ok"
    assert code(faces_of.dim(draw_chart("round", monk, 512).picture, 1), detector) == "ok"


@pytest.mark.parametrize(
    ("photo", "wanted"),
    [
        (faces_of.cat(), {"no_face", "not_a_photo"}),
        (faces_of.cartoon(), {"no_face", "not_a_photo"}),
        (np.full((300, 400, 3), 128, np.uint8), {"no_face"}),
    ],
)
def test_what_is_no_photo_of_a_face(photo: Bytes, wanted: set[str], detector: LandmarkDetector) -> None:
    assert code(photo, detector) in wanted


def test_of_several_faces_one_is_chosen_from_left_to_right() -> None:
    pair = np.concatenate([CHART.picture, CHART.picture], 1)
    left, right = CHART.face, CHART.face.moved((-512, 0, 0, 0))
    with pytest.raises(
        BadInput, match=r"^photo: there are 2 faces: choose one by `face`.*1 at \(2\d\d, .*2 at \(7"
    ) as caught:
        check(pair, [right, left])
    assert caught.value.code == "several_faces"
    assert check(pair, [right, left], choose=1) is left
    assert check(pair, [right, left], choose=2) is right
    for wrong in (0, 3, -1):
        with pytest.raises(BadInput, match=r"^face: .*none of the 2"):
            check(pair, [right, left], choose=wrong)


def test_a_bystander_does_not_count() -> None:
    far = CHART.face.moved((0, 0, 0, 0), 0.2)
    assert check(CHART.picture, [CHART.face, far]) is CHART.face


def test_the_message_says_what_to_do() -> None:
    with pytest.raises(BadInput, match=r"^photo: .*\d+ pixels between the eyes, 40 are needed; send"):
        check(CHART.picture, [CHART.face.moved((0, 0, 0, 0), 0.2)])


@pytest.mark.parametrize("yaw", [-30, -10, 0, 20, 40])
def test_yaw_is_the_turn_of_the_points(yaw: float) -> None:
    at_rest = head_pose(CHART.face)
    turned = head_pose(rotated(CHART.face, yaw))
    assert turned[0] - at_rest[0] == pytest.approx(yaw, abs=1)
    assert turned[2] == pytest.approx(at_rest[2], abs=2)


def test_roll_is_the_turn_in_the_picture() -> None:
    a = np.radians(25)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilted = Face((CHART.face.points @ turn.T).astype(np.float32))
    assert head_pose(tilted)[2] == pytest.approx(25, abs=1)
    assert head_pose(tilted)[0] == pytest.approx(head_pose(CHART.face)[0], abs=0.5)


def test_shut_eyes_are_closed_landmarks() -> None:
    points = CHART.face.points.copy()
    for upper, lower in ((160, 144), (159, 145), (158, 153), (387, 373), (386, 374), (385, 380)):
        points[upper] = points[lower]
    assert max(openness(Face(points))) < 0.01 < min(openness(CHART.face))


@pytest.mark.data
def test_the_portraits_pass(shared_portraits: list[Picture], detector: LandmarkDetector) -> None:
    codes = [code(portrait.photo, detector) for portrait in shared_portraits]
    assert codes == ["ok"] * len(shared_portraits)


@pytest.mark.data
@pytest.mark.parametrize("change", [name for name in CHANGES if name != "as it is"])
def test_the_portraits_changed(change: str, shared_portraits: list[Picture], detector: LandmarkDetector) -> None:
    wanted, changed = CHANGES[change]
    codes: Counter[str] = Counter()
    for portrait in shared_portraits[::2]:
        (face,) = detector.detect(portrait.photo)
        codes[code(changed(portrait.photo, face), detector)] += 1
    assert codes[wanted] >= 0.85 * codes.total(), codes
