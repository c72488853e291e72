"""When and what for: how the season, the temperature and the occasion move items up and down in a ranking.

What suits what is a convention (a coat is worn in the cold, a blazer to work), not measured. It leaves nothing out: who
likes dresses most of all is shown dresses in winter too, below what they would wear. Conditions on items do leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field

from persona.store.records import CATEGORIES, SEASONS, STYLES, Finite, Occasion, Record, Season

if TYPE_CHECKING:  # a client of the API has no use for the catalogue
    from persona.recommend.catalogue import Catalogue

Floats = NDArray[np.float32]
OUT_OF_SEASON = -1.0  # standard deviations of the person's scores, as everything here
COLD = 15.0  # °C below which an outfit has an outer layer
TOO_FAR = 20.0  # °C beyond what a category is worn in, at which it is as unfit as can be
UNFIT = -2.0  # of what is worn TOO_FAR from here
WORN_IN: dict[str, tuple[float, float]] = {  # °C, of the day outside
    "outwear": (-60, 16), "hoodie": (-60, 20), "blazer": (5, 24), "longsleeve": (-60, 22), "shirt": (0, 30),
    "blouse": (5, 30), "polo": (15, 45), "t-shirt": (14, 50), "top": (18, 50), "undershirt": (-60, 50),
    "body": (5, 45), "shorts": (20, 50), "skirt": (14, 50), "dress": (14, 50),
}  # fmt: skip
"""What else there is (pants, shoes, hats) is worn in any weather."""
STYLE_SUITS: dict[Occasion, dict[str, float]] = {
    "everyday": {"casual": 0.5, "sporty": 0.5, "smart": -0.25},
    "work": {"casual": -0.25, "sporty": -1.0, "smart": 0.75},
    "evening": {"casual": -0.25, "sporty": -1.0, "smart": 0.75},
    "wedding": {"casual": -0.75, "sporty": -1.5, "smart": 1.0},
    "party": {"casual": 0.25, "sporty": -0.5, "smart": 0.5},
    "stage": {"casual": -0.25, "sporty": -0.75, "smart": 0.75},
}
_FESTIVE = {
    "dress": 0.75,
    "skirt": 0.25,
    "blouse": 0.25,
    "shorts": -0.75,
    "t-shirt": -0.5,
    "undershirt": -0.75,
    "hoodie": -0.75,
}
KIND_SUITS: dict[Occasion, dict[str, float]] = {
    "everyday": {},
    "work": {"blazer": 0.5, "shirt": 0.5, "blouse": 0.5, "shorts": -0.75, "undershirt": -0.75, "hoodie": -0.5},
    "evening": {**_FESTIVE, "blazer": 0.5},
    "wedding": {**_FESTIVE, "blazer": 0.75, "shirt": 0.25},
    "party": {"dress": 0.5, "top": 0.25, "undershirt": -0.5},
    "stage": {"dress": 0.5, "blazer": 0.25, "undershirt": -0.5},
}


class Context(Record):
    """When and what for an answer is wanted; everything may be left out."""

    at: AwareDatetime | None = Field(
        default=None, description="when it is to be worn, in local time: its month and the hemisphere tell the season"
    )
    hemisphere: Literal["north", "south"] = Field(default="north", description="turns the season round")
    temperature: Finite | None = Field(
        default=None, ge=-60, le=60, description=f"°C outside, which takes the season's place; below {COLD:g} outfits "
        "get an outer layer",
    )  # fmt: skip
    occasion: Occasion | None = Field(default=None, description="moves styles and categories that are worn to it up")

    @property
    def season(self) -> Season | None:
        """The season of the month (meteorological: spring begins in March, in the south in September)."""
        if self.at is None:
            return None
        quarter = (self.at.month // 3 + (3 if self.hemisphere == "north" else 1)) % 4  # March: 0, spring in the north
        return SEASONS[quarter]  # type: ignore[return-value]

    @property
    def cold(self) -> bool:
        """Whether an outer layer is worn."""
        return self.temperature is not None and self.temperature < COLD

    @property
    def words(self) -> str:
        """The same for a person."""
        weather = f"{self.temperature:g} °C" if self.temperature is not None else self.season
        return " and ".join(filter(None, [weather, self.occasion]))


def suitability(context: Context, catalogue: Catalogue) -> Floats:
    """How well a catalogue's items suit a context, float32 (n,): what is added to each score, in the scores' standard
    deviations. 0 for a context that says nothing."""
    found = np.zeros(len(catalogue.table), np.float32)
    if context.temperature is not None:
        found += np.array([_weather(name, context.temperature) for name in CATEGORIES], np.float32)[
            catalogue.table.category
        ]
    elif context.season is not None:
        found += np.where(catalogue.seasons[context.season], 0, OUT_OF_SEASON).astype(np.float32)
    if context.occasion is not None:
        kinds, styles = KIND_SUITS[context.occasion], STYLE_SUITS[context.occasion]
        found += np.array([kinds.get(name, 0) for name in CATEGORIES], np.float32)[catalogue.table.category]
        found += np.array([*(styles[name] for name in STYLES), 0], np.float32)[
            catalogue.table.style
        ]  # last: unknown, -1
    return found


def _weather(category: str, temperature: float) -> float:
    low, high = WORN_IN.get(category, (-np.inf, np.inf))
    outside = max(low - temperature, temperature - high, 0.0)
    return UNFIT * min(outside / TOO_FAR, 1.0)
