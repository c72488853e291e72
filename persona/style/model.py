"""The style model: read a style from a picture, put it on another."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from persona import modelfolder
from persona.catalog.lab import lab_to_rgb, rgb_to_lab
from persona.catalog.pictures import Bytes
from persona.errors import BadInput, OutOfDate
from persona.style.controls import WHOLE, Controls
from persona.style.features import FeatureNet, open_features
from persona.style.networks import Decoder, Style, style_of, stylise
from persona.style.picture import Floats, check, composed, view_of
from persona.style.statistics import mean_std
from persona.style.transport import SHAPES

KIND = "style"
READING_SIDE = 256  # pixels: of a reference at most; its statistics hardly change above


class StyleModel:
    """A frozen feature net and the decoder trained on it. `dimensions`: length of a style vector."""

    def __init__(self, net: FeatureNet, decoder: Decoder) -> None:
        self.net, self.decoder, self.version = net, decoder.eval(), "untrained"
        self.widths = (3, *net.channels)
        self.dimensions = 2 * sum(self.widths) + sum(map(prod, SHAPES))
        for module in (self.net, self.decoder):
            module.to(memory_format=torch.channels_last)

    @classmethod
    def load(cls, folder: Path) -> StyleModel:
        """Read a model folder; its feature net is opened by name, the garment network's folder lies beside it.

        Raises as `persona.modelfolder.read` and `open_features`, and OutOfDate where the feature net is not the one
        that the decoder was trained on.
        """
        model = modelfolder.read(folder, KIND)
        net = open_features(model.config["features"], folder.parent)
        if net.version != model.config["features_version"]:
            known = model.config["features_version"]
            raise OutOfDate(f"{folder}: was trained on {known}, and here is {net.version}; train it again")
        decoder = Decoder(net.channels, net.strides)
        modelfolder.fill(decoder, model)
        found = cls(net, decoder)
        found.version = model.name
        return found

    def save(self, folder: Path, *, card: str, metrics: dict[str, Any]) -> None:
        """Write a model folder."""
        config = {"features": self.net.name, "features_version": self.net.version}
        tensors = self.decoder.state_dict()
        self.version = modelfolder.write(folder, KIND, config, tensors, card=card, metrics=metrics).name

    @torch.no_grad()
    def read(self, rgba: Bytes, region: Floats | None = None) -> Floats:
        """The style of a premultiplied picture (h, w, 4) within a region (h, w): a style vector float32 (d,).

        Raises BadInput as `persona.style.picture.check`, of the field style.
        """
        view = view_of(rgba, check(rgba, region, "style"), READING_SIDE)
        found = style_of(self.net, view.rgb, view.mask)
        parts = [*(each for pair in found.statistics for each in pair), *found.moments]
        return torch.cat([each.flatten().float() for each in parts]).numpy()

    @torch.no_grad()
    def apply(self, rgba: Bytes, style: Floats, controls: Controls = WHOLE, region: Floats | None = None) -> Bytes:
        """A premultiplied picture (h, w, 4) with a style (d,) put on its region (h, w), its visible part if None.

        Alpha and everything outside the region stay bit for bit. Raises BadInput as `persona.style.picture.check`, of
        the field picture, and for a style vector of another model.
        """
        region = check(rgba, region, "picture")
        wanted = self._style(style)
        if controls.strength == 0:
            return rgba.copy()
        view = view_of(rgba, region)
        made = kept(view.rgb, stylise(self.decoder, self.net, view.rgb, view.mask, wanted), view.mask, controls)
        return composed(rgba, region, view, view.rgb.lerp(made, controls.strength))

    def _style(self, style: Floats) -> Style:
        if style.shape != (self.dimensions,) or not np.isfinite(style).all():
            raise BadInput("style", f"shape {style.shape}, wanted {self.dimensions} finite numbers of {self.version}")
        pairs = [width for width in self.widths for _ in ("mean", "deviation")]
        parts = torch.from_numpy(np.asarray(style, np.float32))[None].split([*pairs, *map(prod, SHAPES)], 1)
        means, deviations = parts[: len(pairs) : 2], parts[1 : len(pairs) : 2]
        moments = [part.unflatten(1, shape) for part, shape in zip(parts[len(pairs) :], SHAPES, strict=True)]
        return Style(list(zip(means, deviations, strict=True)), moments)


def blend(styles: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """One style vector (d,) of several, by weights of 0 or more that need not add up to 1.

    Raises BadInput for no styles, styles of different models, and weights that are negative, not finite or all 0.
    """
    if not styles or len(styles) != len(weights):
        raise BadInput("weights", f"{len(weights)} for {len(styles)} styles: give one for each, and at least one style")
    if len({style.shape for style in styles}) > 1:
        raise BadInput("styles", "are of different models; read them again with one")
    shares = np.asarray(weights, np.float64)
    if not np.isfinite(shares).all() or shares.min() < 0 or shares.sum() == 0:
        raise BadInput("weights", "must be 0 or more, and not all 0")
    return np.asarray(np.tensordot(shares / shares.sum(), np.stack(styles), 1), np.float32)


def kept(before: Tensor, after: Tensor, mask: Tensor, controls: Controls) -> Tensor:
    """What was made, with the picture's own colours or its own light and dark where that is asked for."""
    if not (controls.keep_colour or controls.keep_luminance):
        return after
    own, new = rgb_to_lab(before), rgb_to_lab(after)
    if controls.keep_luminance:
        return lab_to_rgb(torch.cat([own[:, :1], new[:, 1:]], 1))
    (there, _), (here, _) = mean_std(own[:, :1], mask), mean_std(new[:, :1], mask)
    return lab_to_rgb(torch.cat([new[:, :1] + (there - here)[:, :, None, None], own[:, 1:]], 1))
