"""Garments drawn for the tests: one outline, filled with a print that a seed chooses."""

from __future__ import annotations

import numpy as np

from persona.catalog.pictures import Bytes, premultiply
from persona.style.bench import garment_like
from persona.style.picture import opaque
from persona.style.prints import PRINTS, draw_print


def garment(seed: int, side: int = 64) -> Bytes:
    """Premultiplied (side, side, 4)."""
    alpha = garment_like(side)[..., 3]
    return premultiply(np.dstack([printed(seed, side)[..., :3], alpha]))


def printed(seed: int, side: int = 64) -> Bytes:
    """A print that fills its square, (side, side, 4)."""
    return opaque(draw_print(list(PRINTS)[seed % len(PRINTS)], side, seed))
