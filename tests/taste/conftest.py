"""A small catalogue whose content vectors tell the facets, and a model trained on it for some seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import torch

from persona.store import Store
from persona.store.records import CATEGORIES, COLOURS, FACETS, PATTERNS, STYLES, Item, Preference, Profile, Rights
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.sequences import Sequences
from persona.taste.sequential import Data
from persona.taste.simulate import Simulation, Simulator, simulate
from persona.taste.table import ItemTable
from persona.taste.train import TrainSettings, begin, train

RIGHTS = Rights(licence="CC0 1.0", source="made for a test")
RINGS, LENGTH = 6, 20  # rings of items, and items of each
SMALL = TrainSettings(steps=90, users=32, negatives=100, warm_up=10, learning_rate=5e-3, ahead=0)
SIMULATOR = Simulator(  # plain tastes, and no shelves: they would hold two garments each
    category=2, colour=2, pattern=0.8, style=0.8, visual=0.3, noise=0.5, disliking=0.25, slate=20, events=18, search=0.0
)  # fmt: skip
DAY = datetime(2024, 3, 1, tzinfo=UTC)


def make_item(number: int, **given: object) -> Item:
    rng = np.random.default_rng(number)
    drawn = {"category": CATEGORIES[:6], "colour": COLOURS, "pattern": PATTERNS, "style": STYLES}
    facets = {facet: str(rng.choice(values)) for facet, values in drawn.items()}
    return Item.model_validate({"id": f"item-{number}", "rights": RIGHTS, "owner": str(number // 8), **facets, **given})


def features_of(items: Sequence[Item], seed: int = 0) -> np.ndarray:
    """Each facet's value has a direction; the sum of an item's, and noise."""
    rng = np.random.default_rng(seed)
    directions = {(facet, value): rng.standard_normal(64) for facet in FACETS for value in FACETS[facet]}
    rows = []
    for item in items:
        told = [directions[facet, getattr(item, facet)] for facet in FACETS if getattr(item, facet)]
        rows.append(np.sum(told, 0) + rng.standard_normal(64))
    return (np.array(rows) / 2).astype(np.float32)


def prefers(*stated: tuple[str, str, float]) -> Profile:
    preferences = tuple(Preference.model_validate({"facet": f, "value": v, "weight": w}) for f, v, w in stated)
    return Profile(id="someone", preferences=preferences)


def did(*rows: int, type: str = "like") -> list[HistoryEntry]:
    return [HistoryEntry(type, DAY + timedelta(days=day), row) for day, row in enumerate(rows)]


@pytest.fixture(scope="session")
def table() -> ItemTable:
    items = [make_item(number) for number in range(150)]
    return ItemTable.of(items, features_of(items), feature_version="visual@test")


@pytest.fixture(scope="session")
def simulation(table: ItemTable) -> Simulation:
    return simulate(table, 400, seed=3)


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    with Store.open(sqlite_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def known(table: ItemTable, simulation: Simulation) -> ItemTable:
    """The catalogue with the simulated users' popularity."""
    return table.with_popularity(simulation.users.popularity(table))


@pytest.fixture(scope="session")
def model(known: ItemTable) -> TasteModel:
    torch.set_num_threads(1)
    users = simulate(known, 800, seed=2, settings=SIMULATOR).users
    state = begin(known, SMALL, TasteConfig(dropout=0.0, feature_version="visual@test"))
    for _ in train(state, known, users, SMALL):
        pass
    return state.model.eval()


@pytest.fixture(scope="session")
def rings() -> Data:
    """A world of six rings of items; every user goes round one of them, so what comes next is to be learned."""
    rng = np.random.default_rng(0)
    taken = []
    for user in range(240):
        ring, at, steps = user % RINGS, rng.integers(LENGTH), rng.integers(4, 16)
        taken.append(ring * LENGTH + (at + np.arange(steps) + rng.integers(0, 2, steps)) % LENGTH)
    starts = np.cumsum([0, *map(len, taken)])
    names = [f"i{row}" for row in range(RINGS * LENGTH)]
    attributes = np.repeat(np.arange(RINGS), LENGTH)[:, None]
    return Data(Sequences([f"u{i}" for i in range(240)], names, starts, np.concatenate(taken)), attributes)
