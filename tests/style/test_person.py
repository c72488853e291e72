"""Where style goes on people: never on face and hair, and on clothes and background as asked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from persona.errors import BadInput, OutOfDate
from persona.makeup.detector import open_detector
from persona.makeup.portraits import load_portraits
from persona.style.evaluate_person import Subject, dressed, person_figures
from persona.style.person import WHERE, styled_region
from persona.style.segment import MediaPipeSegmenter, open_segmenter

HEIGHT, WIDTH = 300, 240
SKIN, HAIR, BACKGROUND = (205, 160, 135), (30, 25, 25), (150, 170, 180)
Drawn = dict[str, np.ndarray]


def draw(shirt: tuple[int, int, int] = (40, 90, 170), long_hair: bool = False, centre: int = WIDTH // 2) -> Drawn:
    """A person: photo, person, landmarks and the true masks of head, shirt and background."""
    layers = {name: np.zeros((HEIGHT, WIDTH), np.uint8) for name in ("shirt", "neck", "hair", "face")}
    cv2.ellipse(layers["shirt"], (centre, 310), (95, 140), 0, 0, 360, (1,), -1)
    cv2.rectangle(layers["neck"], (centre - 22, 130), (centre + 22, 178), (1,), -1)
    cv2.ellipse(layers["hair"], (centre, 88), (56, 66), 0, 0, 360, (1,), -1)
    if long_hair:
        for side in (-1, 1):
            cv2.rectangle(layers["hair"], (centre + side * 50 - 12, 88), (centre + side * 50 + 12, 220), (1,), -1)
    cv2.ellipse(layers["face"], (centre, 100), (42, 54), 0, 0, 360, (1,), -1)
    photo = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.int16)
    for name, colour in (("shirt", shirt), ("neck", SKIN), ("hair", HAIR), ("face", SKIN)):
        photo[layers[name] > 0] = colour
    photo += np.random.default_rng(0).integers(-6, 7, photo.shape, dtype=np.int16)
    turn = np.linspace(0, 2 * np.pi, 468, endpoint=False)
    landmarks = np.stack([centre + 42 * np.sin(turn), 100 + 54 * np.cos(turn)], 1).astype(np.float32)
    landmarks[10], landmarks[152] = (centre, 46), (centre, 154)
    person = np.max(list(layers.values()), 0)
    head = (layers["face"] + layers["hair"] > 0)  # fmt: skip
    return {
        "photo": photo.clip(0, 255).astype(np.uint8), "person": person.astype(np.float32), "landmarks": landmarks,
        "head": head, "shirt": (layers["shirt"] > 0) & ~head & (layers["neck"] == 0), "background": person == 0,
    }  # fmt: skip


def deep(mask: np.ndarray, pixels: int = 12) -> np.ndarray:
    """A mask without its rim."""
    return cv2.erode(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0


@pytest.mark.parametrize("shirt", [(40, 90, 170), (200, 30, 30), (245, 245, 245), HAIR])
def test_head_stays_and_all_else_is_styled(shirt: tuple[int, int, int]) -> None:
    one = draw(shirt)
    region = styled_region(one["photo"], one["person"], [one["landmarks"]])
    assert region.dtype == np.float32
    assert region[one["head"]].max() < 0.5
    assert (region[one["head"]] > 0.1).mean() < 0.01
    assert region[deep(one["shirt"])].mean() > 0.95
    assert region[deep(one["background"])].min() > 0.95


def test_the_neck_stays() -> None:
    one = draw()
    assert styled_region(one["photo"], one["person"], [one["landmarks"]])[140:165, WIDTH // 2].max() < 0.1


def test_long_hair_over_a_shirt_stays() -> None:
    one = draw((230, 225, 220), long_hair=True)
    region = styled_region(one["photo"], one["person"], [one["landmarks"]])
    assert (region[one["head"]] > 0.5).mean() < 0.01
    assert region[deep(one["shirt"], 16)].mean() > 0.9


def test_clothes_or_background_alone() -> None:
    one = draw()
    regions = {w: styled_region(one["photo"], one["person"], [one["landmarks"]], w) for w in WHERE}
    assert regions["clothes"][deep(one["shirt"])].mean() > 0.95
    assert regions["clothes"][deep(one["background"])].max() < 0.05
    assert regions["background"][deep(one["background"])].min() > 0.95
    assert regions["background"][one["shirt"] | one["head"]].max() < 0.5
    assert all((regions[part] <= regions["all"] + 1e-5).all() for part in WHERE)


def test_two_people_both_stay() -> None:
    pair = [draw(), draw((200, 30, 30))]
    both = {name: np.concatenate([one[name] for one in pair], 1) for name in ("photo", "person", "head", "shirt")}
    faces = [pair[0]["landmarks"], pair[1]["landmarks"] + np.float32([WIDTH, 0])]
    region = styled_region(both["photo"], both["person"], faces)
    assert region[both["head"]].max() < 0.5
    assert region[deep(both["shirt"])].mean() > 0.95


def test_size_and_seed_change_nothing() -> None:
    one = draw()
    first = styled_region(one["photo"], one["person"], [one["landmarks"]])
    cv2.setRNGSeed(17)
    assert (styled_region(one["photo"], one["person"], [one["landmarks"]]) == first).all()
    large = cv2.resize(one["photo"], (3 * WIDTH, 3 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    body = cv2.resize(one["person"], (3 * WIDTH, 3 * HEIGHT), interpolation=cv2.INTER_LINEAR)
    again = cv2.resize(
        styled_region(large, body, [3 * one["landmarks"]]), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA
    )
    assert ((again > 0.5) != (first > 0.5)).mean() < 0.02


def test_a_head_that_fills_the_photo() -> None:
    one = draw()
    part = np.s_[60:140, 95:145]
    region = styled_region(one["photo"][part], one["person"][part], [one["landmarks"] - np.float32([95, 60])])
    assert region.max() < 0.05


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"faces": []}, "photo", "no_face"),
        ({"faces": [np.zeros((5, 2), np.float32)]}, "faces", ""),
        ({"faces": [np.full((468, 2), np.inf, np.float32)]}, "faces", ""),
        ({"person": np.zeros((3, 3), np.float32)}, "person", ""),
        ({"person": np.full((HEIGHT, WIDTH), np.nan, np.float32)}, "person", ""),
        ({"where": "hair"}, "where", ""),
    ],
)
def test_what_cannot_be_asked(changed: dict[str, object], field: str, code: str) -> None:
    one = draw()
    asked = {"photo": one["photo"], "person": one["person"], "faces": [one["landmarks"]], "where": "all"} | changed
    with pytest.raises(BadInput) as raised:
        styled_region(**asked)
    assert (raised.value.field, raised.value.code) == (field, code)


class Known:
    """A segmenter that takes for a person what has not the background's colour."""

    def segment(self, photo: np.ndarray) -> np.ndarray:
        off = np.abs(photo.astype(int) - np.array(BACKGROUND)).max(2) > 12
        return off.astype(np.float32)


