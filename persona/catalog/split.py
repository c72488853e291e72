"""The held-out part of a catalogue: whole owners, so that no wardrobe stands on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARE = 0.11  # of the pictures, held out
LARGEST = 0.04  # of the pictures: an owner of more is trained on, or one wardrobe would be the whole test


def held_out(owners: Sequence[str | None], share: float = SHARE) -> NDArray[np.bool_]:
    """Which of the items are held out from training: bool (n,), the same for the same owners in any order.

    Owners are taken by the hash of their name until they bring the share. An item without an owner is its own.
    """
    names = [owner if owner is not None else f"item {index}" for index, owner in enumerate(owners)]
    counts = Counter(names)
    wanted, chosen, taken = share * len(names), set(), 0
    for name in sorted(counts, key=lambda owner: hashlib.sha256(owner.encode()).digest()):
        if taken >= wanted:
            break
        if counts[name] <= max(1, LARGEST * len(names)):
            chosen.add(name)
            taken += counts[name]
    return np.array([name in chosen for name in names], bool)
