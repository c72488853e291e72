"""The model that ships must read a catalogue it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from persona.catalog.visual import VisualNetwork
from persona.taste.bench import random_table
from persona.taste.model import TasteModel
from persona.taste.table import FACET_CODES, ItemTable

from .conftest import did, prefers

MODELS = Path(__file__).resolve().parents[2] / "data" / "models"


@pytest.fixture(scope="module")
def shipped() -> TasteModel:
    return TasteModel.load(MODELS / "taste-garment")


@pytest.fixture(scope="module")
def strange() -> ItemTable:
    """A thousand garments of random facets, looking like nothing in particular."""
    return random_table(1000, np.random.default_rng(0))


def lead(shipped: TasteModel, table: ItemTable, vector: np.ndarray, facet: str, value: str) -> float:
    """By how much items of a value score above the others, in deviations of the scores."""
    scores = shipped.item_vectors(table) @ vector
    has = getattr(table, facet) == FACET_CODES[facet][value]
    return float((scores[has].mean() - scores[~has].mean()) / scores.std())


def test_it_fits_the_shipped_visual_network_and_needs_no_ids(shipped: TasteModel) -> None:
    assert shipped.config.feature_version == VisualNetwork.load(MODELS / "visual-64").version
    assert not shipped.ids


@pytest.mark.parametrize(
    ("facet", "value"), [("colour", "green"), ("category", "dress"), ("pattern", "striped"), ("style", "smart")]
)
def test_it_reads_preferences(shipped: TasteModel, strange: ItemTable, facet: str, value: str) -> None:
    for sign in (1.0, -1.0):
        vector = shipped.encode(prefers((facet, value, sign)), [], strange)
        assert sign * lead(shipped, strange, vector, facet, value) > 0.2


def test_it_reads_likes_and_dislikes(shipped: TasteModel, strange: ItemTable) -> None:
    dresses = np.flatnonzero(strange.category == FACET_CODES["category"]["dress"])[:5]
    for kind, sign in (("purchase", 1), ("like", 1), ("dislike", -1), ("hide", -1)):
        vector = shipped.encode(None, did(*dresses, type=kind), strange)
        assert sign * lead(shipped, strange, vector, "category", "dress") > 0.2


def test_its_card_says_what_it_learned_from(shipped: TasteModel) -> None:
    card = (MODELS / "taste-garment" / "README.md").read_text()
    assert "SIMULATED" in card
    assert "CC0-1.0" in card
    assert shipped.config.feature_version in card
