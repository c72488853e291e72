"""What is measured of a garment's picture, and what its category says where nobody has said more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persona.catalog.colour import Bytes, Lab, colour_name, garment_labs
from persona.catalog.pattern import pattern_of
from persona.store.records import Category, Colour, Pattern, Season, Style

_STYLES: dict[Category, Style] = {
    "shirt": "smart", "blouse": "smart", "blazer": "smart", "dress": "smart", "skirt": "smart",
    "hoodie": "sporty", "shorts": "sporty", "undershirt": "sporty",
}  # fmt: skip
_SEASONS: dict[Category, tuple[Season, ...]] = {
    "t-shirt": ("spring", "summer"), "polo": ("spring", "summer"), "top": ("spring", "summer"),
    "shorts": ("summer",), "undershirt": ("summer",),
    "longsleeve": ("autumn", "winter", "spring"), "hoodie": ("autumn", "winter", "spring"),
    "outwear": ("autumn", "winter"),
}  # fmt: skip


@dataclass(frozen=True)
class Measures:
    """lab: CIELAB (D65) of the dominant colour, or None where nothing is visible. pattern: None where it is unsure."""

    lab: Lab | None
    colour: Colour | None
    pattern: Pattern | None


def measure(rgba: Bytes, patterned: bool = True) -> Measures:
    """Measure a cut-out garment: uint8 (h, w, 4), premultiplied. patterned: the pattern, too, which takes longest."""
    return measure_all([rgba], [patterned])[0]


def measure_all(pictures: Sequence[Bytes], patterned: Sequence[bool]) -> list[Measures]:
    """Measure each picture as `measure` does, sooner than one by one."""
    return [_measures(*each) for each in zip(pictures, garment_labs(pictures), patterned, strict=True)]


def _measures(rgba: Bytes, lab: Lab | None, patterned: bool) -> Measures:
    if lab is None:
        return Measures(None, None, None)
    pattern = pattern_of(rgba) if patterned else None
    return Measures((round(lab[0], 2), round(lab[1], 2), round(lab[2], 2)), colour_name(lab), pattern)


def style_of(category: Category) -> Style:
    """The style that a garment of this category most often has: a guess, for items that come without one."""
    return _STYLES.get(category, "casual")


def seasons_of(category: Category) -> tuple[Season, ...]:
    """The seasons in which this category is most often worn; empty means all year. A guess likewise."""
    return _SEASONS.get(category, ())
