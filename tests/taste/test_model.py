from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.errors import BadInput, OutOfDate
from persona.store.records import Profile
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteConfig, TasteModel, Tokens
from persona.taste.table import ItemTable

from .conftest import DAY, did, features_of, make_item, prefers

GREEN = prefers(("colour", "green", 1.0))


def someone(number: int) -> tuple[Profile, list[HistoryEntry]]:
    stated = [("colour", "green", 0.5), ("pattern", "striped", -1.0), ("category", "pants", 0.7)][: number % 4]
    return prefers(*stated), did(*range(number * 2)) + did(*range(number % 3), type="hide")


def test_a_batch_reads_each_user_as_alone(model: TasteModel, known: ItemTable) -> None:
    users = [someone(number) for number in range(9)]
    alone = np.stack([model.encode(profile, history, known) for profile, history in users])
    assert np.allclose(model.encode_many(users, known), alone, atol=1e-5)
    assert np.allclose(model.encode_many(users, known, batch=2), alone, atol=1e-5)
    assert np.allclose(model.encode_many(users[::-1], known)[::-1], alone, atol=1e-5)
    assert alone.dtype == np.float32
    assert model.encode_many([], known).shape == (0, 64)


def test_the_future_and_padding_do_not_reach_back() -> None:
    torch.manual_seed(0)
    model = TasteModel(TasteConfig()).eval()
    torch.nn.init.normal_(model.out.weight)
    preference, weight = torch.tensor([[3, 8, -1]]), torch.tensor([[1.0, -0.5, 0.0]])
    kind, gap, events = torch.tensor([[0, 5, 1, 2]]), torch.tensor([[0, 1, 2, 3]]), torch.randn(1, 4, 64)
    whole = model(Tokens(preference, weight, kind, gap, events))
    for t in range(4):
        cut = model(Tokens(preference[:, :2], weight[:, :2], kind[:, :t], gap[:, :t], events[:, :t]))
        assert torch.allclose(whole[:, : t + 1], cut, atol=1e-5)
    changed = events.clone()
    changed[:, 1] = torch.randn(64)
    other = model(Tokens(preference, weight, kind, gap, changed))
    assert torch.allclose(whole[:, :2], other[:, :2], atol=1e-6)
    assert not torch.allclose(whole[:, 2:], other[:, 2:], atol=1e-3)


def test_the_order_of_preferences_does_not_matter(model: TasteModel, known: ItemTable) -> None:
    stated = (("colour", "green", 0.5), ("style", "smart", -1.0))
    assert np.allclose(
        model.encode(prefers(*stated), [], known), model.encode(prefers(*stated[::-1]), [], known), atol=1e-5
    )


def test_nothing_known_is_the_zero_vector(model: TasteModel, known: ItemTable) -> None:
    indifferent = prefers(("colour", "green", 0.0))
    for profile in (None, Profile(id="u"), indifferent):
        assert not model.encode(profile, [], known).any()
    assert model.encode(GREEN, [], known).any()
    assert model.encode(None, did(1), known).any()


def test_preferences_and_their_signs_tell(model: TasteModel, known: ItemTable) -> None:
    vectors = model.item_vectors(known)
    green = known.colour == 8
    for sign in (1, -1):
        scores = vectors @ model.encode(prefers(("colour", "green", float(sign))), [], known)
        assert sign * (scores[green].mean() - scores[~green].mean()) > 0.3


def test_a_new_event_changes_the_vector_and_the_ranking(model: TasteModel, known: ItemTable) -> None:
    before, after = model.encode(GREEN, did(1, 2), known), model.encode(GREEN, did(1, 2, 50), known)
    vectors = model.item_vectors(known)
    assert not np.allclose(before, after, atol=1e-3)
    assert (np.argsort(vectors @ before) != np.argsort(vectors @ after)).any()
    alike = known.category == known.category[50]
    gain = (vectors - vectors.mean(0)) @ (model.encode(None, did(50), known))
    assert gain[alike].mean() > gain[~alike].mean()


def test_only_dislikes_move_away_from_the_disliked(model: TasteModel, known: ItemTable) -> None:
    vectors = model.item_vectors(known)
    pants = np.flatnonzero(known.category == 2)
    scores = vectors @ model.encode(None, did(*pants[:6], type="dislike"), known)
    assert scores[pants].mean() < scores.mean() - 0.1
    liked = vectors @ model.encode(None, did(*pants[:6]), known)
    assert liked[pants].mean() > liked.mean() + 0.1


