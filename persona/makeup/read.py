"""A look read from a photo of somebody who wears it: what is put where, and what the face is like under it.

All colours are in neutral light: the reader says first what the light did to this person's skin, and takes it off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from persona import modelfolder
from persona.catalog.lab import from_linear, lab_to_rgb, linear_to_lab, rgb_to_lab, to_linear
from persona.errors import BadInput
from persona.makeup.aligned import VARIANTS, Aligned, align, crop_of, hull
from persona.makeup.face import Bytes, Face
from persona.makeup.look import PLACEMENTS, REGIONS, Lab, Look, Placement, Region
from persona.makeup.reader_network import BARE, ReaderNetwork, Readings
from persona.makeup.render import Layers, look_of

KIND = "look-reader"
Gains = tuple[float, float, float]  # of linear red, green and blue
# In how much light a person stands can hardly be told from the face: cameras choose their exposure well (to 0.3 in the
# logarithm, see `persona.makeup.skin`), and the network is surer of it than it may be on new people. Of 0, .25, .5 and
# 1 a quarter served people who were held out best over all lights.
TRUST = 0.25
NEUTRAL: Gains = (1.0, 1.0, 1.0)
# which of BARE lies under each region
UNDER: dict[Region, str] = {
    "skin": "skin", "contour": "skin", "highlight": "skin", "cheeks": "cheeks", "brows": "brows", "crease": "lids",
    "lids": "lids", "liner": "lids", "lip_liner": "lips", "lips": "lips",
}  # fmt: skip


@dataclass(frozen=True)
class ReadLook:
    """What is read of one photo. Colours are CIELAB in neutral light.

    look: products where makeup is likelier than not. certainty: by region, the chance that it is as the look says, made
    up or not. error: by region, the CIEDE2000 by which the colour is expected to be off. bare: the person's own
    colours, by BARE (skin, lips, lids, cheeks, brows). worn: by region, the colour seen where its product lies or would
    lie. light: what the light of the photo does to linear red, green and blue.
    """

    look: Look
    certainty: Mapping[Region, float]
    error: Mapping[Region, float]
    bare: Mapping[str, Lab]
    worn: Mapping[Region, Lab]
    light: Gains


class LookReader:
    """The trained reader. version: of its weights, empty before they are saved."""

    def __init__(self, network: ReaderNetwork, version: str = "") -> None:
        self.network, self.version = network.eval(), version

    @classmethod
    def load(cls, folder: Path) -> LookReader:
        """Read a model folder. Raises as `modelfolder.read`."""
        stored = modelfolder.read(folder, KIND)
        network = ReaderNetwork(int(stored.config["width"]))
        modelfolder.fill(network, stored)
        return cls(network, stored.name)

    def save(self, folder: Path, *, card: str, metrics: dict[str, Any]) -> None:
        """Write the model folder and take its version."""
        config = {"width": self.network.width, "regions": list(REGIONS), "bare": list(BARE)}
        stored = modelfolder.write(folder, KIND, config, self.network.state_dict(), card=card, metrics=metrics)
        self.version = stored.name

    def read(self, photo: Bytes, face: Face) -> ReadLook:
        """The look worn in a photo, uint8 (h, w, 3), by the face in it. Raises BadInput for another array."""
        said, row = self.readings(checked(photo), face), 0
        chances = said.present[row].sigmoid().tolist()
        placements = {r: _likeliest(said, r) for r in REGIONS}
        wearing = said.opacity * (said.present > 0)
        look = look_of(Layers(_real(said.pigment), wearing, said.finish), row, placements)
        return ReadLook(
            look=look,
            certainty={r: round(max(p, 1 - p), 4) for r, p in zip(REGIONS, chances)},
            error={r: round(float(e), 2) for r, e in zip(REGIONS, said.error[row])},
            bare={name: _lab(value) for name, value in zip(BARE, said.bare[row])},
            worn={r: _lab(said.worn[row, _variant(r, PLACEMENTS[r][0])]) for r in REGIONS},
            light=_gains(said),
        )

    @torch.no_grad()
    def readings(self, photo: Bytes, face: Face) -> Readings:
        """What the network says of one face, n = 1."""
        aligned = align(photo, face)
        crop = torch.from_numpy(aligned.crop).permute(2, 0, 1)[None].float() / 255
        around = torch.from_numpy(hull(aligned.face))[None]
        return self.network(crop, torch.from_numpy(aligned.at)[None], around, TRUST)


def checked(photo: Bytes) -> Bytes:
    """The photo. Raises BadInput where it is not uint8 (h, w, 3)."""
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
        raise BadInput("photo", f"{photo.dtype} of shape {photo.shape}, wanted uint8 (height, width, 3)")
    return photo


def measured(photo: Bytes, aligned: Aligned, face: Face, light: Gains = NEUTRAL) -> dict[Region, Lab]:
    """The colour of each region where its usual placement lies, the light taken off: medians of CIELAB.

    aligned: of a photo of the same face in the same place, whose points are measured at.
    """
    crop = crop_of(photo, face).reshape(-1, 3)
    at = aligned.at[[_variant(region, PLACEMENTS[region][0]) for region in REGIONS]]
    points = torch.from_numpy(crop[at]).permute(2, 0, 1)[None].float() / 255
    linear = to_linear(points) / torch.tensor(light)[:, None, None]
    return {r: _lab(value) for r, value in zip(REGIONS, middle_of(linear))}


def middle_of(linear: torch.Tensor) -> torch.Tensor:
    """Medians of CIELAB (regions, 3) of linear colours (1, 3, regions, points)."""
    return linear_to_lab(linear).median(-1).values[0].T


def under_light(lab: Lab, light: Gains) -> Lab:
    """How a colour of neutral light looks under another; and back, under the inverse gains."""
    column = torch.tensor(lab).view(1, 3, 1, 1)
    linear = (to_linear(lab_to_rgb(column)) * torch.tensor(light).view(1, 3, 1, 1)).clamp(0, 1)
    return _lab(rgb_to_lab(from_linear(linear)).flatten())


def look_under(look: Look, light: Gains) -> Look:
    """A look's pigments as they are seen under a light, to be painted on a photo taken in it."""
    products = [product.model_copy(update={"lab": under_light(product.lab, light)}) for product in look.products]
    return look.model_copy(update={"products": tuple(products)})


def _variant(region: Region, placement: Placement) -> int:
    return VARIANTS.index((region, placement))


def _likeliest(said: Readings, region: Region) -> Placement:
    first = _variant(region, PLACEMENTS[region][0])
    choices = PLACEMENTS[region]
    return choices[int(said.placement[0, first : first + len(choices)].argmax())]


def _real(lab: torch.Tensor) -> torch.Tensor:
    """The nearest colours that sRGB has, (n, R, 3)."""
    return rgb_to_lab(lab_to_rgb(lab.reshape(-1, 3, 1, 1))).reshape(lab.shape)


def _lab(value: torch.Tensor) -> Lab:
    lightness, a, b = (float(part) for part in value)
    return round(min(max(lightness, 0.0), 100.0), 2), round(a, 2), round(b, 2)


def _gains(said: Readings) -> Gains:
    red, green, blue = said.light[0].exp().tolist()
    return red, green, blue
