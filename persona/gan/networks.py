"""Generator and projection discriminator of the garment cGAN.

Both are trunks of residual stages whose finest feature map has half the picture's side; pixel (un)shuffling makes the
last step, because narrow layers at full resolution waste a CPU. Every size from 32 px up has a picture output
(input), and they add up, so that a net grows by one stage with its weights kept: the new stage starts at zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 64  # length of z
CONDITION = 64  # length of the condition: content vectors of `persona.catalog.visual`
CHANNELS = {4: 256, 8: 160, 16: 96, 32: 64, 64: 32}  # of the feature map of this side
SMALLEST = 32  # the smallest picture; its trunk ends at half of it
SIZES = (32, 64, 128)


def stages_of(size: int) -> list[int]:
    """Sides of the trunk's feature maps for pictures of this side: 4, 8, ... size / 2."""
    if size not in SIZES:
        raise ValueError(f"size: {size}, wanted one of {SIZES}")
    return [side for side in CHANNELS if side <= size // 2]


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain and bias are linear in the style vector (de Vries et al. 2017)."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.affine = nn.Linear(style, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.02)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, channels, h, w) and (n, style) to (n, channels, h, w)."""
        gain, bias = self.affine(style)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(bias, self.norm(x), 1 + gain)


class UpStage(nn.Module):
    """Residual stage of the generator; doubles the side unless it is the first."""

    def __init__(self, before: int, after: int, style: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.norm1, self.norm2 = ConditionalBatchNorm(before, style), ConditionalBatchNorm(after, style)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, before, s, s) to (n, after, s or 2s, same)."""
        h, x = self.conv1(F.leaky_relu(self.norm1(x, style), 0.2, inplace=True)), self.skip(x)
        if self.up:  # between the convolutions: the first is four times as cheap before it
            h, x = upsample(h), upsample(x)
        return x + self.conv2(F.leaky_relu(self.norm2(h, style), 0.2, inplace=True))


class LowPass(nn.Module):
    """Blur by [1, 2, 1] / 4 along both sides: nothing of the highest frequency is left.

    One depthwise convolution: a third of the time that two pools of 2x2 take to draw, a seventh to train.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to the same."""
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.kernel, groups=len(self.kernel))


class PictureHead(nn.Module):
    """Features (n, channels, s, s) to RGBA logits (n, 4, 2s, 2s); a low-pass removes the shuffle's chequered grid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, 4 * 16, 3, padding=1)
        self.blur = LowPass(16)
        self.last = nn.Conv2d(16, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        fine = self.blur(F.pixel_shuffle(self.spread(F.leaky_relu(x, 0.2)), 2))
        logits: Tensor = self.last(F.leaky_relu(fine, 0.2, inplace=True))
        return logits


class Generator(nn.Module):
    """(z, condition, category) to a premultiplied RGBA picture in [-1, 1]."""

    def __init__(self, size: int, categories: int, width: float = 1.0) -> None:
        super().__init__()
        self.size, style = size, LATENT + 128
        sides = stages_of(size)
        channels = {side: round(CHANNELS[side] * width) for side in sides}
        self.category = nn.Embedding(categories, 32)
        self.embed = nn.Sequential(nn.Linear(CONDITION + 32, 128), nn.SiLU(), nn.Linear(128, 128))
        self.start = nn.Linear(style, channels[4] * 16)
        self.stages, self.heads = nn.ModuleDict(), nn.ModuleDict()
        for side in sides:
            before = channels[max(4, side // 2)]
            self.stages[str(side)] = UpStage(before, channels[side], style, up=side > 4)
            if 2 * side >= SMALLEST:
                self.heads[str(2 * side)] = head = PictureHead(channels[side])
                if 2 * side > SMALLEST:
                    nn.init.zeros_(head.last.weight)
                    nn.init.zeros_(head.last.bias)  # type: ignore[arg-type]

    def forward(self, z: Tensor, condition: Tensor, category: Tensor) -> Tensor:
        """z (n, 64), condition (n, 64), category int64 (n,) to (n, 4, size, size). Colours never exceed alpha."""
        return self.draw([self.style(z, condition, category)] * len(self.stages))

    def style(self, z: Tensor, condition: Tensor, category: Tensor) -> Tensor:
        """What the stages are modulated by, (n, 192), from the arguments of `forward`."""
        return torch.cat([z, self.embed(torch.cat([condition, self.category(category)], 1))], 1)

    def draw(self, styles: Sequence[Tensor]) -> Tensor:
        """Pictures as of `forward` from one style (n, 192) a stage, coarsest first; the first one also begins."""
        x = self.start(styles[0]).unflatten(1, (-1, 4, 4))
        logits = None
        for (side, stage), style in zip(self.stages.items(), styles, strict=True):
            x = stage(x, style)
            if (name := str(2 * int(side))) in self.heads:
                finer = self.heads[name](x)
                logits = finer if logits is None else finer + upsample(logits)
        assert logits is not None
        shares = logits.float().sigmoid()
        alpha = shares[:, 3:]
        return torch.cat([shares[:, :3] * alpha, alpha], 1) * 2 - 1


class DownStage(nn.Module):
    """Residual stage of the discriminator, without normalisation; halves the side unless it is the last."""

    def __init__(self, before: int, after: int, down: bool, spectral: bool, zero: bool) -> None:
        super().__init__()
        self.down = down
        convs = [nn.Conv2d(before, before, 3, padding=1), nn.Conv2d(before, after, 3, padding=1)]
        skip = nn.Conv2d(before, after, 1, bias=False)
        nn.init.normal_(convs[1].weight, std=0.1 * (2 / (9 * before)) ** 0.5)
        if zero and not spectral:  # spectral norm would divide by a zero norm
            nn.init.zeros_(convs[1].weight)
            nn.init.zeros_(skip.weight)
        wrap = spectral_norm if spectral else nn.Identity()
        self.conv1, self.conv2, self.skip = wrap(convs[0]), wrap(convs[1]), wrap(skip)

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, s, s) to (n, after, s or s/2, same)."""
        h = self.conv1(F.leaky_relu(x, 0.2))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        result: Tensor = self.skip(x) + self.conv2(F.leaky_relu(h, 0.2))
        return result


class Discriminator(nn.Module):
    """Projection discriminator (Miyato and Koyama 2018) on a continuous condition and a category.

    score(x, c) = w.phi(x) + psi(c).phi(x) / sqrt(d). Without the 1/sqrt(d) the projection drowns the rest. Two linear
    heads read category and condition back from phi, and the generator learns from them too (`Recipe.classify`).
    """

    def __init__(self, size: int, categories: int, width: float = 1.0, spectral: bool = False) -> None:
        super().__init__()
        self.size = size
        sides = stages_of(size)
        channels = {side: round(CHANNELS[side] * width) for side in sides}
        wrap = spectral_norm if spectral else nn.Identity()
        self.entries, self.stages = nn.ModuleDict(), nn.ModuleDict()
        for side in reversed(sides):
            if 2 * side >= SMALLEST:
                self.entries[str(2 * side)] = wrap(nn.Conv2d(16, channels[side], 3, padding=1))
            after, joins = channels[max(4, side // 2)], 2 * side > SMALLEST
            self.stages[str(side)] = DownStage(channels[side], after, side > 4, spectral, zero=joins)
        self.depth = channels[4]
        self.gather = wrap(nn.Conv2d(self.depth, self.depth, 4, groups=self.depth))
        self.linear = wrap(nn.Linear(self.depth, 1))
        self.category_head = nn.Linear(self.depth, categories)
        self.condition_head = nn.Linear(self.depth, CONDITION)
        self.category = nn.Embedding(categories, 32)
        self.psi = nn.Sequential(wrap(nn.Linear(CONDITION + 32, 256)), nn.SiLU(), wrap(nn.Linear(256, self.depth)))

    def features(self, pictures: Tensor) -> Tensor:
        """phi: (n, 4, size, size) in [-1, 1] to (n, d)."""
        x: Tensor | None = None
        for side, stage in self.stages.items():
            if (name := str(2 * int(side))) in self.entries:
                if x is not None:
                    pictures = F.avg_pool2d(pictures, 2)
                entered = self.entries[name](F.pixel_unshuffle(pictures, 2))
                x = entered if x is None else x + entered
            x = stage(x)
        assert x is not None
        gathered: Tensor = self.gather(F.leaky_relu(x, 0.2)).flatten(1)
        return F.leaky_relu(gathered, 0.2).float()

    def score(self, phi: Tensor, condition: Tensor, category: Tensor, conditional: float = 1.0) -> Tensor:
        """phi (n, d), condition (n, 64), category (n,) to (n,). conditional: weight of the projection term."""
        psi = self.psi(torch.cat([condition, self.category(category)], 1))
        scores: Tensor = self.linear(phi)[:, 0] + conditional * (psi * phi).sum(1) / self.depth**0.5
        return scores

    def forward(self, pictures: Tensor, condition: Tensor, category: Tensor, conditional: float = 1.0) -> Tensor:
        """Scores (n,) of pictures under their conditions."""
        return self.score(self.features(pictures), condition, category, conditional)


def upsample(x: Tensor) -> Tensor:
    """Double the side with the low-pass [1, 3, 3, 1] / 4, which is what bilinear interpolation is."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def grow(larger: nn.Module, state: dict[str, Tensor]) -> Sequence[str]:
    """Load a smaller net's weights into a larger one; returns the names that start anew.

    Raises ValueError where the smaller one holds a weight that the larger has no place for.
    """
    missing, unexpected = larger.load_state_dict(state, strict=False)
    if unexpected:
        raise ValueError(f"cannot grow: no place for {', '.join(unexpected[:3])}")
    return list(missing)
