"""How long a whole look takes on a photo, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch

from persona.errors import OutOfDate
from persona.makeup.chart import draw_chart
from persona.makeup.detector import open_detector
from persona.makeup.face import Bytes, Face
from persona.makeup.look import REGIONS, Look
from persona.makeup.regions import masks_of
from persona.makeup.render import apply, placements_of

_COLOURS = (  # in the order of REGIONS
    "#8a5a3c", "#6a4028", "#ffe4cc", "#c8505a", "#40281c", "#6b3f35", "#4a2a66", "#101014", "#7c1020", "#a01838",
)  # fmt: skip
FULL = Look.model_validate({"products": [{"region": r, "lab": c, "opacity": 0.7} for r, c in zip(REGIONS, _COLOURS)]})
SMALL, LARGE = 512, (3000, 4000)  # pixels: a square portrait, and 12 megapixels
ROUNDS = 15


def bench_makeup() -> dict[str, Any]:
    """Milliseconds, median of 15, of all ten products on a drawn face whose landmarks are known, on one thread.

    render512_ms, render12mp_ms: masks and rendering; masks512_ms: of these, the masks; detect512_ms, detect12mp_ms:
    finding the landmarks, absent where the face reader is not installed.
    """
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        return _measure()
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


def _measure() -> dict[str, Any]:
    chart = draw_chart("oval", 5, SMALL)
    face, small = chart.face, chart.picture
    large, its_face = _photo(small, face)
    return {
        "render512_ms": _milliseconds(lambda: apply(small, face, FULL)),
        "render12mp_ms": _milliseconds(lambda: apply(large, its_face, FULL)),
        "masks512_ms": _milliseconds(lambda: masks_of(face, (SMALL, SMALL), placements_of(FULL), small)),
        **_detection(small, large),
    }


def _photo(small: Bytes, face: Face) -> tuple[Bytes, Face]:
    """The same face in a photo of 12 megapixels, as high as the photo is."""
    height, width = LARGE
    photo = np.full((height, width, 3), 128, np.uint8)
    left, scale = (width - height) // 2, height / SMALL
    photo[:, left : left + height] = cv2.resize(small, (height, height), interpolation=cv2.INTER_CUBIC)
    return photo, face.moved((round(-left / scale), 0, 0, 0), scale)


def _detection(small: Bytes, large: Bytes) -> dict[str, Any]:
    try:
        detector = open_detector()
    except OutOfDate:
        return {}
    return {
        "detect512_ms": _milliseconds(lambda: detector.detect(small)),
        "detect12mp_ms": _milliseconds(lambda: detector.detect(large)),
    }


def _milliseconds(work: Callable[[], Any]) -> float:
    taken = []
    for turn in range(-3, ROUNDS):  # three to warm up
        begun = time.perf_counter()
        work()
        if turn >= 0:
            taken.append(1000 * (time.perf_counter() - begun))
    return round(median(taken), 1)
