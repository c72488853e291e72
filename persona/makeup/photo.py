"""Photos of people as they come in: bounded before they are decoded, upright, in sRGB, and nothing of their EXIF."""

from __future__ import annotations

import numpy as np

from persona.catalog.pictures import MOST_PIXELS, decode_photo
from persona.errors import BadInput
from persona.makeup.face import Bytes

MOST_BYTES = 25_000_000  # of the file: a phone's photo of 48 million pixels has about 15 MB


def open_photo(
    content: bytes, *, max_bytes: int = MOST_BYTES, max_pixels: int = MOST_PIXELS, field: str = "photo"
) -> Bytes:
    """The pixels of an uploaded photo, uint8 (h, w, 3), what is transparent on white.

    Raises BadInput with this field and a code: no_photo, too_many_bytes, not_a_picture, too_many_pixels, animated or
    broken. Size in bytes and in pixels is checked before anything is decoded.
    """
    photo = open_picture(content, max_bytes=max_bytes, max_pixels=max_pixels, field=field)
    return photo if photo.shape[2] == 3 else _on_white(photo)


def open_picture(
    content: bytes, *, max_bytes: int = MOST_BYTES, max_pixels: int = MOST_PIXELS, field: str = "picture"
) -> Bytes:
    """The same with its transparency, where it has any: uint8 (h, w, 3), or (h, w, 4) with straight alpha."""
    if len(content) > max_bytes:
        raise BadInput(field, f"has more than {max_bytes / 1e6:g} MB: send a smaller one", "too_many_bytes")
    return decode_photo(content, max_pixels=max_pixels, stills_only=True, field=field)


def _on_white(rgba: Bytes) -> Bytes:
    """Straight alpha over white, row by row: a photo may be large."""
    result = np.empty((*rgba.shape[:2], 3), np.uint8)
    for row, onto in zip(rgba, result):
        alpha = row[:, 3:].astype(np.uint16)
        onto[:] = (row[:, :3] * alpha + (255 - alpha) * 255 + 127) // 255
    return result
