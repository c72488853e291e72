"""Is a generated garment liked by the user it was made for? Judged by a model that had no part in making it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona.gan import GarmentModel, sample
from persona.taste.modes import taste_modes
from persona.taste.table import Floats, ItemTable

Judge = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""Pictures (n, h, w, 4), premultiplied -> how much each user likes each: (n, users)."""


@dataclass(frozen=True)
class Wins:
    """Share of (picture, wrong user) pairs that the right user wins, and its 95 % bootstrap interval over users."""

    share: float
    low: float
    high: float
    pictures: int
    users: int


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

    pictures: (n, h, w, 4). owners: (n,) column, in the judge's answer, of the user whom each was made for.
    Each user's scores are standardised over all the pictures first, since some users like everything. Ties count
    half. The interval resamples users, not pictures: the pictures of one user stand or fall together.
    """
    scores = np.asarray(judge(pictures), np.float64)
    if scores.ndim != 2 or len(scores) != len(pictures) or len(owners) != len(pictures):
        raise ValueError(f"judge: scores {scores.shape} of {len(pictures)} pictures, wanted (pictures, users)")
    if scores.shape[1] < 2 or len(np.unique(owners)) < 2:
        raise ValueError("owners: at least two users are needed, or there is no wrong one")
    scores = (scores - scores.mean(0)) / np.maximum(scores.std(0), 1e-12)
    right = scores[np.arange(len(scores)), owners][:, None]
    beaten = (scores < right) + 0.5 * (scores == right)
    by_picture = (beaten.sum(1) - 0.5) / (scores.shape[1] - 1)  # its own column is a tie with itself
    users = np.unique(owners)
    by_user = np.array([by_picture[owners == user].mean() for user in users])
    drawn = np.random.default_rng(seed).integers(len(users), size=(resamples, len(users)))
    low, high = np.quantile(by_user[drawn].mean(1), [0.025, 0.975])
    return Wins(float(by_user.mean()), float(low), float(high), len(pictures), len(users))
