"""The named looks as items: imported once, each with its picture; garments are ranked as if they were not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from persona.catalog.pictures import Pictures
from persona.errors import NotFound
from persona.makeup.look import Look
from persona.makeup.named import named_look, named_looks
from persona.makeup.showing import draw_look
from persona.recommend import RecommendationRequest, Recommender
from persona.recommend.looks import MONK, SIDE, import_looks, look_item
from persona.settings import Settings
from persona.store import Event, Preference, Profile, Rights, Store

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
GREEN = Preference(facet="colour", value="green", weight=1.0)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Only three of the looks, since drawing thirty takes a while."""
    chosen = tuple(named_look(name) for name in ("look-classic-red", "look-berry-stain", "look-golden-hour"))
    monkeypatch.setattr("persona.recommend.looks.named_looks", lambda: chosen)
    return [look.id for look in chosen]


def did(number: int, item: str, type: str = "like") -> Event:
    at = BEGAN + timedelta(hours=number)
    return Event.model_validate({"key": f"e{number}", "user_id": "ana", "item_id": item, "type": type, "at": at})


def test_every_named_look_is_an_item() -> None:
    for named in named_looks():
        item = look_item(named, "a" * 64)
        look = Look.model_validate(item.look)
        assert look == named.on(MONK)
        assert item.category == look.occasions[0]
        assert item.rights.generated
        assert item.title == look.title
    colours = {look_item(named, None).colour for named in named_looks()}
    assert colours >= {"red", "pink", "orange"}


def test_an_import_stores_them_with_their_pictures(sqlite_store: Store, few: list[str], settings: Settings) -> None:
    pictures = Pictures(settings.home / "others")
    report = import_looks(sqlite_store, pictures)
    assert (report.read, report.added, report.updated_or_duplicate) == (3, 3, 0)
    stored = sqlite_store.looks()
    assert sorted(few) == [item.id for item in stored]
    assert sqlite_store.items() == []
    item = sqlite_store.get_item("look-classic-red")
    picture = pictures.get(item.picture or "")
    assert (picture[..., 3] == 255).all()
    assert (picture[..., :3] == draw_look(named_look(item.id), "oval", MONK, SIDE)).all()
    again = import_looks(sqlite_store, pictures)
    assert (again.read, again.added, again.updated_or_duplicate) == (3, 0, 3)
    assert sqlite_store.looks() == stored


def test_only_what_is_missing_or_stale_is_drawn_unless_anew(
    sqlite_store: Store, few: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = Pictures(settings.home / "others")
    import_looks(sqlite_store, pictures)
    before = sqlite_store.looks()
    lost, stale, _ = before
    pictures.remove(lost.picture or "")
    blank = pictures.put(np.full((8, 8, 4), 255, np.uint8))
    sqlite_store.put_items([stale.model_copy(update={"title": "of an earlier version", "picture": blank})])
    drawn = []
    monkeypatch.setattr(
        "persona.recommend.looks.draw_look", lambda look, *more: drawn.append(look.id) or draw_look(look, *more)
    )
    import_looks(sqlite_store, pictures, anew=False)
    assert sorted(drawn) == [lost.id, stale.id]
    assert sqlite_store.looks() == before
    assert blank not in pictures
    assert all((item.picture or "") in pictures for item in before)


def test_looks_do_not_change_what_garments_are_shown(recommender: Recommender, few: list[str]) -> None:
    store = recommender.store
    store.put_user(Profile(id="ana", preferences=(GREEN,)))
    store.add_events([did(1, "hat-red-0", "view"), did(2, "dress-green-0"), did(3, "shoes-black-0", "purchase")])
    recommender.refresh()
    question = RecommendationRequest(user_id="ana", mode="retrieve", seed=1)
    before = recommender.recommend(question)
    import_looks(store, recommender.pictures)
    store.add_events([did(10 + n, few[n % 3], ("like", "hide", "save")[n % 3]) for n in range(70)])
    for _ in range(2):
        after = recommender.recommend(question)
        assert after.items == before.items
        assert after.outfit == before.outfit
        assert not {item.item_id for item in after.items} & set(few)
        recommender.refresh()  # popularity and co-occurrence are counted anew
    assert len(recommender.table) == 36


def test_erasing_a_user_takes_their_saved_looks_and_pictures(recommender: Recommender, few: list[str]) -> None:
    store, pictures = recommender.store, recommender.pictures
    store.put_user(Profile(id="ana"))
    import_looks(store, pictures)
    own = pictures.put(np.full((8, 8, 4), 200, np.uint8))
    named = store.get_item(few[0])
    rights = Rights(licence="private", source="saved by its user", generated=True)
    mine = named.model_copy(update={"id": "ana-1", "owner": "ana", "picture": own, "rights": rights})
    store.put_items([mine, named.model_copy(update={"id": "ana-2", "owner": "ana"})])
    assert {item.id for item in store.looks("ana")} == {"ana-1", "ana-2", *few}
    recommender.erase("ana")
    assert own not in pictures
    assert named.picture in pictures
    assert {item.id for item in store.looks("ana")} == set(few)
    with pytest.raises(NotFound, match="ana-1"):
        store.get_item("ana-1")
