from __future__ import annotations

import math

import numpy as np
import pytest

from persona.taste.cases import cases_of, ndcg
from persona.taste.evaluate import evaluate_simulated, evaluate_wardrobes
from persona.taste.evaluate_cold import new_items, strangers
from persona.taste.evaluate_modes import identified
from persona.taste.history import history_of
from persona.taste.model import TasteModel
from persona.taste.simulate import Simulation, Simulator, simulate
from persona.taste.table import ItemTable

from .conftest import SIMULATOR


def test_ndcg_by_hand() -> None:
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(np.array([5, 1, 7, 2]), np.array([1, 2, 9])) == pytest.approx(
        (1 / math.log2(3) + 1 / math.log2(5)) / ideal
    )
    assert ndcg(np.arange(10), np.arange(20)) == 1
    assert ndcg(np.arange(10), np.array([10])) == 0
    assert ndcg(np.arange(20), np.array([15])) == 0


def test_cases_show_what_came_before_and_want_what_came_after(table: ItemTable, simulation: Simulation) -> None:
    events = {profile.id: [] for profile in simulation.profiles()}
    for event in simulation.events(table):
        events[event.user_id].append(event)
    cases = cases_of(simulation.users, shown=3, preferences=True)
    assert 0 < len(cases) < len(simulation.users)
    for case in cases[:20]:
        history = history_of(events[case.profile.id], table)
        assert case.history == history[: len(case.history)]
        liked = [entry.item for entry in history if entry.type in ("like", "save", "cart", "purchase")]
        assert [entry.item for entry in case.history if entry.item in liked] == liked[:3]
        assert case.wanted.tolist() == liked[3:]
    alone = cases_of(simulation.users, shown=1, preferences=False)
    assert all(len(case.history) == 1 and not case.profile.preferences for case in alone)


def test_evaluation_beats_its_controls_and_repeats(model: TasteModel, known: ItemTable) -> None:
    result = evaluate_simulated(model, known, users=60, crowd=300, settings=SIMULATOR)
    for name in ("three_preferences", "ten_events_and_preferences"):
        assert result[f"{name}_random_ndcg10"] < result[f"{name}_ndcg10"] < result[f"{name}_oracle_ndcg10"]
        assert result[f"{name}_wrong_user_ndcg10"] < result[f"{name}_ndcg10"]
        low, high = result[f"{name}_over_popularity_interval"]
        assert low < result[f"{name}_over_popularity"] < high
    assert result["one_event_over_popularity"] > 0
    assert 0.8 < result["deletion_win"] <= 1
    assert result["new_item_users"] > 0
    assert result["stranger_segment_over_popularity"] > 1.1
    assert result["stranger_segment_unplanted_over_popularity"] == pytest.approx(1, abs=0.25)
    assert result["modes_distance"] < result["modes_distance_held_out"] < result["modes_distance_random"]
    assert result["modes_identified"] > 0.2
    assert result["modes_identified_truly"] > 0.2
    assert result == evaluate_simulated(model, known, users=60, crowd=300, settings=SIMULATOR)


def test_new_items_are_placed_by_what_is_seen_of_them(model: TasteModel, known: ItemTable) -> None:
    cases = cases_of(simulate(known, 400, 9, SIMULATOR).users, shown=5, preferences=True)
    result = new_items(model, known, cases, np.random.default_rng(0), share=0.4)
    assert result["new_items"] == 60
    assert result["new_item_users"] > 100
    assert result["new_item_ndcg10"] > 1.15 * result["new_item_popularity_ndcg10"]
    assert result["new_item_ndcg10"] > 1.15 * result["new_item_blind_ndcg10"]
    assert result["new_item_attributes_place"] < 0.5


def test_segments_are_found_where_they_are(known: ItemTable) -> None:
    found = strangers(known, SIMULATOR, users=300, crowd=1500, seed=4)
    assert found["stranger_segment_over_popularity"] > 1.2
    assert found["stranger_segment_unplanted_over_popularity"] == pytest.approx(1, abs=0.1)
    assert found["stranger_explored_over_popularity"] < 1


def test_conditions_name_their_user() -> None:
    rng = np.random.default_rng(0)
    own = [np.eye(20, dtype=np.float32)[[user] * 3] for user in range(20)]
    assert identified(own, rng) == 1
    guessed = [rng.random((3, 20), np.float32) for _ in range(400)]
    assert identified([scores[:, np.arange(400) % 20] + 1e-3 * rng.random((3, 400)) for scores in guessed], rng) < 0.2


def test_too_few_held_out_wardrobes_are_null_with_why(model: TasteModel, known: ItemTable) -> None:
    result = evaluate_wardrobes(model, known.select(range(8)))
    assert result["wardrobe_auc"] is None
    assert "import more" in result["wardrobe_why"]


def test_wardrobes_of_one_category_are_found(model: TasteModel, known: ItemTable) -> None:
    """Owners who each keep to one category: the model must rank the hidden half above others' garments."""
    order = np.argsort(known.category, kind="stable")
    items = [known.items[row].model_copy(update={"owner": str(place // 6)}) for place, row in enumerate(order)]
    owned = ItemTable.of(items, known.features[order])
    result = evaluate_wardrobes(model, owned, share=0.9, smallest=4)
    assert result["wardrobe_auc"] > 0.65
    assert result["wardrobe_wrong_auc"] < result["wardrobe_auc"] - 0.1
    assert Simulator() != SIMULATOR
