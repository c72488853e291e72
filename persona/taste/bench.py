"""How fast the taste model is on this machine: `persona bench taste`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import torch

from persona.store.records import CATEGORIES, COLOURS, EVENT_TYPES, PATTERNS, STYLES, Item, Preference, Profile, Rights
from persona.taste.history import LONGEST, HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.rank import rank
from persona.taste.table import DIMENSIONS, ItemTable


def bench_taste(
    model: TasteModel, *, items: int = 100_000, users: int = 1024, repeats: int = 200, seed: int = 0
) -> dict[str, Any]:
    """The keys of `persona bench taste`, for random content vectors, with torch's threads set to 1 meanwhile.

    For numpy to keep to one core too, run with OMP_NUM_THREADS=1. rank100k_*: one user of four preferences and 50
    events encoded, and the best 12 of the items ranked, their vectors being at hand as in the service.
    encode_users_per_s: such users encoded in batches of 256.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rng = np.random.default_rng(seed)
        table = random_table(items, rng)
        people = [random_user(table, rng) for _ in range(users)]
        vectors, prior = model.item_vectors(table), model.prior(table)
        seen = [[entry.item for entry in history if entry.item is not None] for _, history in people]

        def answer(turn: int) -> None:
            profile, history = people[turn % users]
            vector = model.encode(profile, history, table)
            rank(vector, vectors, 12, prior=prior, exclude=seen[turn % users])

        taken = 1000 * _seconds(answer, repeats)
        model.encode_many(people[:64], table)
        begun = time.perf_counter()
        model.encode_many(people, table)
        encoding = time.perf_counter() - begun
    finally:
        torch.set_num_threads(threads)
    return {
        "rank100k_p50_ms": round(float(np.quantile(taken, 0.5)), 2),
        "rank100k_p99_ms": round(float(np.quantile(taken, 0.99)), 2),
        "rank1m_p50_ms": None,
        "rank1m_recall10": None,
        "why": "rank1m_*: there is no approximate index yet, ranking is exact",
        "encode_users_per_s": round(users / encoding, 1),
        "items": items,
        "threads": 1,
    }


def _seconds(work: Callable[[int], None], repeats: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Wall-clock seconds of each call, after ten to warm up."""
    taken = []
    for turn in range(-10, repeats):
        begun = time.perf_counter()
        work(turn)
        taken.append(time.perf_counter() - begun)
    return np.array(taken[10:])


def random_table(items: int, rng: np.random.Generator) -> ItemTable:
    """A catalogue of random content vectors, facets and popularities."""
    rights = Rights(licence="none", source="random numbers")
    facets = [rng.integers(0, len(values), items) for values in (CATEGORIES, COLOURS, PATTERNS, STYLES)]
    made = [
        Item.model_construct(
            id=f"random-{number}", category=CATEGORIES[category], colour=COLOURS[colour], pattern=PATTERNS[pattern],
            style=STYLES[style], rights=rights,
        )
        for number, (category, colour, pattern, style) in enumerate(zip(*facets, strict=True))
    ]  # fmt: skip
    features = rng.standard_normal((items, DIMENSIONS), np.float32)
    return ItemTable.of(made, features, rng.lognormal(0, 1, items) * 20)


def random_user(
    table: ItemTable, rng: np.random.Generator, events: int = LONGEST
) -> tuple[Profile, list[HistoryEntry]]:
    """Someone who states four colours and acts at random."""
    colours = rng.choice(COLOURS, 4, replace=False)
    stated = tuple(
        Preference(facet="colour", value=str(colour), weight=round(float(rng.uniform(-1, 1)), 2)) for colour in colours
    )
    now = datetime(2025, 1, 1, tzinfo=UTC)
    history = [
        HistoryEntry(str(rng.choice(EVENT_TYPES)), now + timedelta(hours=hour), int(rng.integers(len(table))))
        for hour in range(events)
    ]
    return Profile(id="random", preferences=stated), history
