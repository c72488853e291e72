"""The catalogue as parallel arrays: what the taste model, the ranking and the simulator read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from persona.errors import BadInput
from persona.store.records import FACETS, OCCASIONS, Item

DIMENSIONS = 64  # of a content vector
UNKNOWN = -1  # code of a facet's value that an item does not tell

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]
FACET_NAMES: tuple[str, ...] = tuple(FACETS)
FACET_CODES: dict[str, dict[str, int]] = {
    facet: {value: code for code, value in enumerate(values)} for facet, values in FACETS.items()
}
_OFFSETS = dict(zip(FACETS, np.cumsum([0, *map(len, FACETS.values())]).tolist(), strict=False))
CATEGORY_NAMES: tuple[str, ...] = FACETS["category"]
KIND_NAMES: tuple[str, ...] = CATEGORY_NAMES + OCCASIONS  # what an item is, or, of a look, what it is for
_KINDS = {name: code for code, name in enumerate(KIND_NAMES)}
STATEMENTS: tuple[tuple[str, str], ...] = tuple((facet, value) for facet in FACETS for value in FACETS[facet])


def statement_code(facet: str, value: str) -> int:
    """Position of a facet's value in STATEMENTS, all facets in a row."""
    return int(_OFFSETS[facet] + FACET_CODES[facet][value])


class Items(Protocol):
    """What the model reads of n items: ids; features, float32 (n, c), content vectors of the visual network
    feature_version; attributes, int64 (n, m), codes of one vocabulary, -1 unknown; popularity, float32 (n,)."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def features(self) -> Floats: ...
    @property
    def attributes(self) -> Codes: ...
    @property
    def popularity(self) -> Floats: ...
    @property
    def feature_version(self) -> str: ...
    def __len__(self) -> int: ...


def attributes_of(codes: Codes) -> Codes:
    """Facet codes (n, 4) as attributes (n, 4): positions in STATEMENTS, -1 unknown."""
    return np.where(codes >= 0, codes + np.array([_OFFSETS[facet] for facet in FACETS]), UNKNOWN)


def kind_code(name: str) -> int:
    """Position of a category, or an occasion, in KIND_NAMES. Raises BadInput for what is neither."""
    if name not in _KINDS:
        raise BadInput("category", f"{name!r} is none; choose from {', '.join(KIND_NAMES)}")
    return _KINDS[name]


def _kinds(items: Sequence[Item], category: Codes) -> Codes:
    """Category codes (n,), and where they are unknown those of the items' occasions."""
    kinds = category.copy()
    for row in np.flatnonzero(category < 0).tolist():
        kinds[row] = _KINDS[items[row].category]
    return kinds


def facet_codes(item: Item) -> tuple[int, ...]:
    """An item's codes in the order of FACET_NAMES: (category, colour, pattern, style), -1 where unknown."""
    return codes_of(item.category, item.colour, item.pattern, item.style)


def codes_of(*values: str | None) -> tuple[int, ...]:
    """Codes of a category, a colour, a pattern and a style, -1 where unknown: as `facet_codes` of such an item."""
    return tuple(FACET_CODES[facet].get(value or "", UNKNOWN) for facet, value in zip(FACET_NAMES, values, strict=True))


def _by_row(popularity: Mapping[str, float] | NDArray[Any] | None, items: Sequence[Item]) -> Floats:
    if popularity is None or isinstance(popularity, Mapping):
        by_id = popularity or {}
        return np.array([by_id.get(item.id, 0.0) for item in items], np.float32)
    if popularity.shape != (len(items),):
        raise BadInput("popularity", f"shape {popularity.shape}, wanted ({len(items)},)")
    return popularity.astype(np.float32)


