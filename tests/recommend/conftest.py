"""A whole small service: drawn garments in a real store, and small networks with seeded random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.gan import GarmentModel, Prior
from persona.gan.networks import Generator
from persona.recommend import Recommender
from persona.settings import Settings
from persona.store import Store
from persona.store.records import CATEGORIES
from persona.taste.model import TasteConfig, TasteModel

from .drawn import COLOURS, OUTLINES, garment


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three small models in one space, untrained but for a louder taste."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    visual = VisualNetwork(CATEGORIES, width=8)
    visual.save(folder / "visual-64", card="a test's", metrics={})
    taste = TasteModel(TasteConfig(feature_version=visual.version))
    torch.nn.init.normal_(
        taste.out.weight, std=0.2
    )  # trained ones tell items apart; as initialised, only the prior does
    taste.save(folder / "taste-garment", card="a test's", metrics={})
    kinds = len(CATEGORIES)
    conditions = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    prior = Prior.fit(conditions, np.arange(200) % kinds, kinds)
    generator = Generator(32, kinds, width=0.25)
    GarmentModel(generator, prior, CATEGORIES, visual.version).save(
        folder / "garment-64", width=0.25, card="a test's", metrics={}
    )
    return folder


@pytest.fixture(scope="session")
def shop(models: Path, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with 36 garments, every outline in every colour, and their content vectors; to be copied."""
    home = tmp_path_factory.mktemp("shop")
    shutil.copy(migrated_sqlite, home / "persona.db")
    settings = Settings(home=home, models=models, device="cpu")
    with Store.open(settings.url) as store:
        pictures = Pictures(settings.pictures)
        store.put_items([garment(pictures, category, colour) for category in OUTLINES for colour in COLOURS])
    Recommender.open(settings).store.close()
    return home


@pytest.fixture
def settings(models: Path, shop: Path, tmp_path: Path) -> Settings:
    """Settings of a shop of the test's own."""
    shutil.copytree(shop, tmp_path / "home")
    return Settings(home=tmp_path / "home", models=models, device="cpu")


@pytest.fixture
def bare(models: Path, migrated_sqlite: Path, tmp_path: Path) -> Settings:
    """Settings of a shop without anything in it."""
    (tmp_path / "bare").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "bare" / "persona.db")
    return Settings(home=tmp_path / "bare", models=models, device="cpu")


@pytest.fixture
def recommender(settings: Settings) -> Iterator[Recommender]:
    """A service over those garments."""
    opened = Recommender.open(settings)
    yield opened
    opened.close()
