"""Is what was made for one user liked more by them than by others? One count for everything that is generated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Wins:
    """Share of (picture, wrong user) pairs that the right user wins, and its 95 % bootstrap interval over users."""

    share: float
    low: float
    high: float
    pictures: int
    users: int


def wins_of(scores: NDArray[np.floating], owners: NDArray[np.integer], *, seed: int = 0, resamples: int = 2000) -> Wins:
    """How often something is liked more by the user it was made for than by another one. Chance is one half.

    scores: (n, users), how much each user likes each thing. owners: (n,) column of the user whom each was made for.
    Each user's scores are standardised over all the things first, since some users like everything. Ties count half.
    The interval resamples users, not things: the things of one user stand or fall together. Raises ValueError for other
    shapes, and where there is no wrong user.
    """
    users, by_user = wins_by_user(scores, owners)
    drawn = np.random.default_rng(seed).integers(len(users), size=(resamples, len(users)))
    low, high = np.quantile(by_user[drawn].mean(1), [0.025, 0.975])
    return Wins(float(by_user.mean()), float(low), float(high), len(owners), len(users))


def wins_by_user(
    scores: NDArray[np.floating], owners: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """The users who own something, rising, and the share that their things win: as `wins_of`, user by user."""
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2 or len(scores) != len(owners):
        raise ValueError(f"judge: scores {scores.shape} of {len(owners)} pictures, wanted (pictures, users)")
    if scores.shape[1] < 2 or len(np.unique(owners)) < 2:
        raise ValueError("owners: at least two users are needed, or there is no wrong one")
    scores = (scores - scores.mean(0)) / np.maximum(scores.std(0), 1e-12)
    right = scores[np.arange(len(scores)), owners][:, None]
    beaten = (scores < right) + 0.5 * (scores == right)
    by_thing = (beaten.sum(1) - 0.5) / (scores.shape[1] - 1)  # its own column is a tie with itself
    users = np.unique(owners)
    return users, np.array([by_thing[owners == user].mean() for user in users])
