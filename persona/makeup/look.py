"""A makeup look: what is put where, in which colour, how strongly and with which finish.

It is a description that people can edit and models can write; nothing in it says anything of the face that wears it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from persona.catalog.colour import lab_to_srgb, srgb_to_lab
from persona.store.records import Finite, NoNul, Occasion, Record, Season

Region = Literal[
    "skin", "contour", "highlight", "cheeks", "brows", "crease", "lids", "liner", "lip_liner", "lips",
]  # fmt: skip
REGIONS: tuple[Region, ...] = get_args(Region)  # in the order in which they are put on
Finish = Literal["matte", "satin", "gloss", "shimmer"]
FINISHES: tuple[Finish, ...] = get_args(Finish)
Placement = Literal[
    "even", "cheekbones", "jaw", "t_zone", "apples", "lifted", "draped", "natural", "arched", "classic", "smoky",
    "lid", "tightline", "wing", "edge", "overline", "full", "blurred",
]  # fmt: skip
PLACEMENTS: dict[Region, tuple[Placement, ...]] = {  # the first is the usual one
    "skin": ("even",),
    "contour": ("cheekbones", "jaw"),
    "highlight": ("cheekbones", "t_zone"),
    "cheeks": ("apples", "lifted", "draped"),
    "brows": ("natural", "arched"),
    "crease": ("classic", "smoky"),
    "lids": ("lid", "smoky"),
    "liner": ("tightline", "wing", "smoky"),
    "lip_liner": ("edge", "overline"),
    "lips": ("full", "blurred"),
}
Share = Annotated[float, Field(ge=0, le=1)]
Lab = tuple[
    Annotated[Finite, Field(ge=0, le=100)],
    Annotated[Finite, Field(ge=-128, le=128)],
    Annotated[Finite, Field(ge=-128, le=128)],
]
_HEX = re.compile(r"#?[0-9a-fA-F]{6}")
_LIPS: dict[str, Any] = {"region": "lips", "lab": [40.0, 52.0, 24.0], "opacity": 0.8, "finish": "satin"}


class Product(Record):
    """One product on one region. Its colour is the pigment's own under neutral light, CIELAB (D65)."""

    region: Region = Field(description="where it is put", examples=["lips"])
    lab: Lab = Field(
        description="the pigment's colour: CIELAB (D65) as three numbers, or sRGB as `#rrggbb`",
        examples=[[40.0, 52.0, 24.0]],
    )
    opacity: Share = Field(description="how much of what is below it covers: 0 nothing, 1 all", examples=[0.8])
    finish: Finish = Field(default="satin", description="how it shines")
    placement: Placement | None = Field(default=None, description="how it lies in the region; left out: the usual way")
    name: Annotated[str, Field(max_length=128), NoNul] = Field(default="", description="of a real product, where known")

    @field_validator("lab", mode="before")
    @classmethod
    def _from_hex(cls, value: Any) -> Any:
        if isinstance(value, list):  # of JSON, which strict validation would no longer know it to be
            return tuple(value)
        return lab_of_hex(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _possible_placement(self) -> Product:
        possible = PLACEMENTS[self.region]
        if self.placement is None:
            object.__setattr__(self, "placement", possible[0])
        elif self.placement not in possible:
            raise ValueError(f"placement: {self.placement} is none of {self.region}: choose from {', '.join(possible)}")
        return self

    @property
    def hex(self) -> str:
        """The pigment's colour as `#rrggbb`, the nearest one that sRGB has."""
        return "#" + "".join(f"{round(float(value)):02x}" for value in lab_to_srgb(self.lab))


class Look(Record):
    """A whole look: at most one product a region. No products is a bare face, which is a look too."""

    title: Annotated[str, Field(max_length=256), NoNul] = Field(default="", description="for people")
    occasions: tuple[Occasion, ...] = Field(default=(), max_length=6, description="what it is for; empty: anything")
    seasons: tuple[Season, ...] = Field(default=(), max_length=4, description="empty: all year")
    products: tuple[Product, ...] = Field(default=(), max_length=len(REGIONS), examples=[[_LIPS]])

    @model_validator(mode="after")
    def _one_each(self) -> Look:
        regions = [product.region for product in self.products]
        twice = next((region for region in regions if regions.count(region) > 1), None)
        if twice:
            raise ValueError(f"products: {twice} stands twice; keep one product a region")
        return self

    def on(self, region: Region) -> Product | None:
        """The product on a region, None where there is none."""
        return next((product for product in self.products if product.region == region), None)

    def only(self, regions: Mapping[str, float] | set[str] | frozenset[str]) -> Look:
        """The part of the look that lies on these regions."""
        return self.model_copy(update={"products": tuple(p for p in self.products if p.region in regions)})

    def with_product(self, product: Product) -> Look:
        """The look with this product in place of what was on its region."""
        others = [p for p in self.products if p.region != product.region]
        ordered = sorted([*others, product], key=lambda p: REGIONS.index(p.region))
        return self.model_copy(update={"products": tuple(ordered)})


def lab_of_hex(text: str) -> Lab:
    """CIELAB of `#rrggbb`. Raises ValueError for what is no such colour."""
    if not _HEX.fullmatch(text):
        raise ValueError(f"{text[:32]!r} is no colour: write #rrggbb, or CIELAB as three numbers")
    digits = text.removeprefix("#")
    lightness, a, b = srgb_to_lab([int(digits[at : at + 2], 16) for at in (0, 2, 4)])
    return round(float(lightness), 3), round(float(a), 3), round(float(b), 3)
