"""Makeup looks among the items: what they must say, whose they are, and that garments are ranked without them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from persona.errors import NotFound
from persona.store import Event, Generation, Item, Profile, Rights, Store

from .conftest import MORNING

RIGHTS = Rights(licence="Apache-2.0", source="drawn", generated=True)
LIPS = {"region": "lips", "lab": [40.5, 52.0, 24.0], "opacity": 0.8, "finish": "satin", "placement": "full", "name": ""}
LOOK = Item(
    id="look-red", domain="look", category="evening", title="Red", picture="c" * 64, lab=(40.5, 52.0, 24.0),
    colour="red", style="smart", seasons=("winter",), rights=RIGHTS,
    look={"title": "Red", "occasions": ["evening"], "seasons": ["winter"], "products": [LIPS]},
)  # fmt: skip
DAY = 60 * 24


def saved(by: str, number: int = 1, **fields: object) -> Item:
    return LOOK.model_copy(update={"id": f"{by}-look-{number}", "owner": by, "picture": f"{number:064x}", **fields})


def test_looks_come_back_as_they_were(filled: Store) -> None:
    filled.put_items([LOOK])
    assert filled.get_item(LOOK.id) == LOOK
    assert filled.items(domain="look") == [LOOK]
    assert [item.id for item in filled.items()] == ["i1", "i2", "i3", "i4"]
    assert filled.get_item("i1").look is None
    assert (filled.count_items(), filled.count_items("garment"), filled.count_items("look")) == (5, 4, 1)


def test_everybodys_looks_and_ones_own(filled: Store) -> None:
    filled.put_items([LOOK, saved("u1"), saved("u2"), saved("u1", 2, active=False)])
    assert [item.id for item in filled.looks()] == ["look-red"]
    assert [item.id for item in filled.looks("u1")] == ["look-red", "u1-look-1"]
    assert [item.id for item in filled.looks("u3")] == ["look-red"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"category": "dress"}, "category: dress is none of a look: choose from everyday"),
        ({"look": None}, "look: is missing"),
        ({"domain": "garment"}, "category: evening is none of a garment: choose from t-shirt"),
        ({"domain": "garment", "category": "dress"}, "look: a garment has none"),
        ({"look": "red"}, "look"),
    ],
)
def test_a_look_is_no_garment(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Item.model_validate(LOOK.model_dump() | change)


def test_what_kind_of_garment_a_look_is() -> None:
    assert Item(id="i", category="dress", rights=RIGHTS).garment == "dress"
    with pytest.raises(ValueError, match="'look-red' is a look, no garment"):
        _ = LOOK.garment


def test_saved_looks_are_erased_with_their_user(filled: Store, an_event: Callable[..., Event]) -> None:
    wardrobe = Item(id="coat", category="outwear", owner="u1", picture="d" * 64, rights=RIGHTS)
    shared = saved("u2", 7, picture="e" * 64)
    filled.put_items([LOOK, saved("u1", 1), saved("u1", 2, picture="e" * 64), shared, wardrobe])
    filled.add_events([an_event("mine", item_id="u1-look-1"), an_event("theirs", user_id="u2", item_id="u1-look-1")])
    filled.add_events([an_event("other", user_id="u2", item_id="look-red")])
    assert filled.delete_user("u1") == [f"{1:064x}"]  # e is another's picture too
    assert [item.id for item in filled.items(domain="look")] == ["look-red", "u2-look-7"]
    assert filled.get_item("coat") == wardrobe
    assert [event.key for event in filled.history("u2")] == ["other"]
    with pytest.raises(NotFound, match="u1-look-1"):
        filled.get_item("u1-look-1")


def test_an_unknown_user_is_not_erased_nor_looks_that_bear_the_name(filled: Store) -> None:
    filled.put_items([saved("nobody")])
    with pytest.raises(NotFound, match="nobody"):
        filled.delete_user("nobody")
    assert filled.get_item("nobody-look-1").owner == "nobody"


def test_garments_are_ranked_without_what_was_done_with_looks(filled: Store, an_event: Callable[..., Event]) -> None:
    filled.put_items([LOOK])
    filled.bulk_users(Profile.model_validate({"id": f"u{n}", "traits": {"age_band": "25-34"}}) for n in range(1, 26))
    made = Generation(
        id="g1", picture="f" * 64, user_id="u1", model="garment-64@1", condition_digest="0" * 64, seed=1,
        category="dress", created_at=MORNING,
    )  # fmt: skip
    filled.add_generations([made], np.zeros((1, 4), np.float32))
    worn = [an_event(f"g{n}", n, user_id=f"u{n}", item_id=f"i{n % 2 + 1}") for n in range(1, 26)]
    filled.add_events([*worn, an_event("made", 30, generation_id="g1")])

    def known() -> tuple[object, ...]:
        return (
            filled.popularity(), filled.favourable_marks("personalisation"),
            list(filled.favourable_events(["u1", "u2"])), filled.history("u1", limit=2, domain="garment"),
            list(filled.histories(["u1"], limit=2)),
        )  # fmt: skip

    before = known()
    looks = [an_event(f"l{n}", DAY + n, item_id="look-red", type=("like", "view", "hide")[n % 3]) for n in range(60)]
    assert filled.add_events(looks).added == 60
    assert known() == before
    assert [event.key for event in filled.history("u1", domain="look")] == [f"l{n}" for n in range(10, 60)]
    assert len(filled.history("u1", limit=100)) == 62
    assert filled.event_watermark("u1") > 27
