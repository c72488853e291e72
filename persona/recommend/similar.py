"""What is like an item, and who is like a user: nearest neighbours by cosine, looked through exactly."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from persona.errors import BadInput
from persona.recommend.catalogue import Catalogue
from persona.recommend.list_types import MOST_COMPARED, ListedItem, SimilarItem, SimilarUser
from persona.recommend.types import SCORE_DIGITS, picture_url
from persona.store import Store
from persona.store.records import (
    Category,
    Item,
    Profile,
    Purpose,
)
from persona.taste.rank import best
from persona.taste.table import FACET_CODES, Floats

PURPOSE: Purpose = "analytics"  # users who have not allowed it are neither found nor asked for


def listed(item: Item) -> ListedItem:
    """A garment as it is shown: not whose it is, nor where its picture comes from."""
    return ListedItem.model_validate(_shown(item))


def similar_items(catalogue: Catalogue, item_id: str, count: int, category: Category | None) -> tuple[SimilarItem, ...]:
    """The items that may be shown whose vectors are nearest to that of an item of the catalogue, nearest first."""
    row = catalogue.table.index[item_id]
    allowed = catalogue.shown & catalogue.without([item_id])
    if category is not None:
        allowed &= catalogue.table.category == FACET_CODES["category"][category]
    rows, nearness = best(_cosines(catalogue.vectors[row], catalogue.vectors), count, np.flatnonzero(allowed))
    found = [(catalogue.table.items[row], near) for row, near in zip(rows.tolist(), nearness.tolist())]
    return tuple(
        SimilarItem.model_validate({**_shown(item), "rank": place, "similarity": round(near, SCORE_DIGITS)})
        for place, (item, near) in enumerate(found, start=1)
    )


def check_may_be_compared(profile: Profile) -> None:
    """Raise BadInput for a user who refused personalisation, has not allowed analytics, or is a child."""
    allowed = profile.consents.get(PURPOSE, False) and profile.consents.get("personalisation", True)
    if not allowed or profile.traits.age_band == "under-18":
        why = f"has not allowed {PURPOSE}, refused personalisation, or is under 18: ask about nobody without consent"
        raise BadInput("user_id", f"{profile.id!r} {why}", "no_consent")


def nearest_users(store: Store, model: str, user_id: str, vector: Floats, count: int) -> tuple[int, list[SimilarUser]]:
    """How many users were compared, and those whose stored vectors under a model are nearest to a vector (d,)."""
    if not vector.any():
        return 0, []
    compared, nearest = 0, list[tuple[float, str]]()
    for ids, vectors in _everyone(store, model, user_id):
        compared += len(ids)
        near = zip(_cosines(vector, vectors).tolist(), ids)
        nearest = heapq.nsmallest(count, [*nearest, *((-value, name) for value, name in near)])
    found = enumerate(nearest, start=1)
    return compared, [
        SimilarUser(user_id=name, rank=place, similarity=round(-value, SCORE_DIGITS)) for place, (value, name) in found
    ]


def _everyone(store: Store, model: str, but: str) -> Iterable[tuple[list[str], Floats]]:
    left = MOST_COMPARED
    for ids, vectors in store.consented_conditions(model, PURPOSE):
        kept = [place for place, name in enumerate(ids) if name != but][:left]
        yield [ids[place] for place in kept], vectors[kept]
        left -= len(kept)
        if left <= 0:
            return


def _shown(item: Item) -> dict[str, object]:
    alike = ("colour", "pattern", "style", "seasons", "price", "title", "picture", "active")
    return {
        **{name: getattr(item, name) for name in alike},
        "item_id": item.id,
        "category": item.garment,
        "generated": item.rights.generated,
        "licence": item.rights.licence,
        "url": picture_url(item.picture) if item.picture else None,
    }


def _cosines(vector: Floats, vectors: Floats) -> Floats:
    """Of one vector (d,) with others (n, d): float32 (n,), from -1 to 1."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
    return np.asarray((vectors @ vector / np.maximum(lengths, 1e-12)).clip(-1, 1), np.float32)