@dataclass(frozen=True)
class ItemTable:
    """n items as parallel arrays, row by row. Build one with `ItemTable.of`.

    features: float32 (n, 64), content vectors of the visual network `feature_version`.
    codes: int64 (n, 4), per facet the value's position in `FACETS`, -1 unknown (as a look's category always is);
    attributes: the same as positions in STATEMENTS. kind: int64 (n,), the category's position in KIND_NAMES.
    price: float32 (n,), nan unknown.
    popularity: float32 (n,), weighted events of all users, 0 where none.
    """

    items: list[Item]
    features: Floats
    codes: Codes
    price: Floats
    popularity: Floats
    feature_version: str = ""
    ids: list[str] = field(init=False)
    attributes: Codes = field(init=False, repr=False)
    kind: Codes = field(init=False, repr=False)
    index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", [item.id for item in self.items])
        object.__setattr__(self, "index", {name: row for row, name in enumerate(self.ids)})
        object.__setattr__(self, "attributes", attributes_of(self.codes))
        object.__setattr__(self, "kind", _kinds(self.items, self.codes[:, 0]))
        if len(self.index) != len(self.items):
            raise BadInput("items", "an id stands twice; give every item an id of its own")
        if self.features.shape != (len(self.items), DIMENSIONS):
            raise BadInput("features", f"shape {self.features.shape}, wanted ({len(self.items)}, {DIMENSIONS})")
        if not np.isfinite(self.features).all():
            raise BadInput("features", "hold a value that is not finite; make the item vectors again")

    @classmethod
    def of(
        cls,
        items: Sequence[Item],
        features: NDArray[Any],
        popularity: Mapping[str, float] | NDArray[Any] | None = None,
        feature_version: str = "",
    ) -> ItemTable:
        """A table of items and their content vectors (n, 64), in the same order.

        popularity: by id (as `Store.popularity`) or by row. Raises BadInput for other shapes, ids that stand
        twice and features that are not finite.
        """
        codes = np.array([facet_codes(item) for item in items], np.int64).reshape(len(items), len(FACET_NAMES))
        price = np.array([np.nan if item.price is None else item.price for item in items], np.float32)
        rows = np.array(features, np.float32, order="C")  # a copy: what a database gives may be read-only
        return cls(list(items), rows, codes, price, _by_row(popularity, items), feature_version)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def category(self) -> Codes:
        """Category codes, int64 (n,)."""
        return self.codes[:, 0]

    @property
    def colour(self) -> Codes:
        """Colour codes, int64 (n,), -1 unknown."""
        return self.codes[:, 1]

    @property
    def pattern(self) -> Codes:
        """Pattern codes, int64 (n,), -1 unknown."""
        return self.codes[:, 2]

    @property
    def style(self) -> Codes:
        """Style codes, int64 (n,), -1 unknown."""
        return self.codes[:, 3]

    def with_items(self, items: Sequence[Item], features: NDArray[Any]) -> ItemTable:
        """A table with these items too: a known id keeps its row, a new one is added at the end, so rows stay valid."""
        vectors = np.asarray(features, np.float32).reshape(len(items), DIMENSIONS)
        rows = {item.id: (item, vector) for item, vector in zip(self.items, self.features, strict=True)}
        rows |= {item.id: (item, vector) for item, vector in zip(items, vectors, strict=True)}
        popularity = dict(zip(self.ids, self.popularity.tolist(), strict=True))
        merged = np.array([vector for _, vector in rows.values()], np.float32).reshape(-1, DIMENSIONS)
        return ItemTable.of([item for item, _ in rows.values()], merged, popularity, self.feature_version)

    def with_popularity(self, popularity: Mapping[str, float] | NDArray[Any]) -> ItemTable:
        """The same items with other popularities."""
        return replace(self, popularity=_by_row(popularity, self.items))

    def select(self, rows: NDArray[Any] | Sequence[int]) -> ItemTable:
        """The table of these rows (numbers or a mask), in their order."""
        wanted = np.asarray(rows)
        chosen = np.arange(len(self))[wanted if wanted.dtype == bool else wanted.astype(np.int64)]
        items = [self.items[row] for row in chosen]
        return ItemTable.of(items, self.features[chosen], self.popularity[chosen], self.feature_version)
