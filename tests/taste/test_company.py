"""Simulated companies: the simulator's own users, part by part, flat and resumed."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from persona.errors import BadInput
from persona.store import Store
from persona.store.loading import Loaded
from persona.taste import company
from persona.taste.company import simulate_company, steps_for
from persona.taste.simulate import Simulator, simulate
from persona.taste.table import ItemTable

SETTINGS = Simulator(events=5.0, ages=0.5)


def fill(store: Store, table: ItemTable, users: int) -> list[Loaded]:
    return list(simulate_company(store, table, users, 3, SETTINGS))


@pytest.fixture
def empty(store: Store, table: ItemTable) -> Store:
    store.put_items(table.items)
    return store


def test_a_company_is_the_simulator_s_users(empty: Store, table: ItemTable) -> None:
    made = simulate(table, 40, 3, SETTINGS)
    (loaded,) = fill(empty, table, 40)
    assert loaded == Loaded(users=40, events=len(made.users.row), known=0)
    assert empty.users(made.users.ids) == list(made.profiles())
    stored = [event for user_id in made.users.ids for event in empty.history(user_id)]
    assert stored == list(made.events(table))


def test_many_parts_come_from_a_process_of_their_own_and_are_resumed(
    sqlite_store: Store, table: ItemTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_store.put_items(table.items)
    monkeypatch.setattr(company, "PART", 10)
    begun = simulate_company(sqlite_store, table, 45, 3, SETTINGS)
    assert [part.users for part in islice(begun, 2)] == [10, 10]
    begun.close()  # as when it is interrupted: the process ends, and two parts are there whole
    parts = fill(sqlite_store, table, 45)
    assert [(part.users, part.known) for part in parts] == [(0, 10), (0, 10), (10, 0), (10, 0), (5, 0)]
    third = simulate(table, 10, 3, SETTINGS, first=20)
    assert sqlite_store.users(third.users.ids) == list(third.profiles())
    assert sqlite_store.count_users() == 45


def test_parts_differ_and_the_first_is_what_it_was_without_parts(table: ItemTable) -> None:
    first, second = simulate(table, 10, 3), simulate(table, 10, 3, first=10)
    assert second.users.ids[0] == "simulated-3-000010"
    assert not np.array_equal(first.tastes.affinity, second.tastes.affinity)


def test_as_many_events_are_done_as_are_asked_for(table: ItemTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "PART", 400)
    settings = steps_for(table, 12.0, 3)
    assert settings.events > 12
    assert len(simulate(table, 1000, 4, settings).users.row) / 1000 == pytest.approx(12, rel=0.1)


@pytest.mark.parametrize("events", [1.0, 120.0])
def test_events_out_of_reach_are_refused(table: ItemTable, events: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "PART", 200)
    with pytest.raises(BadInput, match=r"events: .* over 150 items"):
        steps_for(table, events)
