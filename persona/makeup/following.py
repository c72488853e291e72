"""A look that was made for the middle skin, on somebody's own: looks of the corpus and generated ones follow it.

Foundation and contour move with the skin altogether, so that foundation evens and never masks. Of the rest, lightness
moves by SHARES of the skin's difference: what the named looks that ship do between light and deep skin, on the mean
(`by_depth` in looks.json). A vivid colour, as a red lip or a blue lid, is the same on everybody, as it is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from persona.makeup.look import REGIONS, Lab, Look, Region
from persona.makeup.monk import monk_lab
from persona.makeup.render import Layers, layers_of

MIDDLE = 5  # Monk tone that looks of the corpus, items of the store and generated looks are made for
SKIN: Lab = monk_lab(MIDDLE)
SHARES: dict[Region, float] = {
    "skin": 1.0, "contour": 1.0, "highlight": 0.4, "cheeks": 0.45, "brows": 0.55, "crease": 0.33, "lids": 0.36,
    "liner": 0.0, "lip_liner": 0.13, "lips": 0.28,
}  # fmt: skip
_WHOLE: tuple[Region, ...] = ("skin", "contour")
_DULL, _VIVID = 30.0, 50.0  # chroma up to which a colour follows as said, and from which on it stays


def fitted(look: Look, skin: Lab) -> Look:
    """The look on skin of this colour (CIELAB), as `SkinTone.lab` or `monk_lab` give it."""
    moved = follow(layers_of([look]), torch.tensor([skin])).lab[0].tolist()
    products = [
        product.model_copy(update={"lab": tuple(round(part, 3) for part in moved[REGIONS.index(product.region)])})
        for product in look.products
    ]
    return look.model_copy(update={"products": tuple(products)})


def follow(layers: Layers, skins: Tensor) -> Layers:
    """n looks on n skins, CIELAB (n, 3), with gradients to the looks."""
    lab = layers.lab
    away = skins.to(lab) - torch.tensor(SKIN).to(lab)
    share = _row([SHARES[region] for region in REGIONS]).to(lab)
    whole = _row([float(region in _WHOLE) for region in REGIONS]).to(lab)
    chroma = lab[..., 1:].detach().norm(dim=-1)
    stays = (((chroma - _DULL) / (_VIVID - _DULL)).clamp(0, 1)) * (1 - whole)
    lightness = lab[..., 0] + share * (1 - stays) * away[:, None, 0]
    colour = lab[..., 1:] + (whole[:, None] * away[:, None, 1:])
    return Layers(torch.cat([lightness.clamp(2, 98)[..., None], colour], -1), layers.opacity, layers.finish)


def _row(values: Sequence[float]) -> Tensor:
    return torch.tensor(values)
