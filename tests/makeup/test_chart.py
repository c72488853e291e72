"""The face chart: its landmarks lie on what they name, its tones are the published ones, its shapes differ."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from persona.catalog.colour import delta_e_2000, srgb_to_lab
from persona.errors import BadInput
from persona.makeup.analysis import Shape
from persona.makeup.chart import draw_chart
from persona.makeup.chart_points import lay_out, table, unwarp, warp
from persona.makeup.face import LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, OVAL, POINTS, RIGHT_BROW, RIGHT_EYE
from persona.makeup.look import lab_of_hex
from persona.makeup.monk import MONK

from .measured import inside, median, skin_of

SHAPES: tuple[Shape, ...] = get_args(Shape)
TONES = range(1, 11)


@pytest.mark.parametrize("monk", TONES)
def test_the_skin_is_the_published_tone(monk: int) -> None:
    chart = draw_chart("oval", monk)
    assert delta_e_2000(median(chart, skin_of(chart)), np.array(lab_of_hex(MONK[monk - 1]))) < 3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("monk", [1, 5, 10])
def test_landmarks_lie_on_what_they_name(shape: Shape, monk: int) -> None:
    chart = draw_chart(shape, monk)
    skin, lips = median(chart, skin_of(chart)), median(chart, inside(chart, LIPS_OUTER))
    assert lips[1] > skin[1] + 4  # redder
    for eye in (LEFT_EYE, RIGHT_EYE):
        lightness = srgb_to_lab(chart.picture[inside(chart, eye)])[:, 0]
        assert np.percentile(lightness, 5) < 16  # the pupil
        assert np.percentile(lightness, 90) > 55  # the white
    if monk < 10:
        for low, high in (LEFT_BROW, RIGHT_BROW):
            assert median(chart, inside(chart, (*low, *reversed(high))))[0] < 0.85 * skin[0]


def test_the_line_between_the_lips_is_dark() -> None:
    chart = draw_chart("oval", 4, 1024)
    lips = median(chart, inside(chart, LIPS_OUTER))
    middle = chart.face.xy[[LIPS_INNER[k] for k in (3, 4, 5, 6, 7)]].mean(0)
    assert srgb_to_lab(chart.picture[round(float(middle[1])) - 1, round(float(middle[0]))])[0] < lips[0] - 12


def test_shapes_differ_where_their_names_say() -> None:
    def widths(shape: Shape) -> tuple[float, float, float]:
        """Height of the face, and width of forehead and jaw, over the width of the cheeks."""
        xy = draw_chart(shape, 5).face.xy
        cheeks = xy[454, 0] - xy[234, 0]
        return (xy[152, 1] - xy[10, 1]) / cheeks, (xy[284, 0] - xy[54, 0]) / cheeks, (xy[397, 0] - xy[172, 0]) / cheeks

    found = {shape: widths(shape) for shape in SHAPES}
    tall, forehead, jaw = ({shape: one[part] for shape, one in found.items()} for part in range(3))
    assert max(tall, key=tall.__getitem__) == "oblong"
    assert tall["round"] < 0.92 * tall["oval"]
    assert min(jaw, key=jaw.__getitem__) == "heart"
    assert max(jaw, key=jaw.__getitem__) == "square"
    assert jaw["square"] > 1.05 * jaw["round"]
    assert forehead["heart"] - jaw["heart"] > forehead["oval"] - jaw["oval"] + 0.1
    outlines = {shape: inside(draw_chart(shape, 5), OVAL) for shape in SHAPES}
    for one in SHAPES:
        for other in SHAPES[SHAPES.index(one) + 1 :]:
            both, either = outlines[one] & outlines[other], outlines[one] | outlines[other]
            assert both.sum() / either.sum() < 0.96, (one, other)


def test_every_point_is_in_the_face_and_left_mirrors_right() -> None:
    points = table()
    assert points.shape == (POINTS, 2)
    for left, right in zip(LEFT_EYE, RIGHT_EYE, strict=True):
        assert points[left] == pytest.approx(points[right] * [-1, 1], abs=1e-9)
    outline = points[list(OVAL)].astype(np.float32)
    others = sorted(set(range(POINTS)) - set(OVAL))
    assert all(cv2.pointPolygonTest(outline, tuple(map(float, points[k])), True) > -0.03 for k in others)
    assert len(np.unique(points.round(4), axis=0)) == POINTS
    z = draw_chart("oval", 5).face.points[:, 2]
    assert int(z.argmin()) in (1, 4, 5, 44, 45, 274, 275)  # the nose's tip is nearest
    assert z[[234, 454]].min() > np.percentile(z, 90)  # the ears are far


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_can_be_undone(shape: Shape) -> None:
    points = table().copy()
    assert unwarp(warp(points, shape), shape) == pytest.approx(points, abs=1e-3)


@pytest.mark.parametrize("side", [64, 200, 1024])
def test_sides(side: int) -> None:
    chart, usual = draw_chart("heart", 7, side), draw_chart("heart", 7)
    assert chart.picture.shape == (side, side, 3)
    assert chart.picture.dtype == np.uint8
    assert chart.face.points * (512 / side) == pytest.approx(usual.face.points, abs=1e-2)
    small = cv2.resize(usual.picture, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    again = cv2.resize(chart.picture, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small - again).mean() < 1.5


def test_the_same_chart_is_the_same_bytes_and_cannot_be_written_to() -> None:
    from persona.makeup.chart_paint import paint

    chart = draw_chart("round", 3, 1024)
    assert paint("round", 3).tobytes() == chart.picture.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        chart.picture[0, 0] = 0


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("diamond", 5), "shape"), (("oval", 0), "monk"), (("oval", 11), "monk"), (("oval", 2.5), "monk"),
     (("oval", True), "monk"), (("oval", 5, 63), "side"), (("oval", 5, 1025), "side")],
)  # fmt: skip
def test_what_is_no_chart(arguments: tuple[object, ...], field: str) -> None:
    with pytest.raises(BadInput, match=f"^{field}: "):
        draw_chart(*arguments)  # type: ignore[arg-type]


def test_the_table_is_what_its_recipe_makes() -> None:
    connections = pytest.importorskip("mediapipe.python.solutions.face_mesh_connections", reason="no mediapipe")
    assert lay_out(connections.FACEMESH_TESSELATION).round(4) == pytest.approx(table(), abs=1.5e-4)


@pytest.fixture(scope="module")
def face_mesh() -> Iterator[Any]:
    """MediaPipe's own detector, which took no part in laying out the chart's landmarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # protobuf's
        solutions = pytest.importorskip("mediapipe.python.solutions.face_mesh", reason="no mediapipe")
        with solutions.FaceMesh(static_image_mode=True, max_num_faces=2) as made:
            yield made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("monk", [1, 5, 10])
def test_a_detector_sees_the_face_where_it_is(face_mesh: Any, shape: Shape, monk: int) -> None:
    chart = draw_chart(shape, monk)
    (found,) = face_mesh.process(np.array(chart.picture)).multi_face_landmarks
    xy = np.array([[512 * point.x, 512 * point.y] for point in found.landmark])
    error = np.linalg.norm(xy - chart.face.xy, axis=1) / chart.face.eye_distance
    assert error[list(LIPS_OUTER + LIPS_INNER)].mean() < 0.05
    assert error[list(LEFT_EYE + RIGHT_EYE)].mean() < 0.05
    assert error[[k for side in (LEFT_BROW, RIGHT_BROW) for edge in side for k in edge]].mean() < 0.06
    assert error[list(OVAL)].mean() < (0.06 if shape in ("oval", "round") else 0.10)  # it pulls toward the average face
