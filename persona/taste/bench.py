"""How fast the taste model is on this machine: `persona bench taste`."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from persona.catalog.colour import colour_name, garment_lab
from persona.catalog.measure import style_of
from persona.catalog.pictures import decode_photo, premultiply
from persona.catalog.sources import open_source
from persona.catalog.visual import VisualNetwork
from persona.store.records import CATEGORIES, COLOURS, EVENT_TYPES, PATTERNS, STYLES, Item, Preference, Profile, Rights
from persona.taste.history import LONGEST, HistoryEntry
from persona.taste.index import ExactIndex, IVFIndex, recall
from persona.taste.model import TasteModel
from persona.taste.rank import rank
from persona.taste.simulate import simulate
from persona.taste.table import DIMENSIONS, Floats, ItemTable

BATCH = 256  # users encoded at once
ALIKE = 0.5  # deviation of a made-up item's content vector from its garment's; garments' own is 1
RECOLOURED = 0.1  # share of the facets, but for the category, that a made-up item has of another garment
_CHUNK = 10_000  # items made at once
_RIGHTS = Rights(licence="none", source="random numbers")

Person = tuple[Profile, list[HistoryEntry]]


@dataclass(frozen=True)
class Sizes:
    """How much is measured: items of the exact and of the approximate ranking, users of each figure, repeats."""

    items: int = 100_000
    many: int = 1_000_000
    users: int = 1024
    queries: int = 200
    repeats: int = 200


def bench_taste(model: TasteModel, garments: ItemTable, sizes: Sizes = Sizes(), seed: int = 0) -> dict[str, Any]:
    """The keys of `persona bench taste`, with the threads of torch and FAISS set to 1 meanwhile.

    For numpy to keep to one core too, run with OMP_NUM_THREADS=1. rank100k_*: one user of four preferences and 50
    events encoded, and the best 12 of 100,000 random items ranked, their vectors being at hand as in the service.
    rank1m_*: one simulated user encoded, and the best 12 of a million items found by `IVFIndex`, without those of the
    history; recall10 is against all scores. The million is that of `catalogue_around` the garments. encode_users_per_s:
    users as in rank100k encoded in batches of 256, by a thread on each of two cores.
    """
    threads = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    try:
        rng = np.random.default_rng(seed)
        return {
            **_exact(model, sizes, rng),
            **_approximate(model, garments, sizes, seed),
            "items": sizes.items,
            "many": sizes.many,
        }
    finally:
        torch.set_num_threads(threads[0])
        faiss.omp_set_num_threads(threads[1])


def _exact(model: TasteModel, sizes: Sizes, rng: np.random.Generator) -> dict[str, Any]:
    table = random_table(sizes.items, rng)
    people = [random_user(table, rng) for _ in range(sizes.users)]
    vectors, prior = model.item_vectors(table), model.prior(table)
    seen = [_seen(history) for _, history in people]

    def answer(turn: int) -> None:
        profile, history = people[turn % sizes.users]
        rank(model.encode(profile, history, table, vectors), vectors, 12, prior=prior, exclude=seen[turn % sizes.users])

    taken = _milliseconds(answer, sizes.repeats)
    threads = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return {
        "rank100k_p50_ms": round(float(np.quantile(taken, 0.5)), 2),
        "rank100k_p99_ms": round(float(np.quantile(taken, 0.99)), 2),
        "encode_users_per_s": round(_encoded_per_second(model, people, table, vectors, threads), 1),
        "encode_threads": threads,
    }


def _encoded_per_second(
    model: TasteModel, people: Sequence[Person], table: ItemTable, vectors: Floats, threads: int
) -> float:
    """Users encoded a second in batches, each of which is one thread's."""
    batches = [people[at : at + BATCH] for at in range(0, len(people), BATCH)] * threads
    model.encode_many(people[:64], table, vectors)
    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        encoded = sum(len(read) for read in pool.map(lambda batch: model.encode_many(batch, table, vectors), batches))
        return encoded / (time.perf_counter() - begun)


def _approximate(model: TasteModel, garments: ItemTable, sizes: Sizes, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 1])
    shop, vectors, prior = catalogue_around(garments, model, sizes.many, rng)
    people = simulated_people(shop, sizes.queries, seed)
    seen = [_seen(history) for _, history in people]
    begun = time.perf_counter()
    index = IVFIndex(vectors, prior, version=model.version, seed=seed)
    made = time.perf_counter() - begun

    def answer(turn: int) -> None:
        profile, history = people[turn % sizes.queries]
        user = model.encode(profile, history, shop, vectors)[None]
        index.search(user, 12, exclude=[seen[turn % sizes.queries]])

    taken = _milliseconds(answer, sizes.repeats)
    exact = ExactIndex(vectors, prior, version=model.version)
    return {
        "rank1m_p50_ms": round(float(np.quantile(taken, 0.5)), 2),
        "rank1m_p99_ms": round(float(np.quantile(taken, 0.99)), 2),
        "rank1m_recall10": round(recall(index, exact, model.encode_many(people, shop, vectors), 10), 4),
        "index_s": round(made, 1),
    }


