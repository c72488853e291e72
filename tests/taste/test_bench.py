from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from persona.catalog.visual import VisualNetwork
from persona.settings import CHECKOUT
from persona.store.records import CATEGORIES
from persona.taste.bench import Sizes, bench_taste, catalogue_around, shipped_garments, simulated_people
from persona.taste.model import TasteModel
from persona.taste.table import ItemTable

SMALL = Sizes(items=500, many=3000, users=20, queries=8, repeats=5)


def test_bench_measures(table: ItemTable, model: TasteModel) -> None:
    threads = torch.get_num_threads()
    result = bench_taste(model, table, SMALL)
    assert 0 < result["rank100k_p50_ms"] <= result["rank100k_p99_ms"]
    assert 0 < result["rank1m_p50_ms"] <= result["rank1m_p99_ms"]
    assert result["rank1m_recall10"] == 1  # of so few items every cell is read
    assert result["encode_users_per_s"] > 0
    assert (result["items"], result["many"]) == (500, 3000)
    assert torch.get_num_threads() == threads


def test_a_catalogue_around_garments_is_clumped(table: ItemTable, model: TasteModel) -> None:
    shop, vectors, prior = catalogue_around(table, model, 25_000, np.random.default_rng(0))
    assert (len(shop), vectors.shape, prior.shape) == (10_000, (25_000, 64), (25_000,))
    assert np.allclose(model.item_vectors(shop), vectors[:10_000], atol=1e-5)
    assert len(np.unique(vectors, axis=0)) == 25_000
    own = model.item_vectors(table)
    nearest = np.linalg.norm(vectors[::100, None] - own, axis=2).min(1).mean()
    spread = np.linalg.norm(vectors[::100] - own.mean(0), axis=1).mean()
    assert nearest < 0.7 * spread
    people = simulated_people(shop, 5, seed=0)
    assert all(history and history[0].item is not None for _, history in people)


def test_shipped_garments(tmp_path: Path) -> None:
    archive = CHECKOUT / "data" / "demo" / "items.zip"
    if not archive.exists():
        pytest.skip("the demo catalogue is not there")
    visual = VisualNetwork(CATEGORIES, width=4)
    garments = shipped_garments(archive, visual)
    assert len(garments) > 100
    assert len(np.unique(garments.category)) > 5
    assert len(np.unique(garments.colour)) > 5
    assert np.isfinite(garments.features).all()
