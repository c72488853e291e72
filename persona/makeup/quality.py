"""Whether makeup can be put on a photo: the face that is meant, large, frontal, lit, with eyes and lips to see.

Every limit was set between what the shared portraits measure and what they measure turned, dimmed, with shut eyes or
covered lips (tests/makeup/test_quality.py makes these). A drawn face with known landmarks needs no such check.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import srgb_to_lab
from persona.errors import BadInput
from persona.makeup.face import LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_EYE, Bytes, Face
from persona.makeup.skin import PATCHES, closeup, inside, skin_patches

SMALLEST = 40.0  # pixels between the eyes: lips are some ten pixels high then
BYSTANDER = 0.3  # of the largest face: smaller ones are not counted
MOST_YAW, MOST_PITCH, MOST_ROLL = 25.0, 32.0, 45.0  # degrees; the mesh reads a yaw of 20 as 15, one of 35 as 27
SHUT = 0.165  # height of an eye's opening in its widths: .19 at least in open ones, .15 at most in shut ones
DARK = 23.0  # L of the lightest parts of a face
NOISY = 6.0  # standard deviation of L on smooth skin
FLAT = 0.5  # share of skin without any grain or shading: none has so much in a photo
PALE_LIPS, FAINT_LINE = 1.4, 6.8  # redness and contrast of lips under which there are none to be seen

_PITCH_AT = 3.2  # degrees that the mesh reads in portraits taken straight ahead
_ACROSS = ((33, 263), (133, 362), (234, 454), (61, 291), (172, 397), (93, 323), (127, 356), (58, 288), (50, 280))
_UPPER_LIDS = ((160, 159, 158), (387, 386, 385))
_LOWER_LIDS = ((144, 145, 153), (373, 374, 380))
_EYE_ENDS = ((33, 133), (263, 362))
_LIP_CUTS = ((0, 17), (37, 84), (267, 314), (39, 181), (269, 405), (40, 91), (270, 321))


def check(photo: Bytes, faces: Sequence[Face], choose: int | None = None) -> Face:
    """The face that is meant, if makeup can be put on it. choose: its number from left to right, the leftmost is 1.

    Raises BadInput, field "photo" (or "face" where the choice is), with the code no_face, several_faces,
    face_too_small, face_turned, too_dark, not_a_photo, eyes_shut or lips_hidden.
    """
    face = _chosen(faces, choose)
    if face.eye_distance < SMALLEST:
        raise BadInput(
            "photo",
            f"the face is too small: {face.eye_distance:.0f} pixels between the eyes, {SMALLEST:.0f} are needed; "
            "send a larger photo or come nearer",
            "face_too_small",
        )
    _refuse_turned(face)
    part, at = closeup(photo, face)
    skin = skin_patches(part, at)
    _refuse_dark(part, at, skin)
    _refuse_drawn(part, at)
    if max(openness(face)) < SHUT:
        raise BadInput("photo", "the eyes are shut: send one with open eyes", "eyes_shut")
    _refuse_hidden_lips(photo, face, part, at, skin)
    return face


def counted(faces: Sequence[Face]) -> list[Face]:
    """The faces that may be meant, from left to right: those that are not much smaller than the largest."""
    largest = max((face.eye_distance for face in faces), default=0.0)
    found = [face for face in faces if face.eye_distance >= BYSTANDER * largest]
    return sorted(found, key=lambda face: float(face.xy[:, 0].mean()))


def head_pose(face: Face) -> tuple[float, float, float]:
    """Yaw (to the person's own left is positive), pitch (down is positive) and roll in degrees; 0, 0, 0 looks straight
    ahead. Of the mesh's own depth, which reads about three quarters of a turn."""
    across, down, _ = frame(face)
    roll = np.degrees(np.arctan2(across[1], across[0]))
    return (
        float(np.degrees(np.arcsin(np.clip(-across[2], -1, 1)))),
        float(np.degrees(np.arcsin(np.clip(down[2], -1, 1)))) - _PITCH_AT,
        float(roll),
    )


def frame(face: Face) -> NDArray[np.float64]:
    """The head's own axes as rows (3, 3): to its left, down, and backward, in the photo's x, y, z."""
    points = face.points.astype(np.float64)
    across = np.sum([_unit(points[left] - points[right]) for right, left in _ACROSS], 0)
    across = _unit(across)
    down = points[152] - points[10]
    down = _unit(down - across * (down @ across))
    return np.stack([across, down, np.cross(across, down)])


def openness(face: Face) -> tuple[float, float]:
    """Height of the opening of the right and of the left eye, in widths of that eye."""
    at = face.points
    shares = []
    for upper, lower, ends in zip(_UPPER_LIDS, _LOWER_LIDS, _EYE_ENDS):
        heights = np.linalg.norm(at[list(upper)] - at[list(lower)], axis=1)
        shares.append(float(heights.mean() / max(float(np.linalg.norm(at[ends[0]] - at[ends[1]])), 1e-6)))
    return shares[0], shares[1]


def _chosen(faces: Sequence[Face], choose: int | None) -> Face:
    if not faces:
        raise BadInput("photo", "no face is seen: send one with a face from the front, in light", "no_face")
    meant = counted(faces)
    if choose is not None:
        if not 1 <= choose <= len(meant):
            raise BadInput("face", f"{choose} is none of the {len(meant)} in the photo, {_places(meant)}", "no_face")
        return meant[choose - 1]
    if len(meant) > 1:
        raise BadInput(
            "photo",
            f"there are {len(meant)} faces: choose one by `face`, counted from left to right: {_places(meant)}",
            "several_faces",
        )
    return meant[0]


def _places(faces: Sequence[Face]) -> str:
    centres = [face.xy.mean(0) for face in faces]
    return ", ".join(f"{number} at ({x:.0f}, {y:.0f})" for number, (x, y) in enumerate(centres, 1))


def _refuse_turned(face: Face) -> None:
    yaw, pitch, roll = head_pose(face)
    if abs(roll) > MOST_ROLL:
        raise BadInput("photo", f"the face is tilted by {abs(roll):.0f} degrees: turn the photo upright", "face_turned")
    if abs(yaw) > MOST_YAW or abs(pitch) > MOST_PITCH:
        way = ("to the side" if abs(yaw) > MOST_YAW else "down" if pitch > 0 else "up") + ": look into the camera"
        raise BadInput("photo", f"the face is turned too far {way}", "face_turned")


def _refuse_dark(part: Bytes, face: Face, skin: list[NDArray[np.float64]]) -> None:
    eyes = inside(face, RIGHT_EYE, part.shape[:2]) | inside(face, LEFT_EYE, part.shape[:2])
    patches = [*skin, part[eyes].astype(np.float64)]
    lights = [float(np.quantile(srgb_to_lab(pixels)[:, 0], 0.9)) for pixels in patches if len(pixels)]
    if max(lights, default=0.0) < DARK:
        raise BadInput("photo", "it is too dark: send one taken in more light", "too_dark")
    if noise(part, face) > NOISY:
        raise BadInput("photo", "it is too noisy, as photos in the dark are: send one taken in more light", "too_dark")


def noise(part: Bytes, face: Face) -> float:
    """Standard deviation of grain in L on cheeks and forehead (Immerkær 1996), in a picture of the face."""
    lightness = srgb_to_lab(part)[..., 0]
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    grain = np.abs(cv2.filter2D(lightness, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT))
    found = grain[_cheeks_and_forehead(face, part.shape[:2])]
    return float(np.median(found) / 0.6745 / 6) if len(found) else 0.0


def flatness(part: Bytes, face: Face) -> float:
    """Share of cheeks and forehead where a pixel is of the very colour of its neighbours."""
    grey = part.max(2)
    square = np.ones((3, 3), np.uint8)
    even = cv2.dilate(grey, square) == cv2.erode(grey, square)
    found = even[_cheeks_and_forehead(face, part.shape[:2])]
    return float(found.mean()) if len(found) else 0.0


def _refuse_drawn(part: Bytes, face: Face) -> None:
    if flatness(part, face) > FLAT:
        raise BadInput("photo", "it looks drawn, not photographed: send a photo of your face", "not_a_photo")


def _refuse_hidden_lips(photo: Bytes, face: Face, part: Bytes, at: Face, skin: list[NDArray[np.float64]]) -> None:
    lips = face.xy[list(LIPS_OUTER)]
    if (lips < 0).any() or (lips >= [photo.shape[1], photo.shape[0]]).any():
        raise BadInput("photo", "the lips are outside it: send one with the whole face", "lips_hidden")
    red, line = lips_seen(part, at, skin)
    if red < PALE_LIPS and line < FAINT_LINE:
        raise BadInput(
            "photo", "the lips are hidden (by a hand, a mask, a beard): send one where they can be seen", "lips_hidden"
        )


def lips_seen(part: Bytes, face: Face, skin: list[NDArray[np.float64]]) -> tuple[float, float]:
    """How much redder the lips are than what is around them, in CIELAB's a, and how much darker the line between them,
    or how unlike them the open mouth, in L, as on skin of L = 60. skin: patches of it."""
    shape = part.shape[:2]
    lab = srgb_to_lab(part)
    centre = face.xy[list(LIPS_OUTER)].mean(0)
    wider = face.points.copy()
    wider[:, :2] = centre + (wider[:, :2] - centre) * [1.3, 1.7]
    square = np.ones((3, 3), np.uint8)
    whole = inside(face, LIPS_OUTER, shape)
    mouth = inside(face, LIPS_INNER, shape)
    lips = whole & ~cv2.dilate(mouth.astype(np.uint8), square).astype(bool)
    ring = inside(Face(wider), LIPS_OUTER, shape) & ~cv2.dilate(whole.astype(np.uint8), square, iterations=2).astype(
        bool
    )
    if lips.sum() < 10 or ring.sum() < 10:
        return 0.0, 0.0
    lip, around = np.median(lab[lips], 0), np.median(lab[ring], 0)
    opened = mouth.sum() > 0.12 * whole.sum()
    inner = abs(float(np.median(lab[mouth][:, 0]) - lip[0])) if opened else 0.0
    own = np.concatenate(skin)
    unit = 60 / max(20.0, float(np.median(srgb_to_lab(own)[:, 0]))) if len(own) else 1.0
    return float(lip[1] - around[1]), max(inner, _line(lab[..., 0], face)) * unit


def _line(lightness: NDArray[np.float64], face: Face) -> float:
    """How much darker the mouth's line is than the lips, median of seven cuts through them."""
    depths = []
    for top, bottom in _LIP_CUTS:
        ends = face.xy[top], face.xy[bottom]
        cut = (ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 21, dtype=np.float32)[:, None])[None]
        values = cv2.remap(lightness.astype(np.float32), cut[..., 0], cut[..., 1], cv2.INTER_LINEAR)[0]
        depths.append(np.median(values[[2, 3, 4, 16, 17, 18]]) - values[4:17].min())
    return float(np.median(depths))


def _cheeks_and_forehead(face: Face, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.any([inside(face, points, shape) for points in PATCHES], axis=0)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float64)
