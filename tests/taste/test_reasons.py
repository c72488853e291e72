from __future__ import annotations

import numpy as np
import pytest

from persona.store.records import Profile
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.reasons import POPULAR, causes_of, explain, name_of, reasons_for
from persona.taste.table import ItemTable

from .conftest import DAY, did, make_item, prefers


def test_causes_are_what_is_lost_without_them(model: TasteModel, known: ItemTable) -> None:
    profile = prefers(("colour", "green", 1.0), ("style", "smart", 0.0), ("category", "dress", -0.5))
    history = did(4, 5, 6)
    causes = causes_of(model, profile, history, known)
    assert len(causes.causes) == 5
    assert np.allclose(causes.vector, model.encode(profile, history, known), atol=1e-5)
    no_green = prefers(("style", "smart", 0.0), ("category", "dress", -0.5))
    assert np.allclose(causes.lost[0], causes.vector - model.encode(no_green, history, known), atol=1e-5)
    no_middle = model.encode(profile, [history[0], history[2]], known)
    assert np.allclose(causes.lost[3], causes.vector - no_middle, atol=1e-5)


def test_liking_green_is_why_green_is_shown(model: TasteModel, known: ItemTable) -> None:
    green = int(np.flatnonzero(known.colour == 8)[0])
    reason = explain(model, prefers(("colour", "green", 1.0)), [], known, green)[0]
    assert (reason.kind, reason.text) == ("preference", "because you like green")
    assert (reason.facet, reason.value) == ("colour", "green")


def test_an_event_is_named_with_its_item(model: TasteModel, known: ItemTable) -> None:
    row = 12
    reasons = explain(model, None, did(row, type="purchase"), known.with_popularity({}), row)
    assert reasons[0].text == f"because you bought {name_of(known.items[row])}"
    assert (reasons[0].kind, reasons[0].item_id, reasons[0].weight) == ("event", "item-12", pytest.approx(1))


def test_nothing_known_is_popular_with_everyone(model: TasteModel, known: ItemTable) -> None:
    for nobody in (None, Profile(id="u")):
        assert explain(model, nobody, [], known, 3) == (POPULAR,)


def test_weights_are_shares_strongest_first_and_few(model: TasteModel, known: ItemTable) -> None:
    profile = prefers(*[("colour", value, 0.5) for value in ("green", "red", "blue", "black")])
    causes = causes_of(model, profile, did(1, 2, 3, 4), known)
    vectors = model.item_vectors(known)
    for reasons in reasons_for(causes, vectors, vectors.mean(0), known, model.prior(known)):
        weights = [reason.weight for reason in reasons]
        assert 1 <= len(reasons) <= 3
        assert weights == sorted(weights, reverse=True)
        assert min(weights) >= 0.1
        assert sum(weights) <= 1.0001


def test_generated_pictures_can_be_explained_and_be_causes(model: TasteModel, known: ItemTable) -> None:
    drawn = HistoryEntry("save", DAY, feature=known.features[7], category=5)
    causes = causes_of(model, None, [drawn], known)
    vectors = model.vectors_of(known.features[:2], known.attributes[:2])
    texts = {reason.text for reasons in reasons_for(causes, vectors, vectors.mean(0), known) for reason in reasons}
    assert "because you saved a generated dress" in texts


def test_names() -> None:
    named = {"category": "shoes", "colour": "orange", "pattern": "plain"}
    assert name_of(make_item(0, title="Sunday shoes")) == "Sunday shoes"
    assert name_of(make_item(0, **named)) == "orange shoes"
    assert name_of(make_item(0, **named | {"category": "hat", "pattern": "striped"})) == "an orange striped hat"
    assert name_of(make_item(0, category="hat", colour=None, pattern=None)) == "a hat"
