"""Do generated garments suit every group as well? Judged without the networks that had a part in making them.

From the earlier half of what a user did the taste model makes a condition, and the generator draws. The picture's
colour and pattern are then measured by image processing; how well these and the category drawn suit a user is what the
later half of the user's own acts weighs for them. A picture wins against a wrong user whom it suits less. One half is
chance, which garments handed to the wrong users must fall to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.groups import SMALLEST, by_groups
from persona.analyze.trust_ranking import Asked
from persona.catalog.measure import measure_all, style_of
from persona.gan import GarmentModel
from persona.recommend.evaluate import garments_for
from persona.store.records import CATEGORIES
from persona.taste.history import TYPE_CODES, WEIGHT_OF_CODE, HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.modes import taste_modes
from persona.taste.table import STATEMENTS, UNKNOWN, Floats, ItemTable, attributes_of, codes_of
from persona.taste.wins import wins_by_user

EACH = 2  # garments for a user
FEWEST_EVENTS = 4  # of a user, so that each half says something


def making_quality(
    taste: TasteModel, generator: GarmentModel, table: ItemTable, asked: Asked, most: int, seed: int = 0
) -> dict[str, Any]:
    """Share of wrong users that garments win against, by group (`by_groups`), and the same handed to wrong users."""
    long = [number for number, entries in enumerate(asked.whole) if len(entries) >= FEWEST_EVENTS]
    chosen = np.sort(np.random.default_rng(seed).permutation(long)[:most]).astype(np.int64)
    if len(chosen) < SMALLEST:
        return {"wins": by_groups(asked.traits.iloc[chosen], np.zeros(len(chosen))), "control": None, "pictures": 0}
    halves = [(asked.whole[n][: len(asked.whole[n]) // 2], asked.whole[n][len(asked.whole[n]) // 2 :]) for n in chosen]
    vectors = taste.item_vectors(table)
    people = taste.encode_many([(asked.profiles[n], half[0]) for n, half in zip(chosen, halves)], table, vectors)
    pictures, owners = garments_for(people, table, vectors, generator, each=EACH, seed=seed)
    categories = _categories(people, table, vectors, seed)
    suits = _facets(pictures, categories) @ _weights([half[1] for half in halves], table).T
    own, wrong = (wins_by_user(suits, whose)[1] for whose in (owners, np.roll(owners, EACH * (len(chosen) // 2))))
    traits: pd.DataFrame = asked.traits.iloc[chosen].reset_index(drop=True)
    return {
        "wins": by_groups(traits, own, seed=seed),
        "control": by_groups(traits, wrong, seed=seed)["all"],
        "pictures": len(pictures),
    }


def _categories(people: Floats, table: ItemTable, vectors: Floats, seed: int) -> list[str]:
    """What `garments_for` asked to be drawn, in its order."""
    return [
        mode.category for number, user in enumerate(people)
        for mode in taste_modes(user, table, vectors, count=EACH, seed=seed + number)
    ]  # fmt: skip


def _facets(pictures: NDArray[np.uint8], categories: list[str]) -> Floats:
    """Which values of facets the pictures have, float32 (n, statements)."""
    measured = measure_all(list(pictures), [True] * len(pictures))
    codes = np.array(
        [
            codes_of(name, found.colour, found.pattern, style_of(name) if name in CATEGORIES else None)  # type: ignore[arg-type]
            for found, name in zip(measured, categories, strict=True)
        ],
        np.int64,
    )
    return _spread(attributes_of(codes))


def _spread(attributes: NDArray[np.int64]) -> Floats:
    spread = np.zeros((len(attributes), len(STATEMENTS)), np.float32)
    rows, columns = np.nonzero(attributes != UNKNOWN)
    spread[rows, attributes[rows, columns]] = 1
    return spread


def _weights(histories: list[list[HistoryEntry]], table: ItemTable) -> Floats:
    """What each user's acts weigh for each value, float32 (u, statements), of length 1."""
    spread = _spread(table.attributes)
    weights = np.zeros((len(histories), len(STATEMENTS)), np.float32)
    for number, history in enumerate(histories):
        for entry in history:
            weights[number] += WEIGHT_OF_CODE[TYPE_CODES[entry.type]] * spread[entry.item]
    return weights / np.linalg.norm(weights, axis=1, keepdims=True).clip(1e-9)
