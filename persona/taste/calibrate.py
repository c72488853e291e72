"""How strong taste is beside popularity, in real histories and in simulated ones alike: what sets the simulator.

Leave-one-out: each user's last event is to be found among all items but those of the user's other events, by how
popular items are and by item co-occurrence (`persona.taste.cooccurrence`, as configured there), scored by NDCG@10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from persona.taste import baselines
from persona.taste.cooccurrence import Cooccurrence
from persona.taste.history import NEGATIVE_CODES
from persona.taste.metrics import accuracy, rank_cases
from persona.taste.sequences import Cases, Sequences
from persona.taste.simulate import Simulator, simulate
from persona.taste.table import ItemTable
from persona.taste.users import Ints

ITEMS, USERS, EVENTS = 12_101, 24_000, 11.0  # of Beauty's size; simulated users of under five events are left out
FEWEST = 5  # positive events of a user, as in a 5-core
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
    """Mean NDCG@10 of popularity and of co-occurrence over the users named, each asked for their last event."""
    lengths = np.array([len(rows) for rows in histories])
    users, rows = (list(map(str, range(count))) for count in (len(histories), items))
    taken = Sequences(users, rows, np.concatenate([[0], np.cumsum(lengths)]), np.concatenate(histories))
    train = taken.kept(lengths - 1)
    scorers = (
        baselines.popularity(train.popularity()),
        baselines.cooccurrence(Cooccurrence.of(items, train.starts, train.rows)),
    )
    cases = Cases(taken, ranked_for, lengths[ranked_for] - 1)
    popular, common = (accuracy(rank_cases(scorer, cases).ranks)["ndcg10"] for scorer in scorers)
    return popular, common


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
