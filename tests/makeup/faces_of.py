"""Photos to try face reading on, of a portrait or a chart: turned, dimmed, covered; and what is no photo at all."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from persona.makeup.face import LEFT_EYE, LIPS_OUTER, OVAL, RIGHT_EYE, Bytes, Face
from persona.makeup.skin import inside

LOWER_FACE = (
    234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 346, 5, 117,
)  # fmt: skip


def linear(photo: Bytes) -> np.ndarray:
    encoded = photo / 255.0
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> Bytes:
    light = np.clip(light, 0, 1)
    return np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)).astype(
        np.uint8
    )


def lit(photo: Bytes, gains: tuple[float, float, float] = (1, 1, 1), stops: float = 0.0) -> Bytes:
    """Under coloured light, or so many stops brighter."""
    return encoded(linear(photo) * np.array(gains) * 2**stops)


def dim(photo: Bytes, stops: float) -> Bytes:
    """So many stops darker, with the grain of a sensor."""
    light = linear(photo) / 2**stops
    grain = np.random.default_rng(0).normal(0, 1, light.shape) * np.sqrt(4.5e-5 * light + 9e-7)
    return encoded(light + grain)


def turned(photo: Bytes, face: Face, yaw: float) -> Bytes:
    """The photo with the head turned by so many degrees, by the mesh's depth; what turns away is left behind."""
    points = face.points.astype(float)
    centre, oval = points.mean(0), points[list(OVAL)]
    around = [centre + (oval - centre) * [k, k, 1] + [0, 0, (k - 1) * 60] for k in (1.25, 1.5)]
    before = np.concatenate([points, *around])
    a = np.radians(yaw)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    axis = centre + [0, 0, 60]
    after = (before - axis) @ turn.T + axis
    triangles = Delaunay(before[:, :2]).simplices
    folded = np.sign(_area(before[triangles])) != np.sign(_area(after[triangles]))
    keep = np.ones(len(before), bool)
    for corners in triangles[folded]:
        keep[corners[np.argmax(after[corners, 2])]] = False
    return _warped(photo, before[keep, :2], after[keep, :2])


def masked(photo: Bytes, face: Face, colour: tuple[int, int, int]) -> Bytes:
    """With a cloth over mouth and nose."""
    where = inside(face, LOWER_FACE, photo.shape[:2]).astype(np.float32)
    where = cv2.GaussianBlur(where, (0, 0), 1.5)[..., None]
    rows = np.mgrid[: photo.shape[0], : photo.shape[1]][0]
    folds = 1 + 0.06 * np.sin(rows / (face.eye_distance * 0.06))
    cloth = np.array(colour) * folds[..., None] + np.random.default_rng(1).normal(0, 3, photo.shape)
    return np.clip(photo * (1 - where) + cloth * where, 0, 255).astype(np.uint8)


def asleep(photo: Bytes, face: Face) -> Bytes:
    """With shut eyes: skin over them, and the lashes on the lower lid."""
    shut = photo
    for eye, lower in ((RIGHT_EYE, RIGHT_EYE[:9]), (LEFT_EYE, LEFT_EYE[:9])):
        wide = float(np.linalg.norm(face.xy[lower[0]] - face.xy[lower[-1]]))
        around = np.ones((int(wide * 0.22) | 1,) * 2, np.uint8)
        lid = cv2.dilate(inside(face, eye, photo.shape[:2]).astype(np.uint8), around)
        skin = cv2.inpaint(shut, lid, 5, cv2.INPAINT_TELEA)
        skin = np.where(lid[..., None] > 0, cv2.GaussianBlur(skin, (0, 0), wide * 0.06), skin)
        lashes = np.zeros(photo.shape[:2], np.float32)
        line = np.rint(face.xy[list(lower)] * 8).astype(np.int32)
        cv2.polylines(lashes, [line], False, (1.0,), max(1, int(wide * 0.05)), cv2.LINE_AA, 3)
        lashes = cv2.GaussianBlur(lashes, (0, 0), max(wide * 0.015, 0.5))[..., None]
        shut = np.clip(skin * (1 - 0.75 * np.clip(lashes, 0, 1)), 0, 255).astype(np.uint8)
    return shut


def bearded(photo: Bytes, face: Face) -> Bytes:
    """With a full dark beard around the lips."""
    beard = inside(face, (*LOWER_FACE[2:18], 410, 322, 326, 2, 97, 92, 186), photo.shape[:2])
    beard &= ~inside(face, LIPS_OUTER, photo.shape[:2])
    hair = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 1, photo.shape[:2]), (0, 0), 0.8)
    share = cv2.GaussianBlur(beard.astype(np.float64), (0, 0), 2) * (0.5 + 0.4 * np.clip(0.35 + 0.9 * hair, 0, 1))
    return (photo * (1 - share[..., None]) + np.array([40, 28, 20]) * share[..., None]).astype(np.uint8)


