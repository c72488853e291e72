"""A picture to the code that draws it: an encoder that looks at what is missing, then a few steps of descent.

The encoder sees the picture beside what the generator draws so far, and says how to change z and the condition
(ReStyle, Alaluf, Patashnik and Cohen-Or 2021); the descent goes on from there (Zhu et al. 2016). Both keep near what
the generator knows: z within the ball where its training drew from, the condition within a box around the picture's own
content vector, so that the result can still be edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from persona import modelfolder
from persona.errors import BadInput, OutOfDate
from persona.gan.model import BATCH, Code, GarmentModel
from persona.gan.networks import CONDITION, LATENT

KIND = "inverter"
SIDE = 64  # pixels: what the encoder is shown
PASSES = 2  # looks of the encoder
STEPS = 20  # of descent
RATE = 0.1
RADIUS = LATENT**0.5  # of the ball that z stays in: the length of a typical draw
BOX = 1.0  # how far each number of the condition may move; their deviation over garments is 1
CONTRAST = 1.0  # weight of the difference in local contrast
_SCALES = 4  # of the multi-scale difference


class Encoder(nn.Module):
    """Two pictures and a condition to a change of z and of the condition, both before their bounds."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        before = 32
        for after, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (6 * width, 2)):
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.SiLU(), nn.Conv2d(after, after, 3, 1, 1), nn.SiLU()]
            before = after
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.hidden = nn.Linear(before * 16 + CONDITION, 256)
        self.change = nn.Linear(256, LATENT + CONDITION)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, pictures: Tensor, drawn: Tensor, condition: Tensor) -> Tensor:
        """pictures and drawn (n, 4, s, s) in [-1, 1], condition (n, 64) to (n, 128)."""
        pair = torch.cat([pictures, drawn - pictures], 1)
        pair = pair if pair.shape[-1] == SIDE else F.interpolate(pair, (SIDE, SIDE), mode="area")
        seen = torch.cat([self.trunk(pair), condition], 1)
        change: Tensor = self.change(F.silu(self.hidden(seen)))
        return change


class Inverter:
    """An encoder and the version of the generator that it was trained with."""

    def __init__(self, encoder: Encoder, generator: str, version: str = "untrained") -> None:
        self.encoder, self.generator, self.version = encoder.eval().requires_grad_(False), generator, version

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Inverter:
        """Read a model folder; raises as `persona.modelfolder.read`."""
        model = modelfolder.read(folder, KIND)
        encoder = Encoder(model.config["width"])
        modelfolder.fill(encoder, model)
        return cls(encoder.to(device), model.config["generator"], model.name)

    def save(self, folder: Path, *, width: int, card: str, metrics: dict[str, object]) -> None:
        """Write a model folder."""
        config, tensors = {"width": width, "generator": self.generator}, self.encoder.state_dict()
        self.version = modelfolder.write(folder, KIND, config, tensors, card=card, metrics=metrics).name

    def check(self, model: GarmentModel) -> None:
        """Raise OutOfDate if it was trained with another generator than this one."""
        if self.generator != model.version:
            raise OutOfDate(
                f"{self.version}: was trained with the generator {self.generator}, this one is {model.version}; "
                "run `persona train inverter`"
            )


@dataclass(frozen=True)
class Inverted:
    """code: what draws pictures like those given; error: (n,) what is left of the multi-scale difference."""

    code: Code
    error: NDArray[np.float32]


def invert(
    inverter: Inverter | None,
    model: GarmentModel,
    pictures: NDArray[np.uint8],
    conditions: NDArray[np.float32],
    categories: tuple[str, ...],
    *,
    steps: int = STEPS,
) -> Inverted:
    """Codes of premultiplied pictures uint8 (n, s, s, 4), whose content vectors are conditions (n, 64).

    inverter: None leaves the encoder out and begins at z = 0. The same picture gives the same code. Raises BadInput
    naming the field, and OutOfDate for an inverter of another generator.
    """
    if inverter is not None:
        inverter.check(model)
    if pictures.ndim != 4 or pictures.shape[3] != 4 or pictures.dtype != np.uint8:
        raise BadInput("pictures", f"{pictures.dtype} {pictures.shape}, wanted uint8 (n, side, side, 4), premultiplied")
    if len(pictures) != len(conditions):
        raise BadInput("conditions", f"{len(conditions)} for {len(pictures)} pictures")
    start = Code(np.zeros((len(pictures), LATENT), np.float32), np.asarray(conditions, np.float32), categories)
    if not len(start):
        return Inverted(start, np.zeros(0, np.float32))
    passes = [slice(at, at + BATCH) for at in range(0, len(start), BATCH)]
    parts = [_invert(inverter, model, pictures[rows], start[rows], steps) for rows in passes]
    z, condition, error = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Inverted(Code(z, condition, categories), error)


def _invert(
    inverter: Inverter | None, model: GarmentModel, pictures: NDArray[np.uint8], start: Code, steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    target = to_target(pictures, model.size).to(model.device)
    _, condition, category = start.tensors(model)
    free = torch.zeros(len(target), LATENT + CONDITION, device=model.device)
    with torch.no_grad():
        for _ in range(PASSES if inverter else 0):
            assert inverter is not None
            drawn = model.folded(*bounded(free, condition), category)
            free = free + inverter.encoder(target, drawn, condition)
    free.requires_grad_()
    adam = torch.optim.Adam([free], RATE, (0.9, 0.99))
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = RATE * (1 - step / steps)
        with torch.enable_grad():
            left = difference(model.folded(*bounded(free, condition), category), target)
            adam.zero_grad()
            left.sum().backward()
        adam.step()
    with torch.no_grad():
        z, found = bounded(free, condition)
        error = difference(model.folded(z, found, category), target)
    return z.cpu().numpy(), found.cpu().numpy(), error.cpu().numpy()


def to_target(pictures: NDArray[np.uint8], side: int) -> Tensor:
    """Premultiplied uint8 (n, s, s, 4) to float32 (n, 4, side, side) in [-1, 1]."""
    scaled = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return scaled if scaled.shape[-1] == side else F.interpolate(scaled, (side, side), mode="area")


def bounded(free: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Free numbers (n, 128) as z within its ball and a condition within the box around the given one (n, 64)."""
    z, move = free.split([LATENT, CONDITION], 1)
    length = z.square().sum(1, keepdim=True).add(1e-9).sqrt()
    return z * (RADIUS * torch.tanh(length / RADIUS) / length), condition + BOX * torch.tanh(move / BOX)


def difference(a: Tensor, b: Tensor) -> Tensor:
    """How unlike pictures (n, 4, s, s) in [-1, 1] are, (n,): mean absolute differences, alpha included.

    Of the pictures over four scales, and of their local contrast, without which what is blurred would be best.
    """
    total = CONTRAST * (contrast(a) - contrast(b)).abs().mean((1, 2, 3))
    for scale in range(_SCALES):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        total = total + (a - b).abs().mean((1, 2, 3)) / _SCALES
    return total


def contrast(pictures: Tensor) -> Tensor:
    """Local standard deviation of fine detail (n, 4, s, s): around each place, of what a small blur takes away."""
    detail = pictures - F.avg_pool2d(pictures, 5, 1, 2, count_include_pad=False)
    return F.avg_pool2d(detail.square(), 7, 1, 3, count_include_pad=False).add(1e-5).sqrt()
