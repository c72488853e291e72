from __future__ import annotations

import numpy as np
import pytest

from persona.errors import BadInput
from persona.taste.model import TasteModel
from persona.taste.table import STATEMENTS, ItemTable, statement_code

from .conftest import features_of, make_item


def test_of_reads_facets_prices_and_popularity() -> None:
    items = [
        make_item(0, category="dress", colour="green", pattern=None, style="smart", price=20.0),
        make_item(1, category="hat", colour=None, pattern="plain", style=None),
    ]
    table = ItemTable.of(items, features_of(items), {"item-1": 3.0})
    assert table.codes.tolist() == [[5, 8, -1, 1], [10, -1, 0, -1]]
    assert [c.tolist() for c in (table.category, table.colour, table.pattern, table.style)] == table.codes.T.tolist()
    assert table.price[0] == 20
    assert np.isnan(table.price[1])
    assert table.popularity.tolist() == [0, 3]
    assert table.index == {"item-0": 0, "item-1": 1}


def test_statement_codes_run_through_all_facets() -> None:
    assert [statement_code(*statement) for statement in STATEMENTS] == list(range(len(STATEMENTS)))


def test_bad_tables_are_refused() -> None:
    items = [make_item(0), make_item(1)]
    features = features_of(items)
    with pytest.raises(BadInput, match="stands twice"):
        ItemTable.of([items[0], items[0]], features)
    with pytest.raises(BadInput, match=r"features: shape \(2, 3\)"):
        ItemTable.of(items, features[:, :3])
    with pytest.raises(BadInput, match="features: hold a value that is not finite"):
        ItemTable.of(items, features * np.nan)
    with pytest.raises(BadInput, match="popularity: shape"):
        ItemTable.of(items, features, np.ones(3))


def test_read_only_features_are_copied(model: TasteModel) -> None:
    """As a database gives them; torch warns of such memory, and a warning is an error here."""
    items = [make_item(0), make_item(1)]
    features = np.frombuffer(features_of(items).tobytes(), np.float32).reshape(2, 64)
    table = ItemTable.of(items, features)
    assert model.item_vectors(table).shape == model.vectors_of(features, table.attributes).shape == (2, 64)


def test_with_items_keeps_rows_and_adds_new_ones(table: ItemTable) -> None:
    new = [make_item(3, title="changed"), make_item(999)]
    more = table.with_popularity(np.arange(len(table))).with_items(new, features_of(new))
    assert more.ids == [*table.ids, "item-999"]
    assert more.items[3].title == "changed"
    assert np.array_equal(more.features[[3, -1]], features_of(new))
    assert np.array_equal(more.features[4:-1], table.features[4:])
    assert more.popularity[[4, -1]].tolist() == [4, 0]
    assert more.feature_version == table.feature_version


def test_select(table: ItemTable) -> None:
    assert table.select([5, 2]).ids == ["item-5", "item-2"]
    assert table.select(np.arange(len(table)) < 2).ids == ["item-0", "item-1"]
    assert len(table.select([])) == 0
