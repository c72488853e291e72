"""A makeup artist's rules as data: for whom, where, what is wanted there, why, and who says so.

`rules.json` beside this file is the book that ships; another of the same form can be given in its place. A rule wants
traits of the product on one region: ranges of its colour in CIELAB's lightness, chroma and hue, absolute or relative
to the skin or to another product, of its opacity and of its contrast (opacity times CIEDE2000 to the skin), finishes
and placements; or traits of the whole look. No rule may lighten skin: a book with one that would is refused.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from persona.errors import BadInput
from persona.makeup.analysis import Monk, Shape, Undertone
from persona.makeup.look import PLACEMENTS, Finish, Lab, Placement, Region, Share
from persona.store.reading import row_error
from persona.store.records import Finite, Identifier, NoNul, Occasion, Record, Season

BOOK = Path(__file__).with_name("rules.json")
Anchor = Literal["nothing", "skin", "lips", "lids"]
Trait = Literal["lightness", "chroma", "hue", "opacity", "contrast", "finish", "placement", "focus", "suits"]
PRODUCT_TRAITS: tuple[Trait, ...] = ("lightness", "chroma", "hue", "opacity", "contrast", "finish", "placement")
LOOK_TRAITS: tuple[Trait, ...] = ("focus", "suits")
WORDS = ("shape", "undertone", "occasion", "season")  # what a reason may name in braces, if its rule is for some
Text = Annotated[str, Field(min_length=1, max_length=500), NoNul]
LIGHTER = 1.0  # of lightness: less than an eye sees, and rounding takes


class Span(Record):
    """From low to high, both included; hues in degrees may begin below 0. Written `[low, high]`, or
    `{"skin": [low, high]}` for what is to be added to the skin's (or the lips', the lids') own value."""

    low: Finite
    high: Finite
    to: Anchor = "nothing"

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, value: Any) -> Any:
        to: Any = "nothing"
        if isinstance(value, dict) and len(value) == 1:
            to, value = next(iter(value.items()))
        if isinstance(value, (list, tuple)):
            if len(value) != 2:
                raise ValueError(f"{value!r} is no range: write [low, high]")
            return {"low": value[0], "high": value[1], "to": to}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Span:
        if self.low > self.high:
            raise ValueError(f"[{self.low:g}, {self.high:g}] ends before it begins: write the lower number first")
        return self