def test_a_history_of_100_000_events_is_read_by_its_last_50(model: TasteModel, known: ItemTable) -> None:
    rows = np.random.default_rng(0).integers(0, len(known), 100_000)
    entries = [HistoryEntry("like", DAY + timedelta(seconds=int(s)), int(row)) for s, row in enumerate(rows)]
    begun = time.perf_counter()
    vector = model.encode(GREEN, entries, known)
    assert time.perf_counter() - begun < 1
    assert np.allclose(vector, model.encode(GREEN, entries[-50:], known), atol=1e-6)


def test_a_generated_picture_counts_like_an_item(model: TasteModel, known: ItemTable) -> None:
    """With the feature and category of a real item, though colour, pattern and style are not known of it."""
    row = 10
    drawn = [HistoryEntry("like", DAY, feature=known.features[row], category=int(known.category[row]))]
    one, other = model.encode(None, drawn, known), model.encode(None, did(row), known)
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.7
    empty = known.select([])
    assert np.allclose(model.encode(None, drawn, empty), one, atol=1e-6)


def test_contradicting_preferences_are_read(model: TasteModel, known: ItemTable) -> None:
    vector = model.encode(prefers(("colour", "green", 1.0), ("colour", "blue", -1.0)), did(1, type="hide"), known)
    assert np.isfinite(vector).all()


def test_a_new_item_is_ranked_by_its_content(model: TasteModel, known: ItemTable) -> None:
    twin = make_item(1000, **{f: getattr(known.items[4], f) for f in ("category", "colour", "pattern", "style")})
    more = known.with_items([twin], known.features[[4]])
    vectors = model.without_ids().item_vectors(more)
    assert np.allclose(vectors[-1], vectors[4], atol=1e-6)
    assert not model.without_ids().ids
    assert np.allclose(model.item_vectors(more)[-1], vectors[4], atol=1e-5)


def test_prior_is_log_popularity_drawn_to_the_mean(model: TasteModel, known: ItemTable) -> None:
    prior = model.prior(known)
    assert (np.argsort(prior, kind="stable") == np.argsort(known.popularity, kind="stable")).all()
    assert not model.prior(known.with_popularity({})).any()
    few = model.log_popularity(np.array([0.0, 1.0]))
    many = model.log_popularity(np.array([0.0, 1000.0]))
    assert few[1] - few[0] < 0.1 < 1 < many[1] - many[0]


def test_saved_and_loaded_it_is_the_same(model: TasteModel, known: ItemTable, tmp_path: Path) -> None:
    model.save(tmp_path / "taste", card="# Taste\n", metrics={"a": 1})
    loaded = TasteModel.load(tmp_path / "taste")
    assert loaded.ids == model.ids
    assert loaded.config == model.config
    assert loaded.version.startswith("taste@")
    history = did(3, 4, 5)
    one, other = model.encode(GREEN, history, known), loaded.encode(GREEN, history, known)
    assert np.allclose(one, other, atol=0.02 * np.abs(one).max())  # weights are stored as float16
    again = TasteModel.load(tmp_path / "taste")
    assert np.array_equal(again.encode(GREEN, history, known), other)


def test_features_of_another_network_are_refused(model: TasteModel, known: ItemTable) -> None:
    other = ItemTable.of(known.items, features_of(known.items), feature_version="visual@other")
    for work in (lambda: model.encode(GREEN, [], other), lambda: model.item_vectors(other)):
        with pytest.raises(OutOfDate, match=r"reads content vectors of visual@test.*visual@other.*persona train taste"):
            work()


def test_another_kind_of_folder_is_refused(model: TasteModel, tmp_path: Path) -> None:
    model.save(tmp_path / "taste", card="", metrics={})
    config = (tmp_path / "taste" / "config.json").read_text()
    (tmp_path / "taste" / "config.json").write_text(config.replace('"taste"', '"gan"'))
    with pytest.raises(BadInput, match="wanted 'taste'"):
        TasteModel.load(tmp_path / "taste")
    (tmp_path / "taste" / "config.json").write_text(config.replace('"format": 1', '"format": 99'))
    with pytest.raises(OutOfDate, match="99"):
        TasteModel.load(tmp_path / "taste")
