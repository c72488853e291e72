"""Batch norm folded into what follows it: the generator for drawing, where running statistics no longer change."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from persona.gan.networks import ConditionalBatchNorm, Generator


class FoldedNorm(nn.Module):
    """Conditional batch norm in evaluation as one multiply-add: the same numbers but for rounding.

    With mean m, deviation s, gain g and bias b, (x - m) / s * (1 + g) + b = x * G + B, where G = (1 + g) / s and
    B = b - m * G are linear in the style vector as g and b were.
    """

    def __init__(self, layer: ConditionalBatchNorm) -> None:
        super().__init__()
        mean, variance = layer.norm.running_mean, layer.norm.running_var
        assert mean is not None
        assert variance is not None
        self.affine = copy.deepcopy(layer.affine)
        with torch.no_grad():  # in float64, the bias as one more column of the weight
            gain, bias = torch.cat([layer.affine.weight, layer.affine.bias[:, None]], 1).double().chunk(2)
            gain[:, -1] += 1
            gain *= (variance.double() + layer.norm.eps).rsqrt()[:, None]
            folded = torch.cat([gain, bias - mean.double()[:, None] * gain])
            self.affine.weight.copy_(folded[:, :-1])
            self.affine.bias.copy_(folded[:, -1])

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, channels, h, w) and (n, style) to (n, channels, h, w)."""
        gain, bias = self.affine(style)[:, :, None, None].chunk(2, 1)
        if torch.compiler.is_compiling():  # or exporting: torch 2.6 cannot take addcmul apart for ONNX
            return x * gain + bias
        return torch.addcmul(bias, x, gain)


def fold(generator: Generator) -> Generator:
    """A copy of a trained generator with its norms folded, on the same device: to draw with, not to train or save."""
    folded = copy.deepcopy(generator).eval().requires_grad_(False)
    for parent in list(folded.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, ConditionalBatchNorm):
                setattr(parent, name, FoldedNorm(layer))
    return folded