def subject(one: Drawn, person: str, group: str) -> Subject:
    """With points where the template has jaw and hairline."""
    points = np.tile(one["landmarks"].mean(0), (189, 1))
    points[list(range(125, 134))] = one["landmarks"][np.linspace(351, 585, 9).astype(int) % 468][::-1]
    points[129] = one["landmarks"][152]
    return Subject(one["photo"], points, one["landmarks"], person, group)


def test_figures_tell_styled_clothes_from_styled_heads() -> None:
    garment = np.zeros((64, 64, 4), np.uint8)
    garment[4:60, 6:58] = [20, 120, 40, 255]
    subjects = [subject(draw(), str(n), "ab"[n % 2]) for n in range(8)]
    found = person_figures(subjects, Known(), [garment] * 8)
    assert found["person_portraits"] == 8
    assert found["person_face_styled"] == 0
    assert found["person_head_styled"] < 0.02
    assert found["person_background_styled"] > 0.95
    assert found["person_clothes_styled"] > 0.9
    assert found["person_by_group"]["a"]["persons"] == 4
    assert found["person_group_gap_head_styled"] == 0
    moved = [Subject(s.photo, s.points, s.landmarks + np.float32([0, -120]), s.person, s.group) for s in subjects[:1]]
    assert person_figures(moved, Known(), [])["person_head_styled"] > 0.3  # a face that is sought elsewhere
    assert person_figures([], Known(), []) == {"person_portraits": 0}


def test_a_dressed_portrait_wears_the_garment_below_the_chin() -> None:
    garment = np.full((64, 64, 4), 255, np.uint8)
    photo, landmarks, cloth = dressed(subject(draw(), "1", "a"), garment)
    assert photo.shape[:2] == cloth.shape
    assert np.flatnonzero(cloth.any(1))[0] > landmarks[:, 1].max()
    assert (photo[cloth] == 255).all()


@pytest.fixture(scope="module")
def segmenter() -> MediaPipeSegmenter:
    try:
        opened = open_segmenter()
    except OutOfDate as error:
        pytest.skip(str(error))
    assert isinstance(opened, MediaPipeSegmenter)
    return opened


def test_the_segmenter_says_where_somebody_is(segmenter: MediaPipeSegmenter, capfd: pytest.CaptureFixture[str]) -> None:
    one = draw()
    found = segmenter.segment(one["photo"])
    assert found.shape == (HEIGHT, WIDTH)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[one["head"]].mean() > 0.5 > found[:30].mean()
    segmenter.close()  # opens again
    wide = segmenter.segment(cv2.resize(one["photo"], (4 * WIDTH, 4 * HEIGHT)))
    assert np.abs(cv2.resize(wide, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) - found).mean() < 0.1
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.data
def test_people_stay_who_they_are(datasets: Path, segmenter: MediaPipeSegmenter) -> None:
    archive = datasets / "faces.zip"
    if not archive.is_file():
        pytest.skip(f"no portraits: {archive} is missing")
    portraits = [p for p in load_portraits(archive, open_detector())[::20] if p.points is not None]
    subjects = [Subject(p.photo, p.points, p.face.xy, p.face_id, p.ethnicity) for p in portraits]
    shirt = np.zeros((64, 64, 4), np.uint8)
    shirt[2:62, 6:58] = [40, 70, 140, 255]
    found = person_figures(subjects, segmenter, [shirt] * len(subjects))
    assert found["person_face_styled"] == 0
    assert found["person_head_styled"] < 0.02
    assert found["person_background_styled"] > 0.95
    assert found["person_clothes_styled"] > 0.9
