"""Items, and the content vectors that belong to them."""

from __future__ import annotations

import numpy as np
import pytest

from persona.errors import BadInput, NotFound
from persona.store import Item, Rights, Store

RIGHTS = Rights(licence="CC0-1.0", source="https://example.org/dress", consent=True, generated=True)
FULL = Item(
    id="shop:1", domain="garment", category="dress", title="Grünes Kleid", picture="a" * 64, lab=(51.5, -30.25, 20.125),
    colour="green", pattern="striped", style="smart", seasons=("spring", "summer"), price=19.9, owner="sender-7",
    rights=RIGHTS, cutout_failed="the background has the garment's colour", active=True,
)  # fmt: skip
BARE = Item(id="shop:2", category="hat", rights=Rights(licence="unknown", source="items.csv"))


def test_items_come_back_as_they_were(store: Store) -> None:
    assert store.put_items([BARE, FULL]) == 2
    assert store.get_item(FULL.id) == FULL
    assert store.items() == [FULL, BARE]
    assert store.count_items() == 2


def test_an_item_replaces_the_one_before(store: Store) -> None:
    store.put_items([FULL])
    store.put_items([BARE, BARE.model_copy(update={"id": FULL.id}), FULL.model_copy(update={"title": "later"})])
    assert store.get_item(FULL.id).title == "later"
    assert store.count_items() == 2


def test_items_by_domain_and_whether_they_are_active(store: Store) -> None:
    gone = BARE.model_copy(update={"id": "gone", "active": False})
    look = BARE.model_copy(update={"id": "look", "domain": "look", "category": "party", "look": {"products": []}})
    store.put_items([FULL, gone, look])
    assert store.items() == [FULL]
    assert store.items(active=None) == [gone, FULL]
    assert store.items(domain="look") == [look]
    assert store.items(domain=None, active=False) == [gone]


def test_the_item_of_a_picture(store: Store) -> None:
    store.put_items([FULL, FULL.model_copy(update={"id": "another"}), BARE])
    found = store.item_of_picture("a" * 64)
    assert found is not None
    assert found.id == "another"
    assert store.item_of_picture("b" * 64) is None


def test_an_unknown_item(store: Store) -> None:
    with pytest.raises(NotFound, match="'none' is not in the catalogue"):
        store.get_item("none")


def test_a_new_picture_drops_the_vectors_made_from_the_old_one(store: Store) -> None:
    store.put_items([FULL, BARE])
    store.put_item_vectors("visual-64@1", [FULL.id, BARE.id], np.ones((2, 4), np.float32))
    store.put_items(
        [FULL.model_copy(update={"title": "the same picture"}), BARE.model_copy(update={"picture": "b" * 64})]
    )
    assert store.item_vectors("visual-64@1")[0] == [FULL.id]


def test_vectors_come_back_as_they_were(filled: Store) -> None:
    vectors = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    filled.put_item_vectors("visual-64@1", ["i3", "i1", "i2"], vectors)
    filled.put_item_vectors("visual-64@2", ["i1"], np.zeros((1, 8), np.float64))
    ids, found = filled.item_vectors("visual-64@1")
    assert ids == ["i1", "i2", "i3"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectors[[1, 2, 0]])
    filled.put_item_vectors("visual-64@1", ["i1"], vectors[:1])
    np.testing.assert_array_equal(filled.item_vectors("visual-64@1")[1][0], vectors[0])
    assert filled.item_vectors("visual-64@2")[1].shape == (1, 8)


def test_no_vectors(filled: Store) -> None:
    ids, found = filled.item_vectors("none")
    assert ids == []
    assert found.shape == (0, 0)
    filled.put_item_vectors("none", [], np.zeros((0, 64), np.float32))


@pytest.mark.parametrize(
    ("ids", "vectors", "why"),
    [
        (["i1", "i9"], np.zeros((2, 4)), "item_ids: 'i9' is not in the catalogue"),
        (["i1"], np.zeros((2, 4)), r"vectors: shape \(2, 4\), wanted \(1, d\)"),
        (["i1"], np.zeros(4), r"vectors: shape \(4,\)"),
        (["i1"], np.full((1, 4), np.nan), "vectors: hold NaN or infinity"),
        (["i1"], np.zeros((1, 5)), "vectors: 5 wide, but those of visual-64@1 are 4 wide"),
    ],
)
def test_vectors_that_cannot_be(filled: Store, ids: list[str], vectors: np.ndarray, why: str) -> None:
    filled.put_item_vectors("visual-64@1", ["i2"], np.ones((1, 4)))
    with pytest.raises(BadInput, match=why):
        filled.put_item_vectors("visual-64@1", ids, vectors)
    assert filled.item_vectors("visual-64@1")[0] == ["i2"]