def _seen(history: Sequence[HistoryEntry]) -> list[int]:
    return [entry.item for entry in history if entry.item is not None]


def _milliseconds(work: Callable[[int], None], repeats: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Wall-clock milliseconds of each call, after ten to warm up."""
    taken = []
    for turn in range(-10, repeats):
        begun = time.perf_counter()
        work(turn)
        taken.append(time.perf_counter() - begun)
    return np.array(taken[10:], np.float64) * 1000.0


def shipped_garments(archive: Path, visual: VisualNetwork) -> ItemTable:
    """The garments of the demo catalogue with content vectors and colours; their patterns, slow to measure, at random.

    Raises NotFound where the archive is not there.
    """
    source = open_source(archive)
    rows = list(csv.DictReader(io.StringIO(source.read("items.csv").decode())))
    pictures = np.stack([premultiply(decode_photo(source.read(row["file"]))) for row in rows])
    patterns = np.random.default_rng(0).choice(PATTERNS, len(rows))
    items = []
    for row, picture, pattern in zip(rows, pictures, patterns):
        lab, category = garment_lab(picture), row["category"]
        told = {"colour": colour_name(lab) if lab else None, "pattern": str(pattern), "style": style_of(category)}  # type: ignore[arg-type]
        items.append(Item.model_validate({"id": row["id"], "category": category, "rights": _RIGHTS, **told}))
    return ItemTable.of(items, visual.features(pictures), feature_version=visual.version)


def catalogue_around(
    garments: ItemTable, model: TasteModel, count: int, rng: np.random.Generator
) -> tuple[ItemTable, Floats, Floats]:
    """A large catalogue such as a shop could have: its first 10,000 items, and vectors (n, d) and prior (n,) of all.

    Each item is one of the garments with normal noise on its content vector, now and then a facet of another garment,
    and a lognormal popularity. So the item vectors lie in clumps, as those of real garments do, but in rounder ones;
    uniformly random vectors would have no clumps, and no index but reading all would find their neighbours.
    """
    shop = _drawn(garments, min(_CHUNK, count), rng)
    vectors, priors, left = [model.item_vectors(shop)], [model.prior(shop)], count - len(shop)
    while left > 0:
        chunk = _drawn(garments, len(shop), rng, shop)
        vectors.append(model.item_vectors(chunk)[:left])
        priors.append(model.prior(chunk)[:left])
        left -= len(chunk)
    return shop, np.concatenate(vectors), np.concatenate(priors)


def _drawn(garments: ItemTable, count: int, rng: np.random.Generator, like: ItemTable | None = None) -> ItemTable:
    """count items around garments; like: a table whose items and ids stand for the new ones, to save making them."""
    of = rng.integers(0, len(garments), count)
    if like is None:
        items = [garments.items[row].model_copy(update={"id": f"drawn-{number}"}) for number, row in enumerate(of)]
        like = ItemTable.of(items, garments.features[of], feature_version=garments.feature_version)
    noise = np.float32(ALIKE) * rng.standard_normal((count, DIMENSIONS), np.float32)
    codes = garments.codes[of]
    other = rng.random(codes.shape) < RECOLOURED
    other[:, 0] = False  # a dress stays one
    codes = np.where(other, garments.codes[rng.integers(0, len(garments), count)], codes)
    popularity = (20 * rng.lognormal(0, 1, count)).astype(np.float32)
    return replace(like, features=garments.features[of] + noise, codes=codes, popularity=popularity)


def simulated_people(table: ItemTable, count: int, seed: int) -> list[Person]:
    """Simulated users of a catalogue (see `simulate`), as the model reads them."""
    users = simulate(table, count, seed).users
    people = []
    for user, name in enumerate(users.ids):
        part = users.history(user)
        acts = zip(users.row[part].tolist(), users.kind[part].tolist(), users.at[part].tolist(), strict=True)
        history = [HistoryEntry(EVENT_TYPES[kind], datetime.fromtimestamp(at, UTC), row) for row, kind, at in acts]
        people.append((Profile(id=name, preferences=users.preferences(user)), history))
    return people


def random_table(items: int, rng: np.random.Generator) -> ItemTable:
    """A catalogue of random content vectors, facets and popularities."""
    facets = [rng.integers(0, len(values), items) for values in (CATEGORIES, COLOURS, PATTERNS, STYLES)]
    made = [
        Item.model_construct(
            id=f"random-{number}", category=CATEGORIES[category], colour=COLOURS[colour], pattern=PATTERNS[pattern],
            style=STYLES[style], rights=_RIGHTS,
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
