"""Garments drawn by the tests: coloured silhouettes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.measure import measure, seasons_of, style_of
from persona.catalog.pictures import Pictures
from persona.store import Item, Rights

COLOURS = {
    "red": (200, 30, 40), "green": (40, 150, 60), "blue": (40, 80, 200), "black": (20, 20, 22),
    "white": (240, 240, 238), "yellow": (230, 200, 40),
}  # fmt: skip
OUTLINES = {
    "t-shirt": [(20, 20), (108, 20), (124, 50), (104, 60), (100, 116), (28, 116), (24, 60), (4, 50)],
    "pants": [(36, 6), (92, 6), (100, 122), (72, 122), (64, 50), (56, 122), (28, 122)],
    "shoes": [(6, 70), (50, 60), (120, 92), (122, 108), (6, 108)],
    "dress": [(44, 6), (84, 6), (80, 50), (110, 122), (18, 122), (48, 50)],
    "outwear": [(24, 10), (104, 10), (122, 110), (96, 110), (92, 122), (36, 122), (32, 110), (6, 110)],
    "hat": [(30, 60), (64, 30), (98, 60), (122, 80), (6, 80)],
}
RIGHTS = Rights(licence="CC0-1.0", source="drawn by the test")


def draw(category: str, colour: tuple[int, int, int], shift: int = 0) -> NDArray[np.uint8]:
    """A premultiplied silhouette, uint8 (128, 128, 4)."""
    rgba = np.zeros((128, 128, 4), np.uint8)
    points = np.array(OUTLINES[category], np.int32) + [shift, 0]
    cv2.fillPoly(rgba, [points], (*colour, 255), lineType=cv2.LINE_8)
    return rgba


def garment(pictures: Pictures, category: Any, colour: str, number: int = 0) -> Item:
    """An item whose picture is drawn, stored and measured."""
    rgba = draw(category, COLOURS[colour], number)
    measured = measure(rgba)
    return Item(
        id=f"{category}-{colour}-{number}",
        category=category,
        picture=pictures.put(rgba),
        lab=measured.lab,
        colour=measured.colour,
        pattern=measured.pattern,
        style=style_of(category),
        seasons=seasons_of(category),
        rights=RIGHTS,
    )
