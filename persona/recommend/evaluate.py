"""Is a generated garment liked by the user it was made for? Judged by a model that had no part in making it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from persona.gan import GarmentModel, sample
from persona.taste.modes import taste_modes
from persona.taste.table import Floats, ItemTable
from persona.taste.wins import Wins, wins_of

__all__ = ["Judge", "Wins", "garments_for", "preference_wins"]

Judge = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""Pictures (n, h, w, 4), premultiplied -> how much each user likes each: (n, users)."""


def garments_for(
    users: Floats, table: ItemTable, vectors: Floats, model: GarmentModel, *, each: int = 4, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Garments for each user's taste modes: pictures uint8 (users * each, s, s, 4), and whose each is, int64.

    users: float32 (u, d), user vectors of the taste model; vectors: float32 (n, d), its item vectors of the table.
    """
    modes = [
        mode for number, user in enumerate(users)
        for mode in taste_modes(user, table, vectors, count=each, seed=seed + number)
    ]  # fmt: skip
    conditions, categories = np.stack([mode.condition for mode in modes]), [mode.category for mode in modes]
    pictures = sample(model, conditions, categories, [seed + number for number in range(len(modes))])
    return pictures, np.repeat(np.arange(len(users)), each)


def preference_wins(
    pictures: NDArray[np.uint8], owners: NDArray[np.integer], judge: Judge, *, seed: int = 0, resamples: int = 2000
) -> Wins:
    """How often a picture is liked more by the user it was made for than by another one. Chance is one half.

    pictures: (n, h, w, 4). owners: (n,) column, in the judge's answer, of the user whom each was made for. Counted, and
    raising ValueError, as `persona.taste.wins.wins_of`.
    """
    scores = np.asarray(judge(pictures), np.float64)
    if len(scores) != len(pictures):
        raise ValueError(f"judge: scores {scores.shape} of {len(pictures)} pictures, wanted (pictures, users)")
    return wins_of(scores, owners, seed=seed, resamples=resamples)
