"""A swatch: a piece of folded cloth that we draw, wearing a style. It is what a named style looks like in lists."""

from __future__ import annotations

import cv2
import numpy as np

from persona.catalog.pictures import Bytes, premultiply
from persona.style.model import StyleModel
from persona.style.picture import Floats

SIDE = 256  # pixels
_CORNER = 0.12  # of the side: radius of the cloth's corners
_GREY = 178.0  # of cloth that is neither lit nor shaded


def draw_swatch(model: StyleModel, style: Floats) -> Bytes:
    """The cloth in a style (d,), premultiplied uint8 (256, 256, 4)."""
    return model.apply(draw_cloth(), style)


def draw_cloth(side: int = SIDE) -> Bytes:
    """Light cloth that hangs in folds, premultiplied uint8 (side, side, 4): always the same."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    folds = np.sin(2 * np.pi * (2.2 * x + 0.35 * np.sin(2.1 * y + 0.6)))
    creases = 0.35 * np.sin(2 * np.pi * (5.3 * x - 1.1 * y) + 1.3) * (1 - y)
    light = _GREY * (1 + 0.2 * folds + 0.12 * creases - 0.08 * (y - 0.5))
    weave = np.random.default_rng(0).normal(0, 3, (side, side)).astype(np.float32)
    rgb = np.clip(light + cv2.GaussianBlur(weave, (0, 0), 0.7), 0, 255)[..., None].repeat(3, 2)
    return premultiply(np.dstack([rgb, _rounded(side)]).astype(np.uint8))


def _rounded(side: int) -> Floats:
    """Alpha of a square with round corners, from 0 to 255."""
    edge, radius = 0.03 * side, _CORNER * side
    away = np.abs(np.arange(side) + 0.5 - side / 2) - (side / 2 - edge - radius)
    across, down = np.maximum(away[None], 0), np.maximum(away[:, None], 0)
    return np.asarray(255 * np.clip(radius - np.hypot(across, down) + 0.5, 0, 1), np.float32)
