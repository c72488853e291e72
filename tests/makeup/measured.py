"""What colours a chart has inside the outlines of its landmarks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import srgb_to_lab
from persona.makeup.chart import Chart
from persona.makeup.face import LEFT_BROW, LEFT_EYE, LIPS_OUTER, OVAL, RIGHT_BROW, RIGHT_EYE


def inside(chart: Chart, outline: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(chart.picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(chart.face.xy[list(outline)]).astype(np.int32)], (1,))
    return mask.astype(bool)


def skin_of(chart: Chart) -> NDArray[np.bool_]:
    skin = inside(chart, OVAL)
    brows = [(*low, *reversed(high)) for low, high in (LEFT_BROW, RIGHT_BROW)]
    for outline in (LIPS_OUTER, LEFT_EYE, RIGHT_EYE, *brows):
        skin &= ~cv2.dilate(inside(chart, outline).astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool)
    return skin


def median(chart: Chart, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(np.median(srgb_to_lab(chart.picture[where]), 0))
