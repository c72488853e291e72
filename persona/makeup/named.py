"""The thirty looks that ship, on any skin: `looks.json` says what they are, this how they follow the wearer's skin.

A colour there is one of three. `hex`: the same on everybody, as a red lipstick is. `by_depth`: three colours, for
light, medium and deep skin (Monk 2, 5 and 8), between which the wearer's is interpolated in CIELAB, and beyond which it
deepens by half as much as the skin does: blush, nude lips, brows, highlighter. `of_skin`: the wearer's own skin and so
much more lightness, a and b: foundation ([0, 0, 0], so that it evens and never lightens) and contour, whose darkening
shrinks with the lightness that the skin has to give.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from persona.errors import NotFound
from persona.makeup.analysis import Monk
from persona.makeup.look import Finish, Lab, Look, Placement, Product, Region, Share, lab_of_hex
from persona.makeup.monk import monk_lab
from persona.store.records import Finite, Identifier, Occasion, Record, Season, Style

TABLE = Path(__file__).with_name("looks.json")
_DEPTHS = (2, 5, 8)  # Monk tones that the three colours of `by_depth` are for
_ENOUGH_LIGHT = 60.0  # lightness of skin from which on it takes all the darkening that `of_skin` asks for


class Shade(Record):
    """A product of a named look. Exactly one of hex, by_depth and of_skin says its colour."""

    region: Region
    hex: str | None = None
    by_depth: tuple[str, str, str] | None = Field(default=None, description="on light, medium and deep skin")
    of_skin: tuple[Finite, Finite, Finite] | None = Field(default=None, description="added to the skin's own CIELAB")
    opacity: Share
    finish: Finish
    placement: Placement | None = None

    @model_validator(mode="after")
    def _one_colour(self) -> Shade:
        if sum(colour is not None for colour in (self.hex, self.by_depth, self.of_skin)) != 1:
            raise ValueError(f"{self.region}: say exactly one of hex, by_depth and of_skin")
        return self

    def on(self, monk: int, skin: Lab) -> Product:
        """The product as it is on skin of this Monk tone and CIELAB colour."""
        fields = {"opacity": self.opacity, "finish": self.finish, "placement": self.placement}
        return Product.model_validate({"region": self.region, "lab": self._lab(monk, skin), **fields})

    def _lab(self, monk: int, skin: Lab) -> tuple[float, ...]:
        if self.hex is not None:
            return lab_of_hex(self.hex)
        if self.by_depth is not None:
            labs = np.array([lab_of_hex(one) for one in self.by_depth])
            lightness, a, b = (float(np.interp(monk, _DEPTHS, labs[:, part])) for part in range(3))
            deeper = 0.5 * max(0.0, _lightness(_DEPTHS[-1]) - _lightness(monk))
            return round(max(lightness - deeper, min(lightness, 4.0)), 3), round(a, 3), round(b, 3)
        lightness, a, b = self.of_skin or (0.0, 0.0, 0.0)
        room = min(1.0, skin[0] / _ENOUGH_LIGHT) if lightness < 0 else 1.0
        moved = np.array(skin) + np.array([lightness, a, b]) * room
        return tuple(np.clip(moved, (0, -128, -128), (100, 128, 128)).round(3).tolist())


def _lightness(monk: int) -> float:
    return monk_lab(monk)[0]


class NamedLook(Record):
    """A look that ships, for any skin; `on` makes it a Look for one."""

    id: Identifier
    title: Annotated[str, Field(min_length=1, max_length=256)]
    style: Style
    occasions: Annotated[tuple[Occasion, ...], Field(min_length=1)]  # the first is its category as an item
    seasons: tuple[Season, ...] = Field(default=(), description="empty: all year")
    products: Annotated[tuple[Shade, ...], Field(min_length=1)]

    def on(self, monk: Monk, skin: Lab | None = None) -> Look:
        """The look on skin of a Monk tone. skin: its colour where it was measured, CIELAB; else the tone's own."""
        own = skin or monk_lab(monk)
        products = tuple(shade.on(monk, own) for shade in self.products)
        return Look(title=self.title, occasions=self.occasions, seasons=self.seasons, products=products)


@lru_cache(1)
def named_looks() -> tuple[NamedLook, ...]:
    """The thirty looks, in the order in which they are shown."""
    return tuple(NamedLook.model_validate(look) for look in json.loads(TABLE.read_text("utf-8"))["looks"])


def named_look(look_id: str) -> NamedLook:
    """A look by its id, such as look-classic-red. Raises NotFound."""
    found = next((look for look in named_looks() if look.id == look_id), None)
    if found is None:
        raise NotFound(f"look {look_id[:64]!r} is none of those that ship; the first is {named_looks()[0].id!r}")
    return found
