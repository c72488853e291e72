"""The frozen feature nets: pictures to features of several levels, fine to coarse.

Each level is what the network has there, and the responses of a bank of random filters, which know more of texture.

The project's own garment network is the one that ships and needs no network. SqueezeNet 1.1 and VGG16 come by name from
torchvision, which downloads their ImageNet weights once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, OutOfDate
from persona.style.filters import FilterBank

GARMENT = "visual-64"  # the model folder of the garment network
NETS = (GARMENT, "squeezenet1_1", "vgg16")
_FILTERS, _KERNEL = 24, 5  # of the bank
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FeatureNet(nn.Module):
    """sRGB pictures (n, 3, h, w) from 0 to 1 to one feature map a level, fine to coarse; its weights never change.

    channels, strides: of each level. name: what it is opened by; version: the weights'.
    """

    def __init__(
        self, name: str, version: str, stages: Sequence[nn.Module], channels: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.name, self.version, self.strides = name, version, strides
        self.channels = tuple(each + 2 * _FILTERS for each in channels)
        self.stages = nn.ModuleList(stages).eval().requires_grad_(False)
        self.bank = FilterBank(
            _FILTERS, (_KERNEL,), torch.Generator().manual_seed(0), scales=len(strides), stride=strides[0]
        )

    def prepare(self, pictures: Tensor) -> Tensor:
        """As the network was trained to see them."""
        mean, deviation = (pictures.new_tensor(values)[:, None, None] for values in _IMAGENET)
        return (pictures - mean) / deviation

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(n, 3, h, w) from 0 to 1 to features (n, channels, h / stride, w / stride) of each level; h and w
        are multiples of the largest stride."""
        x, levels = self.prepare(pictures), []
        for stage, responses in zip(self.stages, self.bank(pictures)):
            x, size = stage(x), responses.shape[2:]  # SqueezeNet's pooling without padding is a pixel short
            known = x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", align_corners=False)
            levels.append(torch.cat([known, responses], 1))
        return levels

    def train(self, mode: bool = True) -> FeatureNet:
        """Stays as it is: frozen."""
        return self


class _GarmentFeatures(FeatureNet):
    """The trunk of the visual network, before each pooling."""

    def __init__(self, network: VisualNetwork) -> None:
        layers, stages = list(network.trunk)[:-1], []  # without the flattening
        for first in range(1, len(layers), 7):  # two convolutions with norm and activation, and a pooling
            before = layers[:1] if first == 1 else layers[first - 1 : first]
            stages.append(nn.Sequential(*before, *layers[first : first + 6]))
        width = network.width
        super().__init__(GARMENT, network.version, stages, (width, 2 * width, 4 * width, 6 * width), (2, 4, 8, 16))

    def prepare(self, pictures: Tensor) -> Tensor:
        """From -1 to 1, opaque."""
        return F.pad(pictures * 2 - 1, (0, 0, 0, 0, 0, 1), value=1.0)


def open_features(name: str, folder: Path) -> FeatureNet:
    """The feature net of this name, one of NETS; folder: where model folders are.

    Raises BadInput for another name, OutOfDate where torchvision's weights are not there and cannot be downloaded, and
    what `VisualNetwork.load` raises.
    """
    if name == GARMENT:
        return _GarmentFeatures(VisualNetwork.load(folder / GARMENT)).eval()
    from torchvision import models  # a fifth of a server's memory, and a server needs none of these

    if name == "squeezenet1_1":
        weights, cuts, channels = models.SqueezeNet1_1_Weights.DEFAULT, (2, 5, 8, 13), (64, 128, 256, 512)
    elif name == "vgg16":
        weights, cuts, channels = models.VGG16_Weights.DEFAULT, (4, 9, 16, 23), (64, 128, 256, 512)
    else:
        raise BadInput("features", f"{name!r}: choose one of {', '.join(NETS)}")
    try:
        layers = list(models.get_model(name, weights=weights).features)
    except OSError as error:  # no network, or no such file: URLError is one too
        raise OutOfDate(
            f"{name}: its weights could not be downloaded ({error}); connect once, or use --features {GARMENT}"
        ) from error
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # it would change the level before it
    bounds = (0, *cuts)
    stages: list[nn.Module] = [nn.Sequential(*layers[a:b]) for a, b in zip(bounds, cuts)]
    strides = (2, 4, 8, 16) if name == "squeezenet1_1" else (1, 2, 4, 8)
    return FeatureNet(name, weights.name, stages, channels, strides)
