"""An outfit: one garment for each slot, chosen together by how well each fits the user and how the colours agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona.recommend.harmony import harmony
from persona.recommend.seeds import digest
from persona.recommend.types import Slot
from persona.store.records import Category, Colour, Season

Floats = NDArray[np.float32]
SLOT_OF: dict[str, Slot] = {
    "t-shirt": "top", "longsleeve": "top", "shirt": "top", "polo": "top", "undershirt": "top", "hoodie": "top",
    "body": "top", "top": "top", "blouse": "top", "pants": "bottom", "shorts": "bottom", "skirt": "bottom",
    "dress": "dress", "shoes": "shoes", "outwear": "outer", "blazer": "outer",
}  # fmt: skip
"""Where a category is worn. A hat has no slot: an outfit is whole without one."""
SHAPES: tuple[tuple[Slot, ...], ...] = (("top", "bottom", "shoes"), ("dress", "shoes"))
COLD: tuple[Season, ...] = ("autumn", "winter")
SHORTLIST = 5  # candidates of a slot that are tried with those of the others: 5^4 combinations at most
HARMONY_WEIGHT = 1.5  # of harmony (0 to 1) against the mean fit (in standard deviations over the catalogue)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A garment that could fill a slot. fit: standard deviations above the user's mean score over the catalogue.

    lab: CIELAB of its main colour, None unknown (then it counts as neutral). feature: its content vector (64,).
    vector, prior: what its score is made of, the taste model's item vector (d,) and the part of its popularity. Exactly
    one of the two ids is set.
    """

    slot: Slot
    category: Category
    picture: str
    score: float
    fit: float
    lab: tuple[float, float, float] | None
    colour: Colour | None
    generated: bool
    feature: Floats
    vector: Floats
    prior: float = 0.0
    item_id: str | None = None
    generation_id: str | None = None


@dataclass(frozen=True)
class Choice:
    """The pieces of an outfit in the order of its slots, the colour rule that they follow and how well (0 to 1)."""

    pieces: tuple[Candidate, ...]
    rule: str
    harmony: float

    @property
    def digest(self) -> str:
        """sha256 of the pieces' ids."""
        return digest([piece.item_id or piece.generation_id for piece in self.pieces])

    @property
    def feature(self) -> Floats:
        """Content vector (64,) of the outfit: the mean of its pieces'."""
        return np.asarray(np.mean([piece.feature for piece in self.pieces], axis=0))


def shapes(season: Season | None, around: Slot | None = None) -> list[tuple[Slot, ...]]:
    """The sets of slots that make an outfit for the season; around: only those that have this slot."""
    cold = season in COLD or around == "outer"
    outfits = [(*shape, "outer") if cold else shape for shape in SHAPES]
    fitting = [shape for shape in outfits if around in shape]
    return fitting or outfits


def choose(candidates: Mapping[Slot, Sequence[Candidate]], wanted: Sequence[tuple[Slot, ...]]) -> Choice | None:
    """The best combination over all wanted shapes whose slots can be filled; None when there is no such shape.

    Best is mean fit + HARMONY_WEIGHT * harmony. Candidates of a slot stand best first; the first SHORTLIST count.
    """
    best, best_value = None, -np.inf
    for shape in wanted:
        lists = [list(candidates.get(slot, ()))[:SHORTLIST] for slot in shape]
        if not all(lists):
            continue
        choice, value = _best(lists)
        if value > best_value:
            best, best_value = choice, value
    return best


def _best(lists: Sequence[Sequence[Candidate]]) -> tuple[Choice, float]:
    picks = np.indices([len(options) for options in lists]).reshape(len(lists), -1).T  # (combinations, slots)
    fit = _gather([[option.fit for option in options] for options in lists], picks).mean(1)
    labs = _gather([[option.lab or (50.0, 0.0, 0.0) for option in options] for options in lists], picks)
    score, rules = harmony(labs)
    value = fit + HARMONY_WEIGHT * score
    top = int(value.argmax())
    pieces = tuple(options[pick] for options, pick in zip(lists, picks[top]))
    return Choice(pieces, rules[top], float(score[top])), float(value[top])


def _gather(values: Sequence[Sequence[object]], picks: NDArray[np.int64]) -> NDArray[np.float64]:
    """values[slot][option] at picks (combinations, slots): (combinations, slots, ...)."""
    return np.stack([np.asarray(options, np.float64)[picks[:, slot]] for slot, options in enumerate(values)], 1)
