"""Who finds faces: MediaPipe's face mesh, the last release that brings its models along, and landmarks that are known.

The mesh's own detector sees faces that fill the photo. The full-range one sees them from a twentieth of its width on;
where neither finds any, it looks through parts of the photo. Each face is then read from a crop around it, so a small
one costs no accuracy.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.makeup.face import POINTS, Box, Bytes, Face, LandmarkDetector
from persona.mediapipe_models import broken, check_installed, open_solutions, quiet

MOST_FACES = 8
SEEN = 640  # pixels of the longer side that are looked at for faces
READ = 640  # pixels of a side that one face is read from
MARGIN = 2.2  # side of the crop that a face is read from, in sides of its detection
SURE = 0.5  # score from which on a detection is a face
TILED = 512  # pixels of the longer side from which on parts are searched too
NARROW = 32  # pixels of the shorter side below which no part could show a face
SAME = 0.4  # detections that overlap so much (of the smaller) are one face
_MESH = {
    "static_image_mode": True, "max_num_faces": 4, "refine_landmarks": True, "min_detection_confidence": SURE,
}  # fmt: skip

Boxes = NDArray[np.float64]  # (n, 5): left, top, right, bottom in pixels, score


class MediaPipeDetector:
    """The face mesh of MediaPipe 0.10.21 with refined lips and eyes, on the CPU and without a network.

    Opens with the first photo (about two seconds, once) and may be used by several threads; they take turns. Raises
    OutOfDate where MediaPipe is not installed or has lost its models.
    """

    def __init__(self, most_faces: int = MOST_FACES) -> None:
        self.most_faces = most_faces
        self._lock = threading.Lock()
        self._graphs: tuple[Any, Any, Any] | None = None
        self._silent = False  # its last word on opening comes with the first face

    def detect(self, photo: Bytes) -> list[Face]:
        """Every face, largest first, in pixels of the photo; see LandmarkDetector."""
        with self._lock, quiet(not self._silent):
            near, far, mesh = self._open()
            boxes = _find(photo, near, far)[: self.most_faces]
            faces = [face for face in (_read(photo, box, mesh) for box in boxes) if face is not None]
            self._silent = self._silent or bool(faces)
        return sorted(_distinct(faces), key=lambda face: -face.eye_distance)

    def close(self) -> None:
        """Free the models. The next photo opens them again."""
        with self._lock:
            for graph in self._graphs or ():
                graph.close()
            self._graphs, self._silent = None, False

    def __enter__(self) -> MediaPipeDetector:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self) -> tuple[Any, Any, Any]:
        if self._graphs is None:
            found, opened = open_solutions(), []
            try:
                for near in (True, False):
                    kind = {"model_selection": 0 if near else 1, "min_detection_confidence": SURE}
                    opened.append(found.face_detection.FaceDetection(**kind))
                self._graphs = opened[0], opened[1], found.face_mesh.FaceMesh(**_MESH)
            except (OSError, RuntimeError, ValueError) as error:
                for graph in opened:
                    graph.close()
                raise broken(error) from error
        return self._graphs


class KnownLandmarks:
    """Photos whose faces are known, like drawn charts: it finds in each exactly what it was given for it.

    A photo is recognised by all its pixels; in any other one it finds nothing.
    """

    def __init__(self, known: Iterable[tuple[Bytes, Iterable[Face]]] = ()) -> None:
        self._faces: dict[str, list[Face]] = {}
        for photo, faces in known:
            self.add(photo, faces)

    def add(self, photo: Bytes, faces: Iterable[Face]) -> None:
        """Know the faces of one more photo."""
        self._faces[_digest(photo)] = sorted(faces, key=lambda face: -face.eye_distance)

    def detect(self, photo: Bytes) -> list[Face]:
        """The faces given for this very photo, largest first."""
        return list(self._faces.get(_digest(photo), ()))


def open_detector() -> LandmarkDetector:
    """The detector of this installation, its models not loaded yet.

    Raises OutOfDate where MediaPipe is not installed, saying what to install; warns where two distributions
    installed the same cv2.
    """
    check_installed()
    return MediaPipeDetector()


def _find(photo: Bytes, near: Any, far: Any) -> Boxes:
    """The faces of a photo, (n, 5), surest first."""
    height, width = photo.shape[:2]
    small, scale = _shrunk(photo, SEEN)
    boxes = np.concatenate([_boxes(small, near), _boxes(small, far)])
    boxes[:, :4] *= scale
    for parts in (2, 3) if max(height, width) >= TILED and min(height, width) >= NARROW else ():
        if not len(boxes):
            boxes = np.concatenate([_boxes_in(photo, tile, far) for tile in _tiles(height, width, parts)])
    kept: list[NDArray[np.float64]] = []
    for box in boxes[np.argsort(-boxes[:, 4], kind="stable")]:
        if all(_overlap(box, other) < SAME for other in kept):
            kept.append(box)
    return np.array(kept).reshape(-1, 5)


def _tiles(height: int, width: int, parts: int) -> Iterator[Box]:
    """Parts of 1/parts of a side each, overlapping by half of themselves."""
    high, wide = height // parts, width // parts
    for row in range(2 * parts - 1):
        for column in range(2 * parts - 1):
            left, top = column * wide // 2, row * high // 2
            yield left, top, left + wide, top + high


def _boxes_in(photo: Bytes, box: Box, detector: Any) -> Boxes:
    part, scale = _shrunk(photo[box[1] : box[3], box[0] : box[2]], SEEN)
    boxes = _boxes(part, detector)
    boxes[:, :4] = boxes[:, :4] * scale + [box[0], box[1], box[0], box[1]]
    return boxes


def _boxes(photo: Bytes, detector: Any) -> Boxes:
    found = detector.process(photo).detections or ()
    rows = []
    for one in found:
        box = one.location_data.relative_bounding_box
        rows.append([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height, one.score[0]])
    height, width = photo.shape[:2]
    return np.array(rows, np.float64).reshape(-1, 5) * [width, height, width, height, 1]


def _read(photo: Bytes, box: NDArray[np.float64], mesh: Any) -> Face | None:
    """The face of one detection; None where the mesh sees none there."""
    height, width = photo.shape[:2]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = MARGIN / 2 * max(box[2] - box[0], box[3] - box[1])
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    right, bottom = min(int(x + half) + 1, width), min(int(y + half) + 1, height)
    if right - left < 8 or bottom - top < 8:
        return None
    part, scale = _shrunk(photo[top:bottom, left:right], READ)
    rows = part.shape[0] * scale, part.shape[1] * scale
    best: tuple[float, Any] | None = None
    for one in mesh.process(part).multi_face_landmarks or ():
        points = np.array([(p.x, p.y, p.z) for p in one.landmark[:POINTS]], np.float64)  # the rest are the irises
        points = points * [rows[1], rows[0], rows[1]] + [left, top, 0]
        off = float(np.hypot(*(points[:, :2].mean(0) - (x, y))))
        if off < half / MARGIN * 1.2 and (best is None or off < best[0]):
            best = off, points
    return None if best is None else Face(best[1].astype(np.float32), float(box[4]))


def _distinct(faces: list[Face]) -> list[Face]:
    """Without what was read twice from two detections."""
    kept: list[Face] = []
    for face in faces:
        centre = face.xy.mean(0)
        if all(np.linalg.norm(centre - other.xy.mean(0)) > SAME * other.eye_distance for other in kept):
            kept.append(face)
    return kept


def _shrunk(photo: Bytes, side: int) -> tuple[Bytes, float]:
    """The photo with its longer side at most `side`, and how many of its pixels one of these is."""
    scale = max(1.0, max(photo.shape[:2]) / side)
    if scale == 1.0:
        return np.ascontiguousarray(photo), 1.0
    height, width = (max(1, round(length / scale)) for length in photo.shape[:2])
    return np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8), scale


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Shared area, of the smaller box."""
    sides = np.minimum(one[2:4], other[2:4]) - np.maximum(one[:2], other[:2])
    areas = [float(np.prod(box[2:4] - box[:2])) for box in (one, other)]
    return float(np.prod(np.maximum(sides, 0))) / max(min(areas), 1e-9)


def _digest(photo: Bytes) -> str:
    return hashlib.sha256(repr(photo.shape).encode() + np.ascontiguousarray(photo, np.uint8).tobytes()).hexdigest()
