"""The frozen visual feature: a small network trained on garments to tell category, colours, cut and pattern.

Its 64 outputs, standardised over the training garments, are the item-content space: the taste encoder reads them, and
the generator is conditioned on them. They are trained to hold what a person sees at a glance: the category, a coarse
picture of the garment (shape and colours, 8x8) and its texture (how much contrast runs which way, at two scales).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from persona import modelfolder

KIND = "visual"
DIMENSIONS = 64
SIDE = 64
COARSE = 8  # side of the coarse picture that the feature is trained to hold
TEXTURES = 6  # numbers of `texture_of`


def to_tensor(rgba: NDArray[np.uint8], side: int = SIDE) -> Tensor:
    """Premultiplied uint8 (n, h, w, 4) to float32 (n, 4, side, side) in [-1, 1], area-averaged where larger."""
    if rgba.ndim != 4 or rgba.shape[3] != 4:
        raise ValueError(f"rgba: shape {rgba.shape}, wanted (n, height, width, 4)")
    pictures = torch.from_numpy(np.ascontiguousarray(rgba)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return pictures if pictures.shape[-1] == side else F.interpolate(pictures, (side, side), mode="area")


def texture_of(pictures: Tensor) -> Tensor:
    """Texture of (n, 4, 64, 64) in [-1, 1]: (n, 6), log contrast across, down and diagonal, fine and coarse.

    Only pixels well inside the garment count, so that its outline is no texture.
    """
    alpha = (pictures[:, 3:] + 1) / 2
    grey = (pictures[:, :3].mean(1, keepdim=True) + 1) / 2
    inside = -F.max_pool2d(-alpha, 7, 1, 3)
    numbers = []
    for scale in (1, 2):
        shade = F.avg_pool2d(grey, scale) if scale > 1 else grey
        weight = (F.avg_pool2d(inside, scale) if scale > 1 else inside)[:, :, 1:-1, 1:-1].gt(0.9).float()
        centre = shade[:, :, 1:-1, 1:-1]
        across = (2 * centre - shade[:, :, 1:-1, :-2] - shade[:, :, 1:-1, 2:]).abs()
        down = (2 * centre - shade[:, :, :-2, 1:-1] - shade[:, :, 2:, 1:-1]).abs()
        diagonal = (2 * centre - shade[:, :, :-2, :-2] - shade[:, :, 2:, 2:]).abs()
        for contrast in (across, down, diagonal):
            numbers.append((contrast * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1))
    return torch.log(torch.stack(numbers, 1) + 0.01)


class VisualNetwork(nn.Module):
    """RGBA garment pictures to content vectors; heads for what it is trained to tell."""

    def __init__(self, categories: tuple[str, ...], width: int = 32) -> None:
        super().__init__()
        self.categories, self.width, self.version = categories, width, "untrained"
        stages: list[nn.Module] = [nn.PixelUnshuffle(2)]
        before = 16
        for after in (width, 2 * width, 4 * width, 6 * width):
            stages += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.SiLU()]
            stages += [nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.SiLU()]
            stages += [nn.AvgPool2d(2)]
            before = after
        self.trunk = nn.Sequential(*stages, nn.Flatten())
        self.bottleneck = nn.Linear(before * 4, DIMENSIONS)
        self.category_head = nn.Linear(DIMENSIONS, len(categories))
        self.coarse_head = nn.Linear(DIMENSIONS, 4 * COARSE * COARSE)
        self.texture_head = nn.Linear(DIMENSIONS, TEXTURES)
        self.register_buffer("mean", torch.zeros(DIMENSIONS))
        self.register_buffer("deviation", torch.ones(DIMENSIONS))
        self.mean: Tensor
        self.deviation: Tensor
        self._folded: list[nn.Sequential] = []  # a list, so that it is no part of what is trained, moved and saved

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, 4, 64, 64) in [-1, 1] to content vectors (n, 64)."""
        return self._standardised(self.trunk(pictures))

    def train(self, mode: bool = True) -> VisualNetwork:
        """Set the mode. What is trained further is folded anew."""
        if mode:
            self._folded.clear()
        return super().train(mode)

    def _standardised(self, hidden: Tensor) -> Tensor:
        return (self.bottleneck(hidden) - self.mean) / self.deviation

    def _folded_trunk(self) -> nn.Sequential:
        """The trunk with each norm folded into the convolution before it: the same but for rounding, and sooner."""
        if not self._folded or next(self._folded[0].parameters()).device != self.mean.device:
            layers: list[nn.Module] = []
            for layer in self.trunk:
                if isinstance(layer, nn.BatchNorm2d):
                    layers[-1] = fuse_conv_bn_eval(layers[-1], layer)  # type: ignore[type-var]
                else:
                    layers.append(layer)
            self._folded[:] = [nn.Sequential(*layers)]
        return self._folded[0]

    @torch.no_grad()
    def features(self, rgba: NDArray[np.uint8], batch: int = 256) -> NDArray[np.float32]:
        """Content vectors float32 (n, 64) of premultiplied uint8 pictures (n, h, w, 4)."""
        if self.training:
            self.eval()
        device, trunk = self.mean.device, self._folded_trunk()
        parts = [
            self._standardised(trunk(to_tensor(rgba[at : at + batch]).to(device))) for at in range(0, len(rgba), batch)
        ]
        return torch.cat(parts).float().cpu().numpy() if parts else np.zeros((0, DIMENSIONS), np.float32)

    @classmethod
    def load(cls, folder: Path) -> VisualNetwork:
        """Read a model folder; raises as `persona.modelfolder.read`."""
        model = modelfolder.read(folder, KIND)
        network = cls(tuple(model.config["categories"]), model.config["width"])
        modelfolder.fill(network, model)
        network.version = model.name
        return network.eval()

    def save(self, folder: Path, *, card: str, metrics: dict[str, object]) -> None:
        """Write a model folder."""
        config = {"categories": list(self.categories), "width": self.width}
        self.version = modelfolder.write(folder, KIND, config, self.state_dict(), card=card, metrics=metrics).name
