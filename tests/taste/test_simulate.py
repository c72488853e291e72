from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona.errors import BadInput
from persona.store.records import EVENT_TYPES
from persona.taste.simulate import Simulation, Simulator, quality, simulate, utilities
from persona.taste.table import ItemTable
from persona.taste.users import Users

from .conftest import features_of, make_item


def of_type(users: Users, *names: str) -> np.ndarray:
    return np.isin(users.kind, [EVENT_TYPES.index(name) for name in names])


@pytest.fixture(scope="module")
def large() -> ItemTable:
    """A catalogue large enough that hardly anything is taken twice."""
    items = [make_item(number) for number in range(3000)]
    return ItemTable.of(items, features_of(items))


@pytest.fixture(scope="module")
def many(large: ItemTable) -> Simulation:
    return simulate(large, 1500, seed=5)


def test_the_same_seed_gives_the_same_users(table: ItemTable, simulation: Simulation) -> None:
    again, other = simulate(table, 400, seed=3), simulate(table, 400, seed=4)
    for name in ("events", "row", "kind", "at", "stated", "statement", "weight"):
        assert np.array_equal(getattr(again.users, name), getattr(simulation.users, name))
    assert list(again.events(table)) == list(simulation.events(table))
    assert not np.array_equal(other.tastes.affinity, again.tastes.affinity)


def test_records_are_labelled_and_agree(table: ItemTable, simulation: Simulation) -> None:
    profiles, events = list(simulation.profiles()), list(simulation.events(table))
    assert len(profiles) == 400
    assert {profile.source for profile in profiles} == {"simulated"}
    assert all(profile.id.startswith("simulated-3-") for profile in profiles)
    assert len({event.key for event in events}) == len(events) == len(simulation.users.row)
    assert {event.user_id for event in events} <= {profile.id for profile in profiles}
    first = simulation.users.history(0)
    assert [event.item_id for event in events[first]] == [table.ids[row] for row in simulation.users.row[first]]


def test_marginals_are_as_documented(many: Simulation) -> None:
    users, settings = many.users, Simulator()
    counts = np.diff(users.events)
    assert 0.6 * settings.events < counts.mean() < settings.events  # less what was taken before
    assert np.log(counts).std() == pytest.approx(0.55, abs=0.08)  # 0.6 before
    assert of_type(users, "dislike", "hide").mean() == pytest.approx(settings.disliking, abs=0.05)  # of fewer
    assert of_type(users, "dislike").sum() / of_type(users, "dislike", "hide").sum() == pytest.approx(2 / 3, abs=0.03)
    stated = np.diff(users.stated)
    assert (stated > 0).mean() == pytest.approx(settings.stating, abs=0.04)
    assert stated[stated > 0].mean() == pytest.approx(3.5, abs=0.2)
    assert stated.max() == 6
    assert (users.weight > 0).mean() > 0.6


def test_time_runs_forward_within_the_days(many: Simulation) -> None:
    users, settings = many.users, Simulator()
    within = np.ones(len(users.at), bool)
    within[users.events[:-1]] = False
    assert (np.diff(users.at, prepend=0)[within] >= 0).all()
    assert users.at.max() <= settings.until.timestamp()
    assert users.at.min() >= settings.until.timestamp() - settings.days * 86400


def test_nothing_is_taken_twice(many: Simulation) -> None:
    users = many.users
    owner = np.repeat(np.arange(len(users)), np.diff(users.events))
    assert len(np.unique(owner * 10_000 + users.row)) == len(users.row)


def test_actions_follow_the_latent_taste(large: ItemTable, many: Simulation) -> None:
    users = many.users
    utility = utilities(many.tastes, large, Simulator())
    owner = np.repeat(np.arange(len(users)), np.diff(users.events))
    standard = (utility[owner, users.row] - utility.mean(1)[owner]) / utility.std(1)[owner]
    means = [standard[of_type(users, name)].mean() for name in ("hide", "view", "like", "save", "cart", "purchase")]
    assert means == sorted(means)
    assert means[0] < -1 < 1 < means[-1]


def test_stated_preferences_agree_with_the_latent_taste(many: Simulation) -> None:
    users = many.users
    owner = np.repeat(np.arange(len(users)), np.diff(users.stated))
    latent = many.tastes.affinity[owner, users.statement]
    assert (np.sign(users.weight) == np.sign(latent)).all()
    assert np.corrcoef(users.weight, latent)[0, 1] > 0.9
    assert np.abs(latent).mean() > 1.3 * np.abs(many.tastes.affinity).mean()
    assert np.abs(users.weight).min() >= 0.1
    assert np.abs(users.weight).max() <= 1


def test_popular_is_what_is_shown(large: ItemTable, many: Simulation) -> None:
    popularity = many.users.popularity(large)
    shown = quality(large, Simulator())
    assert np.corrcoef(np.log1p(popularity), shown)[0, 1] > 0.7
    ranked = np.sort(popularity)[::-1]
    assert 0.2 < ranked[:300].sum() / ranked.sum() < 0.6
    even = simulate(large, 500, seed=5, settings=Simulator(exposure=0, appeal=0)).users.popularity(large)
    assert np.corrcoef(np.log1p(even), shown)[0, 1] < 0.1


def test_a_world_fixes_what_is_popular(table: ItemTable) -> None:
    assert np.array_equal(quality(table, Simulator()), quality(table, Simulator(events=5)))
    assert not np.array_equal(quality(table, Simulator()), quality(table, Simulator(world=1)))


def test_only_present_values_are_stated(table: ItemTable) -> None:
    green = table.select(table.colour == 8)
    users = simulate(green, 200, settings=replace(Simulator(), stating=1.0, statements=(30, 30))).users
    present = (
        len({(facet, getattr(item, facet)) for item in green.items for facet in ("category", "pattern", "style")}) + 1
    )
    assert set(np.diff(users.stated)) == {present}


def test_items_of_unknown_facets_can_be_acted_on() -> None:
    items = [make_item(number, colour=None, pattern=None, style=None, category="hat") for number in range(5)]
    users = simulate(ItemTable.of(items, features_of(items)), 20).users
    assert len(users.row) > 20


def test_bad_input_is_named(table: ItemTable) -> None:
    with pytest.raises(BadInput, match="items: the catalogue is empty"):
        simulate(table.select([]), 1)
    with pytest.raises(BadInput, match="users: 0 cannot be simulated"):
        simulate(table, 0)