class When(Record):
    """Whom and what for a rule is. What is left out does not matter to it."""

    shape: tuple[Shape, ...] = ()
    undertone: tuple[Undertone, ...] = ()
    monk: tuple[Monk, Monk] | None = Field(default=None, description="first and last Monk tone")
    occasion: tuple[Occasion, ...] = ()
    season: tuple[Season, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> When:
        if self.monk and self.monk[0] > self.monk[1]:
            raise ValueError(f"monk: {list(self.monk)} ends before it begins: write the lighter tone first")
        return self


class Want(Record):
    """What a rule wants of a product, or of a whole look. It is met as far as its traits are, on average."""

    lightness: Span | None = None
    chroma: Span | None = None
    hue: Span | None = None
    opacity: Span | None = None
    contrast: Span | None = Field(default=None, description="opacity times CIEDE2000 between product and skin")
    finish: tuple[Finish, ...] | None = None
    placement: tuple[Placement, ...] | None = None
    focus: Span | None = Field(default=None, description="of a look: how far apart eyes and lips are in contrast")
    suits: Literal["occasion", "season"] | None = Field(default=None, description="of a look: what it is named for")

    @cached_property
    def traits(self) -> tuple[Trait, ...]:
        """The names of the traits that are wanted."""
        return tuple(name for name in (*PRODUCT_TRAITS, *LOOK_TRAITS) if getattr(self, name) is not None)


class Family(Record):
    """Products of one region that go by one name, by their own colour: "red lips". The first that fits is theirs."""

    region: Region
    lightness: Span = Span(low=0, high=100)
    chroma: Span = Span(low=0, high=200)
    hue: Span = Span(low=-180, high=180)


class Source(Record):
    """Who says so. kind: how far to trust it."""

    kind: Literal["study", "book", "convention"]
    text: Text


class Rule(Record):
    """One rule. weight: what it is worth where it is met, and costs where it is not."""

    id: Identifier
    region: Region | Literal["look"]
    of: str | None = Field(default=None, description="the family of products that it speaks of; left out: all")
    when: When = When()
    want: Want
    weight: Annotated[Finite, Field(gt=0, le=5)] = 1.0
    why: Text
    why_not: Text | None = Field(default=None, description="what is said where it is not met; left out: why, set aside")
    source: str

    @model_validator(mode="after")
    def _sound(self) -> Rule:
        for problem in _problems(self):
            raise ValueError(f"rule {self.id}: {problem}")
        return self


class Starter(Record):
    """What is put on a region that a look leaves bare, so that the scheme is whole. shift: from the skin's colour."""

    region: Region
    when: When = When()
    shift: tuple[Finite, Finite, Finite]
    opacity: Share
    finish: Finish = "satin"

    def lab(self, skin: Lab) -> tuple[float, ...]:
        """Its colour on this skin, CIELAB."""
        return tuple(own + more for own, more in zip(skin, self.shift))


class Rulebook(Record):
    """Rules with their sources and the families that they speak of."""

    sources: dict[str, Source]
    families: dict[str, Family] = Field(default_factory=dict)
    starters: tuple[Starter, ...] = ()
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _all_known(self) -> Rulebook:
        seen: set[str] = set()
        for rule in self.rules:
            family = self.families.get(rule.of or "")
            if rule.id in seen:
                raise ValueError(f"rule {rule.id}: stands twice; give each rule an id of its own")
            if rule.source not in self.sources:
                raise ValueError(f"rule {rule.id}: source: {rule.source!r} is not among sources: add it there")
            if rule.of and (family is None or family.region != rule.region):
                raise ValueError(f"rule {rule.id}: of: {rule.of!r} is no family of {rule.region}: add it to families")
            seen.add(rule.id)
        for starter in self.starters:
            if starter.region == "skin":
                raise ValueError("starters: skin: foundation is the wearer's own colour: leave it out")
        return self

    def without(self, rule: str) -> Rulebook:
        """The book with one rule left out."""
        return self.model_copy(update={"rules": tuple(r for r in self.rules if r.id != rule)})


def _problems(rule: Rule) -> Iterator[str]:
    """What is wrong with a rule beyond its types."""
    allowed = LOOK_TRAITS if rule.region == "look" else PRODUCT_TRAITS
    if not rule.want.traits:
        yield f"want: is empty: name one of {', '.join(allowed)}"
    for trait in rule.want.traits:
        if trait not in allowed:
            yield f"want: {trait}: is no trait of {rule.region}: choose from {', '.join(allowed)}"
    if rule.region != "look":
        for placement in rule.want.placement or ():
            if placement not in PLACEMENTS[rule.region]:
                possible = ", ".join(PLACEMENTS[rule.region])
                yield f"want: placement: {placement} is none of {rule.region}: choose from {possible}"
    lightness = rule.want.lightness
    if rule.region == "skin" and lightness and (lightness.to != "skin" or lightness.high > LIGHTER):
        yield 'want: lightness: foundation never lightens skin: write {"skin": [low, 0]}, or leave it out'
    try:
        said = string.Formatter().parse(rule.why + (rule.why_not or ""))
        fields = {name for _, name, _, _ in said if name is not None}
    except ValueError as error:
        yield f"why: {error}: write a lone brace twice"
        return
    for name in sorted(fields):
        if name not in WORDS:
            yield f"why: {{{name}}} is unknown: a reason may name {', '.join(f'{{{word}}}' for word in WORDS)}"
        elif not getattr(rule.when, name):
            yield f"why: {{{name}}} stands in a rule for every {name}: say in its when for which, or leave it out"


def read_rules(path: Path | str) -> Rulebook:
    """A book of rules from a JSON file of the form of `rules.json`.

    Raises BadInput (field "rules") that names the rule, the field and the remedy.
    """
    path = Path(path)
    try:
        return Rulebook.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput("rules", f"{path} cannot be read ({error.strerror}): give a JSON file") from None
    except ValidationError as error:
        raise BadInput("rules", f"{path.name}: {row_error(error)}") from None


@lru_cache(maxsize=1)
def shipped_rules() -> Rulebook:
    """The book that ships."""
    return read_rules(BOOK)
