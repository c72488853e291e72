import numpy as np
import pytest

from persona.errors import BadInput
from persona.makeup.chart import draw_chart
from persona.makeup.face import LIPS_OUTER, OVAL, Face
from persona.makeup.look import PLACEMENTS, REGIONS
from persona.makeup.regions import face_box, masks_of, usual_placements

SIDE = 384
CHART = draw_chart("oval", 5, SIDE)
EVERY = [(region, placement) for region, placements in PLACEMENTS.items() for placement in placements]


def drawn(region: str, placement: str, side: int = SIDE) -> np.ndarray:
    chart = draw_chart("oval", 5, side)
    return masks_of(chart.face, (side, side), {region: placement}, chart.picture)[region]


@pytest.mark.parametrize(("region", "placement"), EVERY)
def test_a_mask_is_soft_and_lies_on_the_face(region: str, placement: str):
    mask = drawn(region, placement)
    assert mask.dtype == np.float32
    assert mask.shape == (SIDE, SIDE)
    assert 0 <= mask.min() <= mask.max() <= 1
    assert mask.max() > 0.2
    rows, columns = np.nonzero(mask > 0.01)
    x, y = CHART.face.xy[:, 0], CHART.face.xy[:, 1]
    reach = 0.45 * CHART.face.eye_distance
    assert x.min() - reach <= columns.min() <= columns.max() <= x.max() + reach
    assert y.min() - reach <= rows.min() <= rows.max() <= y.max() + reach


@pytest.mark.parametrize(("region", "placement"), EVERY)
def test_both_halves_of_a_frontal_face_get_the_same(region: str, placement: str):
    mask = drawn(region, placement)
    middle = round(float(CHART.face.xy[[10, 152], 0].mean()))
    left, right = mask[:, :middle].sum(), mask[:, middle:].sum()
    assert left == pytest.approx(right, rel=0.12)


@pytest.mark.parametrize(("region", "placement"), EVERY)
def test_a_mask_covers_the_same_share_at_every_size(region: str, placement: str):
    small, large = (drawn(region, placement, side).mean() for side in (192, 640))
    assert small == pytest.approx(large, rel=0.2)


@pytest.mark.parametrize("region", ["skin", "lids", "crease", "cheeks", "contour", "highlight"])
def test_eyes_are_kept_out(region: str):
    mask = drawn(region, PLACEMENTS[region][-1], 512)
    face = draw_chart("oval", 5, 512).face
    for pupil in ((33, 133, 159, 145), (263, 362, 386, 374)):
        x, y = face.xy[list(pupil)].mean(0).astype(int)
        assert mask[y, x] < 0.02


def test_lips_fill_their_outline_and_nothing_else():
    mask = drawn("lips", "full", 512) > 0.5
    outline = draw_chart("oval", 5, 512).face.xy[list(LIPS_OUTER)]
    rows, columns = np.nonzero(mask)
    assert abs(columns.min() - outline[:, 0].min()) < 4
    assert abs(rows.max() - outline[:, 1].max()) < 4


def test_an_open_mouth_stays_free_and_a_closed_one_has_no_gap():
    face = draw_chart("oval", 5, 512).face
    inside = face.xy[[13, 14]].mean(0).astype(int)
    assert masks_of(face, (512, 512), {"lips": "full"})["lips"][inside[1], inside[0]] > 0.5
    points = face.points.copy()
    below = [95, 88, 178, 87, 14, 317, 402, 318, 324, 146, 91, 181, 84, 17, 314, 405, 321, 375]
    points[below, 1] += 0.3 * face.eye_distance
    y = int(points[[13, 14], 1].mean())
    assert masks_of(Face(points), (512, 512), {"lips": "full"})["lips"][y, inside[0]] < 0.02


def test_hair_over_the_forehead_is_left_out_by_its_colour():
    chart = draw_chart("oval", 3, 512)
    picture = chart.picture.copy()
    x, y = chart.face.xy[9].astype(int)
    bare = masks_of(chart.face, (512, 512), {"skin": "even"}, picture)["skin"][y - 10 : y, x - 8 : x + 8]
    picture[y - 60 : y, x - 30 : x + 30] = (30, 20, 15)
    fringe = masks_of(chart.face, (512, 512), {"skin": "even"}, picture)["skin"][y - 10 : y, x - 8 : x + 8]
    assert bare.mean() > 0.9
    assert fringe.mean() < 0.15


@pytest.mark.parametrize("shift", [-1.5, -0.5, 0.5, 1.5])
def test_a_face_that_leaves_the_photo_is_masked_as_far_as_it_is_there(shift: float):
    points = CHART.face.points.copy()
    points[:, 0] += shift * SIDE
    masks = masks_of(Face(points), (SIDE, SIDE), usual_placements(), CHART.picture)
    assert set(masks) == set(REGIONS)
    assert all(np.isfinite(mask).all() for mask in masks.values())
    if abs(shift) > 1:
        assert all(mask.max() == 0 for mask in masks.values())


def test_the_face_box_holds_the_face_and_stays_in_the_photo():
    left, top, right, bottom = face_box(CHART.face, SIDE, SIDE)
    oval = CHART.face.xy[list(OVAL)]
    assert 0 <= left < oval[:, 0].min()
    assert oval[:, 0].max() < right <= SIDE
    assert 0 <= top < oval[:, 1].min()
    assert oval[:, 1].max() < bottom <= SIDE


def test_landmarks_of_another_kind_are_refused():
    with pytest.raises(BadInput, match="points"):
        Face(np.zeros((68, 3), np.float32))
    with pytest.raises(BadInput, match="points"):
        Face(np.full((468, 3), np.nan, np.float32))
