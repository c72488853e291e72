"""Vectors as the database holds them: little-endian float32, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.errors import BadInput

STORED = np.dtype("<f4")


def pack(vectors: NDArray[Any], count: int, field: str) -> list[bytes]:
    """One blob for each row of (count, d). Raises BadInput, naming the field, for another shape, NaN or infinity."""
    array = np.asarray(vectors)
    if array.ndim != 2 or len(array) != count:
        raise BadInput(field, f"shape {array.shape}, wanted ({count}, d): one row for each id")
    if not np.isfinite(array).all():
        raise BadInput(field, "hold NaN or infinity; something went wrong where they were computed")
    return [row.tobytes() for row in np.ascontiguousarray(array, STORED)]


def unpack(blobs: Sequence[bytes]) -> NDArray[np.float32]:
    """The vectors of blobs that are equally long: float32 (n, d), writable; (0, 0) for none."""
    if not blobs:
        return np.zeros((0, 0), np.float32)
    return np.frombuffer(b"".join(blobs), STORED).reshape(len(blobs), -1).astype(np.float32)
