"""Conditions on items, as a tree in JSON: what may be recommended at all. Read as data, never run as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from persona.store.records import CATEGORIES, COLOURS, PATTERNS, SEASONS, STYLES, Finite, Item, NoNul, Record

if TYPE_CHECKING:  # a client of the API has no use for the catalogue
    from persona.recommend.catalogue import Catalogue
    from persona.taste.table import Codes, ItemTable

DEEPEST, MOST_CONDITIONS, MOST_VALUES = 6, 64, 1000
WordField = Literal["item_id", "category", "colour", "pattern", "style", "season", "licence", "owner"]
NumberField = Literal["price", "lightness", "popularity"]
ItemField = Literal[WordField, "generated", NumberField]
Value = bool | Annotated[str, Field(max_length=128), NoNul] | None
NUMBERS: tuple[str, ...] = get_args(NumberField)
UNKNOWABLE = ("colour", "pattern", "style", "owner")  # what an item may not tell; then its value is null
VALUES: dict[str, tuple[str, ...]] = {
    "category": CATEGORIES, "colour": COLOURS, "pattern": PATTERNS, "style": STYLES, "season": SEASONS,
}  # fmt: skip
_FORMS = ("all", "any", "not", "field")


class Filter(Record):
    """One condition: `all`, `any` or `not` of others, or a `field` with `in`, or with `min`, `max` or both.

    `in` takes words; null for items that do not tell (colour, pattern, style, owner); true or false for `generated`. A
    `season` suits whatever is worn in it, all-year items too. `min` and `max` are inclusive, and what has no price or
    no measured colour passes neither; `not` turns a condition round, so it then passes.
    """

    model_config = ConfigDict(
        serialize_by_alias=True,
        json_schema_extra={
            "examples": [
                {"all": [{"field": "category", "in": ["dress", "skirt"]}, {"not": {"field": "colour", "in": ["red"]}}]},
                {"field": "price", "min": 20, "max": 80},
            ]
        },
    )

    all: tuple[Filter, ...] | None = Field(
        default=None, min_length=1, max_length=MOST_CONDITIONS, description="every one of these holds"
    )
    any: tuple[Filter, ...] | None = Field(
        default=None, min_length=1, max_length=MOST_CONDITIONS, description="at least one of these holds"
    )
    negated: Filter | None = Field(default=None, alias="not", description="this does not hold")
    field: ItemField | None = Field(default=None, description="of an item")
    among: tuple[Value, ...] | None = Field(
        default=None, alias="in", min_length=1, max_length=MOST_VALUES, description="the field is one of these"
    )
    min: Finite | None = Field(default=None, description="of price, lightness (0 to 100), popularity: this or more")
    max: Finite | None = Field(default=None, description="this or less")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Filter:
        forms = [name for name, part in zip(_FORMS, (self.all, self.any, self.negated, self.field)) if part is not None]
        if len(forms) != 1:
            raise ValueError("a condition has exactly one of all, any, not and field; put several into all")
        bounded = self.min is not None or self.max is not None
        if self.field is None and (self.among is not None or bounded):
            raise ValueError("in, min and max go with a field; name it")
        if self.field in NUMBERS and (self.among is not None or not bounded):
            raise ValueError(f"{self.field} is a number: give min, max or both")
        if self.field is not None and self.field not in NUMBERS and (self.among is None or bounded):
            raise ValueError(f"{self.field} takes in, a list of values, and neither min nor max")
        return self

    @model_validator(mode="after")
    def _can_hold(self) -> Filter:
        for value in self.among or ():
            if isinstance(value, bool) != (self.field == "generated") or (
                value is None and self.field not in UNKNOWABLE
            ):
                wanted = "true or false" if self.field == "generated" else "a word"
                raise ValueError(f"in: {value!r} is no value of {self.field}; give {wanted}")
            if value is not None and self.field in VALUES and value not in VALUES[self.field]:
                raise ValueError(f"in: {value!r} is no {self.field}: choose from {', '.join(VALUES[self.field])}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min: {self.min:g} is above max {self.max:g}, so nothing could pass; swap them")
        return self

    @model_validator(mode="after")
    def _of_bounded_size(self) -> Filter:
        if self.depth > DEEPEST:
            raise ValueError(f"conditions within conditions are {DEEPEST} deep at most; say it flatter")
        if self.size > MOST_CONDITIONS:
            raise ValueError(f"there are {self.size} conditions, at most {MOST_CONDITIONS}; join values in one `in`")
        return self

    @property
    def parts(self) -> tuple[Filter, ...]:
        """The conditions that this one is made of; none for one on a field."""
        return self.all or self.any or (() if self.negated is None else (self.negated,))

    @property
    def depth(self) -> int:
        """How deep conditions stand within conditions: 1 for one on a field."""
        return 1 + max((part.depth for part in self.parts), default=0)

    @property
    def size(self) -> int:
        """How many conditions there are in all, this one too."""
        return 1 + sum(part.size for part in self.parts)


class Columns:
    """The fields of a table's items as arrays, each made when it is first asked for."""

    def __init__(self, table: ItemTable) -> None:
        self._table = table
        self._words: dict[str, tuple[Codes, dict[Value, int]]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}

    def words(self, field: str) -> tuple[Codes, dict[Value, int]]:
        """A field's values as codes (n,), and the code of each value."""
        if field not in self._words:
            known: dict[Value, int] = {}
            codes = np.array([known.setdefault(_word(item, field), len(known)) for item in self._table.items], np.int64)
            self._words[field] = codes, known
        return self._words[field]

    def numbers(self, field: str) -> NDArray[np.float64]:
        """A field's values (n,), nan where an item has none; in float64, so that a price meets its own bound."""
        if field not in self._numbers:
            counted = zip(self._table.items, self._table.popularity.tolist())
            found = [_number(item, field) if field != "popularity" else number for item, number in counted]
            self._numbers[field] = np.array([np.nan if one is None else one for one in found], np.float64)
        return self._numbers[field]


def _word(item: Item, field: str) -> Value:
    value: Value = getattr(
        item.rights if field in ("licence", "generated") else item, "id" if field == "item_id" else field
    )
    return value


def _number(item: Item, field: str) -> float | None:
    return item.price if field == "price" else item.lab[0] if item.lab else None


def passes(wanted: Filter, catalogue: Catalogue) -> NDArray[np.bool_]:
    """Which items of a catalogue a condition holds for, bool (n,)."""
    if wanted.all is not None:
        return np.logical_and.reduce([passes(part, catalogue) for part in wanted.all])
    if wanted.any is not None:
        return np.logical_or.reduce([passes(part, catalogue) for part in wanted.any])
    if wanted.negated is not None:
        return ~passes(wanted.negated, catalogue)
    if wanted.field == "season":
        return np.logical_or.reduce([catalogue.seasons[season] for season in wanted.among or ()])  # type: ignore[index]
    assert wanted.field is not None
    if wanted.among is None:
        return _between(catalogue.columns.numbers(wanted.field), wanted.min, wanted.max)
    codes, known = catalogue.columns.words(wanted.field)
    chosen = np.zeros(len(known), bool)
    chosen[[known[value] for value in wanted.among if value in known]] = True
    return chosen[codes]


def _between(values: NDArray[np.float64], least: float | None, most: float | None) -> NDArray[np.bool_]:
    """What is not a number lies nowhere."""
    above = values >= (-np.inf if least is None else least)
    return np.asarray(above & (values <= (np.inf if most is None else most)))
