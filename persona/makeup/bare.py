"""A made-up face without its makeup: an estimate, by the renderer run backwards from what the reader says.

Product by product, the last one first, each pixel is taken back to the skin that gives it under that product: the
shading stays, and the middle of the region becomes the bare colour that was read. What makeup hides wholly is nowhere
in the photo; there the result is the person's colour as the reader expects it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from persona.catalog.lab import lab_to_rgb, rgb_to_lab
from persona.makeup.face import Bytes, Face
from persona.makeup.look import FINISHES, REGIONS, Look, Product, Region
from persona.makeup.read import UNDER, LookReader, ReadLook, look_under, under_light
from persona.makeup.render import GLOW, LIGHT, SHADE, medians, placements_of, repaint, unevenness

_LEAST = 0.45  # of the skin's own unevenness that is left to read under a product: less would enlarge noise

_SLACK = 1.4  # shading moves pixels about the bare colour: so much farther than it seems they may go


def remove(photo: Bytes, face: Face, reader: LookReader) -> tuple[Bytes, ReadLook]:
    """The photo, uint8 (h, w, 3), with the face as it may be without makeup; and what was read of it.

    Outside the masks of what was read the photo stays bit for bit. Raises BadInput for what is no photo.
    """
    seen = reader.read(photo, face)
    worn = look_under(seen.look, seen.light)
    bare = {name: torch.tensor(under_light(lab, seen.light)) for name, lab in seen.bare.items()}
    under = {region: bare[UNDER[region]] for region in REGIONS}
    return repaint(photo, face, placements_of(worn), lambda p, m: without(p, m, worn, under)), seen


def without(pictures: Tensor, masks: Tensor, look: Look, under: dict[Region, Tensor]) -> Tensor:
    """sRGB (1, 3, h, w) without a look that lies in masks (1, R, h, w). under: by region, the bare CIELAB (3,)."""
    lab = rgb_to_lab(pictures)
    for product in reversed(look.products):
        mask = masks[:, REGIONS.index(product.region)]
        bare = under[product.region]
        move = (_uncovered(lab, mask, product, bare) - lab) * (mask > 0)[:, None]
        lab = lab + _needed(lab, move, bare) * move
    reached = masks.amax(1, keepdim=True) > 1e-3
    return torch.where(reached, lab_to_rgb(lab), pictures)


def _needed(lab: Tensor, move: Tensor, bare: Tensor) -> Tensor:
    """How much of a move (1, 3, h, w) brings a pixel to the bare colour (3,), 0 to 1, (1, 1, h, w).

    Where the product was read but does not lie, the skin is bare already, and taking off more would paint its opposite.
    """
    reach = max(1, min(lab.shape[-2:]) // 80)
    soft = F.avg_pool2d(lab, 2 * reach + 1, 1, reach, count_include_pad=False)
    along = ((bare[:, None, None] - soft) * move).sum(1, keepdim=True)
    return (_SLACK * along / move.square().sum(1, keepdim=True).clamp(min=1e-6)).clamp(0, 1)


def _uncovered(lab: Tensor, mask: Tensor, product: Product, bare: Tensor) -> Tensor:
    """The skin (1, 3, h, w) that looks as `lab` does under a product; the renderer's formula solved for it."""
    alpha = mask * product.opacity
    kind = FINISHES.index(product.finish)
    to = torch.tensor(product.lab).to(lab)
    deepest = bare[0] if product.region == "skin" else to[0] + 100  # foundation never lightens
    pigment = torch.stack([torch.minimum(to[0], deepest), to[1], to[2]])
    _, spread = medians(lab, mask)
    off = lab[:, 0] - bare[0] - alpha * (pigment[0] - bare[0])
    keeps = ((pigment[0] + 16) / (bare[0] + 16)) ** 0.5
    shade = off / (1 - alpha + alpha * SHADE[kind] * keeps).clamp(min=_LEAST)
    slope = (1 - alpha + alpha * LIGHT[kind] * keeps).clamp(min=_LEAST)
    bend = alpha * GLOW[kind] / (2.5 * spread[:, None, None]) ** 2
    light = 2 * off / (slope + (slope * slope + 4 * bend * off.clamp(min=0)).sqrt())
    skin = torch.where(off < 0, shade, light)
    shaded = pigment[0] + skin * keeps * torch.where(off < 0, SHADE[kind], LIGHT[kind])
    chroma = ((shaded + 16) / (pigment[0] + 16)).clamp(0.3, 1.15)
    pair, own = pigment[1:, None, None], bare[1:, None, None]
    middle = (1 - alpha)[:, None] * own + alpha[:, None] * pair * chroma[:, None]
    colour = own + (lab[:, 1:] - middle) / (1 - alpha + alpha * unevenness(product.region)).clamp(min=_LEAST)[:, None]
    return torch.cat([(bare[0] + skin)[:, None].clamp(0, 100), colour], 1)
