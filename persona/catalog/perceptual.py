"""Features of a network that took no part in training: SqueezeNet 1.1, trained on ImageNet (Iandola et al. 2016)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

SIDE = 128  # pixels: what the network is shown, whatever the picture's size
GREY = 0.5  # behind the garment: neither white nor black garments vanish
_LEVELS = (4, 7, 12)  # after fire3, fire5 and fire9
_MAPPED = (1, *_LEVELS)  # after conv1 and its ReLU too
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red, of 255


class Perceptual(nn.Module):
    """Pictures to features: final (n, 512) for distances, levels (n, 3584) for judges that need colour and place."""

    def __init__(self, features: nn.Sequential, caffe: bool, side: int = SIDE) -> None:
        super().__init__()
        self.features, self.caffe, self.side = features.eval().requires_grad_(False), caffe, side
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    @classmethod
    def load(cls, npz: Path | None = None) -> Perceptual:
        """With the weights of this npz file (keys LAYER.w as (h, w, in, out), LAYER.b), else torchvision's by name."""
        if npz is None:
            return cls(squeezenet1_1(weights=SqueezeNet1_1_Weights.DEFAULT).features, caffe=False)
        features, layers = squeezenet1_1(weights=None).features, np.load(npz)
        fires = {str(at): f"fire{number}" for number, at in enumerate((3, 4, 6, 7, 9, 10, 11, 12), start=2)}
        state = {}
        for name in features.state_dict():
            at, *part, kind = name.split(".")
            layer = f"{fires[at]}_{part[0]}" if part else "conv1"
            if part == ["squeeze"]:
                layer = f"{fires[at]}_squeeze1x1"
            values = layers[f"{layer}.{'w' if kind == 'weight' else 'b'}"]
            state[name] = torch.from_numpy(values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values)
        features.load_state_dict(state)
        return cls(features, caffe=True)

    def _prepare(self, rgba: NDArray[np.uint8]) -> Tensor:
        device = next(self.features.parameters()).device
        shares = torch.from_numpy(np.ascontiguousarray(rgba)).to(device).permute(0, 3, 1, 2).float() / 255
        flat = shares[:, :3] + (1 - shares[:, 3:]) * GREY
        if rgba.shape[1:3] != (self.side, self.side):
            flat = F.interpolate(flat, (self.side, self.side), mode="bilinear", antialias=True).clamp(0, 1)
        return self._normalised(flat)

    def _normalised(self, flat: Tensor) -> Tensor:
        """sRGB (n, 3, h, w) from 0 to 1 as the weights were trained to see it."""
        flat = flat.contiguous(memory_format=torch.channels_last)
        if self.caffe:
            return flat.flip(1) * 255 - flat.new_tensor(_CAFFE_MEAN)[:, None, None]
        mean, deviation = flat.new_tensor((0.485, 0.456, 0.406)), flat.new_tensor((0.229, 0.224, 0.225))
        return (flat - mean[:, None, None]) / deviation[:, None, None]

    def maps(self, rgb: Tensor) -> list[Tensor]:
        """Opaque sRGB (n, 3, h, w) from 0 to 1, of any size, to feature maps: after conv1, fire3, fire5 and fire9, of
        64, 128, 256 and 512 channels at a half, a quarter, an eighth and a sixteenth of the size, or a place less."""
        x, found = self._normalised(rgb), []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in _MAPPED:
                found.append(x)
        return found

    @torch.no_grad()
    def forward(self, rgba: NDArray[np.uint8], batch: int = 16) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Premultiplied uint8 (n, s, s, 4) to (final (n, 512), levels (n, 3584)): means over places and quarters."""
        finals, levels = [], []
        for at in range(0, len(rgba), batch):
            x, seen = self._prepare(rgba[at : at + batch]), []
            for number, layer in enumerate(self.features):
                x = layer(x)
                if number in _LEVELS:
                    seen.append(F.adaptive_avg_pool2d(x, 2).flatten(1))
            finals.append(x.mean((2, 3)))
            levels.append(torch.cat(seen, 1))
        return torch.cat(finals).cpu().numpy(), torch.cat(levels).cpu().numpy()
