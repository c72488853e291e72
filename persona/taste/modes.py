"""Taste modes: from a user vector to conditions for the generator.

The user vector ranks items; the generator was trained on content vectors of items. So a condition is made from content
vectors: one of the items nearest to the user is drawn by the softmax of their scores, and its content vector is drawn
toward the mean of the nearest ones of its category. It stays among what the generator has seen, and two draws give two
different things that the user likes. A user of several interests is drawn for each in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from persona.errors import BadInput
from persona.taste.interests import Interests
from persona.taste.rank import best, score
from persona.taste.table import KIND_NAMES, Codes, Floats, ItemTable, kind_code

NEAREST = 64  # items that the draw is from
VARIETY = 4  # categories that these are of, at least
PULL = 0.3  # share of the way from the drawn item to the mean
TEMPERATURE = 1.0  # of the softmax over scores: higher, more adventurous
NEIGHBOURS = 5


@dataclass(frozen=True)
class Mode:
    """One thing that the user likes. condition: float32 (64,), in the space of content vectors; category: of a garment,
    or the occasion of a look; table: of items like it."""

    condition: Floats
    category: str
    table: ItemTable = field(repr=False)

    @cached_property
    def items(self) -> list[int]:
        """The rows of its category nearest to the condition, nearest first."""
        same = np.flatnonzero(self.table.kind == kind_code(self.category))
        distances = np.square(self.table.features[same] - self.condition).sum(1)
        closest, _ = best(-distances, NEIGHBOURS)
        return same[closest].tolist()


def taste_modes(
    vector: Floats,
    table: ItemTable,
    vectors: Floats,
    *,
    count: int,
    seed: int,
    category: str | None = None,
    prior: Floats | None = None,
    nearest: int = NEAREST,
    pull: float = PULL,
    temperature: float = TEMPERATURE,
) -> list[Mode]:
    """count modes of a user vector (d,), the same for the same seed. category: only of this one.

    vectors (n, d): `TasteModel.item_vectors`. prior (n,): as in `rank`, -inf for an item not to be drawn; it decides
    for the zero vector. No item is drawn twice before all the nearest were. Raises BadInput if there is no item (of the
    category) to draw from.
    """
    rows = np.arange(len(table))
    if category is not None:
        rows = np.flatnonzero(table.kind == kind_code(category))
    scores = score(vector, vectors, prior)
    rows = rows[np.isfinite(scores[rows])]
    if not len(rows):
        raise BadInput("category", f"there is no {category or 'item'} to draw from; import some, or choose another one")
    near = _nearest(scores, rows, table, nearest, nearest if category is not None else max(1, nearest // VARIETY))
    rng = np.random.default_rng([seed, 1])
    drawn = [near[place] for place in _draw(scores[near] / temperature, count, rng)]
    return [_mode(row, near, table, pull) for row in drawn]


def interest_modes(
    interests: Interests, table: ItemTable, vectors: Floats, *, count: int, seed: int, **how: Any
) -> list[Mode]:
    """count modes of a user's interests in turn (`Interests.turns`), each as `taste_modes` of its vector alone.

    how: what else `taste_modes` takes. Raises as it does.
    """
    turns = interests.turns(count)
    drawn = {
        number: iter(
            taste_modes(interests.vectors[number], table, vectors, count=turns.count(number), seed=seed + number, **how)
        )
        for number in dict.fromkeys(turns)
    }
    return [next(drawn[number]) for number in turns]


def _nearest(scores: Floats, rows: Codes, table: ItemTable, count: int, most: int) -> Codes:
    """The rows of the highest scores, at most so many of one category, so that one favourite does not crowd out all."""
    categories = table.kind[rows]
    parts = [best(scores, most, rows[categories == category])[0] for category in np.unique(categories)]
    return best(scores, count, np.sort(np.concatenate(parts)))[0]


def _draw(logits: Floats, count: int, rng: np.random.Generator) -> list[int]:
    """Places drawn by the softmax of the logits without putting back (Gumbel top-k), begun anew when all are drawn."""
    places: list[int] = []
    while len(places) < count:
        keys = logits + rng.gumbel(size=len(logits))
        places += np.argsort(-keys, kind="stable").tolist()
    return places[:count]


def _mode(row: int, near: Codes, table: ItemTable, pull: float) -> Mode:
    category = table.kind[row]
    alike = near[table.kind[near] == category]
    condition = (1 - pull) * table.features[row] + pull * table.features[alike].mean(0)
    return Mode(condition.astype(np.float32), KIND_NAMES[category], table)
