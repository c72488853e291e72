"""Banks of random filters: features of texture that were trained on nothing.

Rectified responses of random filters on several scales are enough to tell textures apart, and to make them: about as
good as a network trained on ImageNet (Ustyuzhaninov, Brendel, Gatys and Bethge 2017). As nothing was learnt, a picture
cannot be bent to please them alone, which it can for a small trained network; `README.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FilterBank(nn.Module):
    """Pictures (n, 3, h, w) to responses (n, 2 * filters, h', w'), positive and negative parts apart.

    One feature map a scale and kernel size; each scale is half of the one before, and the stride is in its own pixels.
    Half of the filters do not see a mean colour. Kernels of one draw are the same everywhere.
    """

    def __init__(
        self, filters: int, sizes: Sequence[int], draw: torch.Generator, *, scales: int = 5, stride: int = 1
    ) -> None:
        super().__init__()
        self.scales, self.stride = scales, stride
        self.kernels = nn.ParameterList(
            nn.Parameter(_kernels(filters, size, draw), requires_grad=False) for size in sizes
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Fine to coarse; pictures from 0 to 1, h and w at least 16."""
        found, x = [], pictures - 0.5
        for scale in range(self.scales):
            x = F.avg_pool2d(x, 2) if scale else x
            for kernel in self.kernels:
                reach = kernel.shape[-1] // 2
                edge = "reflect" if min(x.shape[2:]) > reach else "replicate"
                response = F.conv2d(F.pad(x, (reach,) * 4, mode=edge), kernel, stride=self.stride)
                found.append(torch.cat([response.relu(), (-response).relu()], 1))
        return found


def _kernels(filters: int, size: int, draw: torch.Generator) -> Tensor:
    kernels = torch.randn(filters, 3, size, size, generator=draw)
    kernels[: filters // 2] -= kernels[: filters // 2].mean((2, 3), keepdim=True)
    return kernels / kernels.flatten(1).norm(dim=1)[:, None, None, None]
