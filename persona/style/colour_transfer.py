"""Colour transfer by means and deviations in Lab (Reinhard et al. 2001): the control that any style transfer must beat.

It moves a style's colours and contrast and nothing of its texture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from persona.catalog.colour import SOLID
from persona.catalog.lab import lab_to_rgb, rgb_to_lab
from persona.catalog.pictures import Bytes
from persona.style.picture import Floats, View, check, composed, view_of
from persona.style.statistics import mean_std


def colour_transfer(
    rgba: Bytes, style: Bytes, region: Floats | None = None, style_region: Floats | None = None
) -> Bytes:
    """The picture with mean and deviation of each channel of CIELAB as the style has them, region to region.

    Premultiplied uint8 (h, w, 4) both. Alpha and what is outside the region stay bit for bit. Raises BadInput as
    `picture.check`, naming picture or style.
    """
    own = check(rgba, region, "picture")
    view, its = view_of(rgba, own), view_of(style, check(style, style_region, "style"))
    lab, (mean, deviation), (to, spread) = rgb_to_lab(view.rgb), _colours(view), _colours(its)
    moved = (lab - mean) * (spread / deviation) + to
    return composed(rgba, own, view, lab_to_rgb(moved))


def _colours(view: View) -> tuple[Tensor, Tensor]:
    """Mean and deviation (1, 3, 1, 1) of the region's Lab."""
    solid = (view.mask >= SOLID).to(view.rgb.dtype)
    mean, deviation = mean_std(rgb_to_lab(view.rgb), solid if bool(solid.any()) else view.mask)
    return mean[:, :, None, None], deviation[:, :, None, None].clamp(min=torch.finfo(mean.dtype).eps)
