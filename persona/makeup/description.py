"""What is seen of a look, as 64 numbers: the item-content space of looks, as content vectors are that of garments.

By region, in the order of REGIONS, six numbers, all weighted by the product's opacity, so that what is hardly there
hardly counts and a colour that nobody sees does not count at all:

    L, a, b   offset of the pigment from the region's usual colour on a middle skin
    cover     the opacity itself
    gloss, shimmer

then four of the placements that are seen most: wing (liner), lifted or draped (cheeks: a half or one), blurred (lips)
and smoky (liner, lids and crease, their mean). That makes 64; what else a look may say is not described. Each number is
standardised by its mean and deviation over the corpus of looks, kept in `description.json`. Looks that differ in
nothing described have equal vectors; the distance goes with the difference that is seen on a rendered face.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from persona.makeup.following import SKIN
from persona.makeup.look import FINISHES, PLACEMENTS, REGIONS, Look, Placement, Region
from persona.makeup.render import Layers, layers_of
from persona.taste.table import DIMENSIONS, Floats

VERSION = "look-description@1"  # the `feature_version` of tables of looks: changes with the constants
SLOTS: tuple[tuple[Region, Placement], ...] = tuple(
    (region, place) for region in REGIONS for place in PLACEMENTS[region]
)
_MIDDLE: dict[Region, tuple[float, float, float]] = {"brows": (32.0, 7.0, 12.0), "lips": (58.0, 24.0, 18.0)}
_MIDDLE["lip_liner"] = _MIDDLE["lips"]
_PLACES: tuple[dict[tuple[Region, Placement], float], ...] = (
    {("liner", "wing"): 1.0},
    {("cheeks", "lifted"): 0.5, ("cheeks", "draped"): 1.0},
    {("lips", "blurred"): 1.0},
    {("liner", "smoky"): 1 / 3, ("lids", "smoky"): 1 / 3, ("crease", "smoky"): 1 / 3},
)
_FILE = Path(__file__).with_name("description.json")


@dataclass(frozen=True)
class Drawn:
    """n looks as tensors: their layers, and where each product lies, places (n, 21) by SLOTS; within a region the
    weights add up to 1."""

    layers: Layers
    places: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def to(self, device: torch.device | str) -> Drawn:
        """The same on a device."""
        return Drawn(self.layers.to(device), self.places.to(device))

    def rows(self, rows: Tensor) -> Drawn:
        """Some of them, in this order."""
        layers = self.layers
        return Drawn(Layers(layers.lab[rows], layers.opacity[rows], layers.finish[rows]), self.places[rows])


def drawn_of(looks: Sequence[Look]) -> Drawn:
    """Looks as tensors. A region without a product lies in its usual place, with opacity 0."""
    usual = torch.tensor([float(PLACEMENTS[region][0] == place) for region, place in SLOTS])
    places = usual.repeat(len(looks), 1)
    for row, look in enumerate(looks):
        for product in look.products:
            for slot, (region, place) in enumerate(SLOTS):
                if region == product.region:
                    places[row, slot] = float(place == product.placement)
    return Drawn(layers_of(looks), places)


def describe(looks: Sequence[Look]) -> Floats:
    """The vectors float32 (n, 64) of looks, standardised."""
    described: Floats = standardised(seen(drawn_of(looks))).numpy()
    return described


def seen(drawn: Drawn) -> Tensor:
    """What is seen of looks, (n, 64), before it is standardised; with gradients."""
    layers = drawn.layers
    cover = layers.opacity[..., None]
    middle = torch.tensor([_MIDDLE.get(region, SKIN) for region in REGIONS]).to(layers.lab)
    shine = layers.finish[..., [FINISHES.index("gloss"), FINISHES.index("shimmer")]]
    by_region = torch.cat([cover * (layers.lab - middle), cover, cover * shine], 2).flatten(1)
    where = drawn.places * layers.opacity[:, [REGIONS.index(region) for region, _ in SLOTS]]
    weights = torch.tensor([[kind.get(slot, 0.0) for slot in SLOTS] for kind in _PLACES]).to(where)
    return torch.cat([by_region, where @ weights.T], 1)


def standardised(numbers: Tensor) -> Tensor:
    """Numbers (n, 64) of `seen` less their mean over the corpus, over their deviation."""
    mean, deviation = _constants()
    return (numbers - mean.to(numbers)) / deviation.to(numbers)


def constants_of(looks: Sequence[Look]) -> str:
    """The text of `description.json` for a corpus; a new one needs a new VERSION. A number that hardly varies gets a
    deviation that it would have if one look in a hundred had it, so that rare things do not stand out above all."""
    numbers = seen(drawn_of(looks))
    floors = torch.tensor([5.0, 5.0, 5.0, 0.1, 0.1, 0.1] * len(REGIONS) + [0.1] * len(_PLACES))
    deviation = torch.maximum(numbers.std(0), floors)
    rounded = {"mean": numbers.mean(0), "deviation": deviation}
    return json.dumps({name: [round(float(x), 4) for x in values] for name, values in rounded.items()}) + "\n"


@lru_cache(1)
def _constants() -> tuple[Tensor, Tensor]:
    stored = json.loads(_FILE.read_text())
    mean, deviation = torch.tensor(stored["mean"]), torch.tensor(stored["deviation"])
    assert mean.shape == deviation.shape == (DIMENSIONS,)
    return mean, deviation
