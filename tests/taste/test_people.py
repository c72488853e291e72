"""The people who do not come from an app: demo personas and wardrobes."""

from __future__ import annotations

from persona.store import Store
from persona.store.records import FACETS
from persona.taste.demo import demo_people
from persona.taste.table import ItemTable
from persona.taste.wardrobe import wardrobes

from .conftest import make_item


def test_demo_people_are_twelve_and_every_kind_of_known(table: ItemTable) -> None:
    people = demo_people(table)
    assert people == demo_people(table)
    assert people != demo_people(table, seed=1)
    assert len({profile.id for profile, _ in people}) == 12
    assert {profile.source for profile, _ in people} == {"demo"}
    kinds = {(bool(profile.preferences), bool(events)) for profile, events in people}
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}
    assert any(len(events) == 1 for _, events in people)


def test_demo_people_act_on_what_they_like(table: ItemTable) -> None:
    for profile, events in demo_people(table):
        liked = [table.items[table.index[e.item_id or ""]] for e in events if e.type not in ("dislike", "hide", "view")]
        stated = [p for p in profile.preferences if p.weight > 0]
        if len(liked) < 8 or not stated:
            continue
        matching = [any(getattr(item, p.facet) == p.value for p in stated) for item in liked]
        everyone = [any(getattr(item, p.facet) == p.value for p in stated) for item in table.items]
        assert sum(matching) / len(matching) > 1.3 * sum(everyone) / len(everyone), profile.id


def test_demo_people_can_be_stored(sqlite_store: Store, table: ItemTable) -> None:
    sqlite_store.put_items(table.items)
    for profile, events in demo_people(table):
        sqlite_store.put_user(profile)
        assert sqlite_store.add_events(events).added == len(events)


def test_demo_people_wear_what_there_is() -> None:
    items = [make_item(number, category="hat") for number in range(3)]
    import numpy as np

    people = demo_people(ItemTable.of(items, np.zeros((3, 64))))
    assert len(people) == 12
    assert set(FACETS) == {"category", "colour", "pattern", "style"}


def test_wardrobes_are_owners_of_enough_garments() -> None:
    owners = ["ann", "ann", "b b", "ann", "b b", "b b", "one", None]
    items = [make_item(number, owner=owner) for number, owner in enumerate(owners)]
    found = list(wardrobes(items))
    assert [{event.item_id for event in events} for _, events in found] == [
        {"item-0", "item-1", "item-3"},
        {"item-2", "item-4", "item-5"},
    ]
    assert found[0][0].id == "wardrobe-ann"
    assert found[1][0].id.startswith("wardrobe-b_b-")
    assert {profile.source for profile, _ in found} == {"wardrobe"}
    assert {event.type for _, events in found for event in events} == {"purchase"}
    assert found == list(wardrobes(items[::-1]))
