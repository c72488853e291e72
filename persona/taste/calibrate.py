"""How strong taste is beside popularity, in real histories and in simulated ones alike: what sets the simulator.

Leave-one-out: each user's last event is to be found among all items but those of the user's other events, by how
popular items are and by item co-occurrence, scored by NDCG@10. The co-occurrence is directed and time-decayed: an event
d places before another adds .8^(d - 1) from the earlier item to the later one and .3 of it back; rows are divided by
(popularity + 1)^.3, columns by its power .2; a user's score is the sum over their events, each .6 of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from persona.taste.history import NEGATIVE_CODES
from persona.taste.simulate import Simulator, simulate
from persona.taste.table import ItemTable
from persona.taste.users import Ints

ITEMS, USERS, EVENTS = 12_101, 24_000, 11.0  # of Beauty's size; simulated users of under five events are left out
FEWEST = 5  # positive events of a user, as in a 5-core
K = 10
JITTER = 0.3  # deviation, in each content dimension, between a garment and its copies


@dataclass(frozen=True)
class Strength:
    """top_tenth: events of the most popular tenth of items, a share; the rest are NDCG@10, shuffled: without order."""

    top_tenth: float
    popularity: float
    cooccurrence: float
    popularity_shuffled: float
    cooccurrence_shuffled: float


def strength(histories: Sequence[Ints], items: int, *, most: int = 8000, seed: int = 0) -> Strength:
    """Measure histories: rows (0 to items - 1) per user, oldest first, at least two each. most: users ranked for."""
    rng = np.random.default_rng(seed)
    counts = np.sort(np.bincount(np.concatenate(histories), minlength=items))[::-1]
    ranked_for = rng.permutation(len(histories))[:most]
    plain = leave_one_out(histories, items, ranked_for)
    shuffled = leave_one_out([rng.permutation(rows) for rows in histories], items, ranked_for)
    return Strength(float(counts[: items // 10].sum() / counts.sum()), *plain, *shuffled)


def leave_one_out(histories: Sequence[Ints], items: int, ranked_for: Ints) -> tuple[float, float]:
    """Mean NDCG@10 of popularity and of co-occurrence over the users named."""
    owner = np.repeat(np.arange(len(histories)), [len(rows) - 1 for rows in histories])
    row = np.concatenate([rows[:-1] for rows in histories])
    age = np.concatenate([np.arange(len(rows) - 2, -1, -1) for rows in histories])
    wanted = np.array([rows[-1] for rows in histories])
    popularity = np.bincount(row, minlength=items).astype(np.float64)
    together = cooccurrence(owner, row, popularity)
    read = sparse.csr_matrix((0.6**age, (owner, row)), (len(histories), items))
    tie = 1e-9 * np.random.default_rng(0).random(items)
    gains = []
    for users in np.array_split(ranked_for, max(1, len(ranked_for) // 500)):
        seen = read[users].toarray() > 0
        for scores in (np.tile(popularity + tie, (len(users), 1)), (read[users] @ together).toarray() + tie):
            scores[seen] = -np.inf
            gains.append(_gains(scores, wanted[users]))
    popular, common = np.concatenate(gains[::2]), np.concatenate(gains[1::2])
    return float(popular.mean()), float(common.mean())


def cooccurrence(owner: Ints, row: Ints, popularity: NDArray[np.float64]) -> sparse.csr_matrix:
    """From the item before to the item after, (n, n), of events (m,) that stand in order within each owner."""
    after, weights = [], []
    for distance in range(1, int(np.bincount(owner).max(initial=1))):
        both = np.flatnonzero(owner[distance:] == owner[:-distance])
        after.append(np.stack([row[both], row[both + distance]]))
        weights.append(np.full(len(both), 0.8 ** (distance - 1)))
    pairs, weight = np.concatenate(after, 1), np.concatenate(weights)
    n = len(popularity)
    forward = sparse.csr_matrix((weight, (pairs[0], pairs[1])), (n, n))
    rows, columns = sparse.diags((popularity + 1) ** -0.3), sparse.diags((popularity + 1) ** -0.2)
    return sparse.csr_matrix(rows @ (forward + 0.3 * forward.T) @ columns)


def _gains(scores: NDArray[np.float64], wanted: Ints) -> NDArray[np.float64]:
    """NDCG@10 of one wanted item for each row of scores."""
    own = scores[np.arange(len(wanted)), wanted][:, None]
    place = (scores > own).sum(1)
    return np.where((place < K) & np.isfinite(own[:, 0]), 1 / np.log2(place + 2), 0.0)


def simulated_strength(
    table: ItemTable, settings: Simulator, *, items: int = ITEMS, users: int = USERS, seed: int = 0
) -> Strength:
    """The same of a simulated world of Beauty's size and density over these garments, copied until there are enough."""
    world = enlarged(table, items, seed)
    made = simulate(world, users, seed, Simulator(**(asdict(settings) | {"events": EVENTS}))).users
    kept = [made.row[part][~np.isin(made.kind[part], NEGATIVE_CODES)] for part in map(made.history, range(len(made)))]
    return strength([rows for rows in kept if len(rows) >= FEWEST], items, seed=seed)


def enlarged(table: ItemTable, items: int, seed: int = 0) -> ItemTable:
    """A table of so many items: these, and jittered copies of random ones."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.arange(len(table)), rng.integers(0, len(table), max(0, items - len(table)))])[:items]
    copies = [table.items[row].model_copy(update={"id": f"copy-{place}"}) for place, row in enumerate(rows.tolist())]
    noise = JITTER * rng.standard_normal((items, table.features.shape[1]))
    return ItemTable.of(copies, (table.features[rows] + noise) / np.sqrt(1 + JITTER**2))
