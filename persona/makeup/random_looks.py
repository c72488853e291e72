"""Looks drawn at random, broad but such as are worn: what the reader learns from, and is measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from persona.catalog.lab import lab_to_rgb, rgb_to_lab
from persona.makeup.look import FINISHES, PLACEMENTS, REGIONS, Look, Placement, Region
from persona.makeup.render import Layers, look_of

BARE = 0.1  # share of faces without any makeup
_MOST_PLACEMENTS = max(map(len, PLACEMENTS.values()))


@dataclass(frozen=True)
class _Habit:
    """How a region is made up: how often, how strongly (from, to), and how often with each of FINISHES."""

    often: float
    opacity: tuple[float, float]
    finishes: tuple[float, float, float, float]


_HABITS: dict[Region, _Habit] = {
    "skin": _Habit(0.45, (0.15, 0.6), (0.5, 0.5, 0, 0)),
    "contour": _Habit(0.4, (0.15, 0.5), (0.8, 0.2, 0, 0)),
    "highlight": _Habit(0.45, (0.15, 0.6), (0, 0.3, 0.2, 0.5)),
    "cheeks": _Habit(0.65, (0.2, 0.75), (0.5, 0.35, 0, 0.15)),
    "brows": _Habit(0.5, (0.2, 0.7), (0.7, 0.3, 0, 0)),
    "crease": _Habit(0.5, (0.25, 0.8), (0.8, 0.2, 0, 0)),
    "lids": _Habit(0.65, (0.3, 0.95), (0.35, 0.3, 0.05, 0.3)),
    "liner": _Habit(0.55, (0.5, 1.0), (0.7, 0.3, 0, 0)),
    "lip_liner": _Habit(0.45, (0.3, 0.9), (0.8, 0.2, 0, 0)),
    "lips": _Habit(0.75, (0.35, 1.0), (0.35, 0.3, 0.3, 0.05)),
}
# lightness, chroma and hue in degrees, (from, to) each, and how often
_Range = tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]
_COLOURS: dict[Region, tuple[_Range, ...]] = {
    "cheeks": (((35, 75), (25, 65), (-10, 60), 1.0),),
    "brows": (((12, 50), (2, 24), (40, 80), 1.0),),
    "crease": (((18, 60), (5, 38), (20, 80), 0.7), ((15, 60), (5, 55), (0, 360), 0.3)),
    "lids": (((25, 80), (4, 38), (20, 90), 0.5), ((15, 85), (5, 62), (0, 360), 0.5)),
    "liner": (((4, 25), (0, 14), (0, 360), 0.7), ((10, 70), (10, 60), (0, 360), 0.3)),
    "lip_liner": (((22, 55), (15, 55), (-20, 55), 1.0),),
    "lips": (((18, 65), (22, 78), (-25, 45), 0.75), ((40, 75), (12, 35), (10, 65), 0.15),
             ((12, 80), (0, 60), (0, 360), 0.1)),
}  # fmt: skip
# products that follow the skin: shift of (lightness, a, b) and its deviation
_OFF_SKIN: dict[Region, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "skin": ((0, 0, 0), (5, 3, 4)),
    "contour": ((-15, 1, 1), (4, 3, 4)),
    "highlight": ((18, -2, -2), (6, 3, 5)),
}


@dataclass(frozen=True)
class Drawn:
    """n random looks: layers (opacity 0: no product there) and placement, int64 (n, R), an index into PLACEMENTS."""

    layers: Layers
    placement: Tensor

    def looks(self) -> list[Look]:
        """The same as descriptions."""
        return [look_of(self.layers, row, self.placements(row)) for row in range(len(self.placement))]

    def placements(self, row: int) -> dict[Region, Placement]:
        """Where each region's product of one look lies."""
        return {region: PLACEMENTS[region][int(self.placement[row, at])] for at, region in enumerate(REGIONS)}


def draw_looks(skin: Tensor, generator: torch.Generator) -> Drawn:
    """A look for each skin colour, CIELAB (n, 3) in neutral light: foundation, contour and highlight follow it."""
    n, regions = len(skin), len(REGIONS)
    often = torch.tensor([_HABITS[region].often for region in REGIONS])
    worn = torch.rand(n, regions, generator=generator) < often
    worn &= torch.rand(n, 1, generator=generator) >= BARE
    low, high = (torch.tensor([_HABITS[region].opacity[end] for region in REGIONS]) for end in (0, 1))
    opacity = (low + (high - low) * torch.rand(n, regions, generator=generator)) * worn
    finishes = torch.tensor([_HABITS[region].finishes for region in REGIONS])
    finish = torch.multinomial(finishes, n, True, generator=generator).T
    lab = torch.stack([_colours(region, skin, generator) for region in REGIONS], 1)
    placement = (
        torch.rand(n, regions, generator=generator) * torch.tensor([len(PLACEMENTS[r]) for r in REGIONS])
    ).long()
    one_hot = torch.nn.functional.one_hot(finish, len(FINISHES)).float()
    return Drawn(Layers(_possible(lab), opacity, one_hot), placement)


def _colours(region: Region, skin: Tensor, generator: torch.Generator) -> Tensor:
    if region in _OFF_SKIN:
        shift, spread = map(torch.tensor, _OFF_SKIN[region])
        return skin + shift + spread * torch.randn(len(skin), 3, generator=generator)
    return _in_ranges(_COLOURS[region], len(skin), generator)


def _in_ranges(ranges: Sequence[_Range], n: int, generator: torch.Generator) -> Tensor:
    which = torch.multinomial(torch.tensor([r[3] for r in ranges]), n, True, generator=generator)
    bounds = torch.tensor([r[:3] for r in ranges])[which]  # (n, 3, 2)
    at = bounds[..., 0] + (bounds[..., 1] - bounds[..., 0]) * torch.rand(n, 3, generator=generator)
    hue = at[:, 2] * math.pi / 180
    return torch.stack([at[:, 0], at[:, 1] * hue.cos(), at[:, 1] * hue.sin()], 1)


def _possible(lab: Tensor) -> Tensor:
    """The nearest colours that sRGB has, (n, R, 3)."""
    column = lab.reshape(-1, 3, 1, 1)
    return rgb_to_lab(lab_to_rgb(column)).reshape(lab.shape)