def cartoon(side: int = 512) -> Bytes:
    """A face as comics draw it, in flat colours."""
    drawn = np.full((side, side, 3), (120, 190, 240), np.uint8)
    at = lambda x, y: (int(x * side), int(y * side))  # noqa: E731
    cv2.ellipse(drawn, at(0.5, 0.42), at(0.3, 0.34), 0, 0, 360, (60, 35, 20), -1, cv2.LINE_AA)
    cv2.ellipse(drawn, at(0.5, 0.5), at(0.25, 0.33), 0, 0, 360, (240, 195, 160), -1, cv2.LINE_AA)
    for x in (0.39, 0.61):
        cv2.ellipse(drawn, at(x, 0.45), at(0.055, 0.03), 0, 0, 360, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(drawn, at(x, 0.45), int(0.026 * side), (60, 40, 25), -1, cv2.LINE_AA)
        cv2.ellipse(drawn, at(x, 0.385), at(0.075, 0.025), 0, 190, 350, (60, 35, 20), int(0.018 * side), cv2.LINE_AA)
    cv2.ellipse(drawn, at(0.5, 0.58), at(0.035, 0.02), 0, 0, 180, (200, 140, 110), int(0.012 * side), cv2.LINE_AA)
    cv2.ellipse(drawn, at(0.5, 0.69), at(0.085, 0.033), 0, 0, 360, (200, 70, 80), -1, cv2.LINE_AA)
    cv2.line(drawn, at(0.42, 0.69), at(0.58, 0.69), (120, 30, 40), int(0.008 * side), cv2.LINE_AA)
    return drawn


def cat(side: int = 512) -> Bytes:
    """A cat's face."""
    drawn = np.full((side, side, 3), (150, 170, 150), np.uint8)
    at = lambda x, y: (int(x * side), int(y * side))  # noqa: E731
    for sign in (-1, 1):
        ear = np.array([at(0.5 + sign * 0.32, 0.12), at(0.5 + sign * 0.3, 0.45), at(0.5 + sign * 0.08, 0.3)])
        cv2.fillPoly(drawn, [ear], (120, 100, 80), cv2.LINE_AA)
    cv2.ellipse(drawn, at(0.5, 0.52), at(0.34, 0.28), 0, 0, 360, (135, 115, 92), -1, cv2.LINE_AA)
    for sign in (-1, 1):
        cv2.ellipse(drawn, at(0.5 + sign * 0.15, 0.46), at(0.075, 0.06), 0, 0, 360, (190, 200, 70), -1, cv2.LINE_AA)
        cv2.ellipse(drawn, at(0.5 + sign * 0.15, 0.46), at(0.015, 0.055), 0, 0, 360, (10, 10, 10), -1, cv2.LINE_AA)
        for y in (0.62, 0.65, 0.68):
            cv2.line(
                drawn, at(0.5 + sign * 0.08, y), at(0.5 + sign * 0.46, 2 * y - 0.66), (240, 240, 240), 2, cv2.LINE_AA
            )
    nose = np.array([at(0.46, 0.58), at(0.54, 0.58), at(0.5, 0.62)])
    cv2.fillPoly(drawn, [nose], (200, 120, 120), cv2.LINE_AA)
    for sign in (-1, 1):
        cv2.ellipse(drawn, at(0.5 + sign * 0.04, 0.64), at(0.04, 0.03), 0, 0, 180, (40, 30, 30), 3, cv2.LINE_AA)
    fur = np.random.default_rng(0).normal(0, 8, drawn.shape)
    return np.clip(drawn + cv2.GaussianBlur(fur, (3, 3), 0), 0, 255).astype(np.uint8)


def _area(triangles: np.ndarray) -> np.ndarray:
    one, other = triangles[:, 1, :2] - triangles[:, 0, :2], triangles[:, 2, :2] - triangles[:, 0, :2]
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _warped(photo: Bytes, before: np.ndarray, after: np.ndarray) -> Bytes:
    height, width = photo.shape[:2]
    edge = [(x, y) for x in np.linspace(0, width - 1, 9) for y in (0, height - 1)]
    edge += [(x, y) for x in (0, width - 1) for y in np.linspace(0, height - 1, 9)[1:-1]]
    rows, columns = np.mgrid[:height, :width]
    whence = LinearNDInterpolator(Delaunay(np.concatenate([after, edge])), np.concatenate([before, edge]))(
        columns, rows
    )
    return cv2.remap(
        photo, np.nan_to_num(whence).astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
