"""Face charts in small, with the masks of every placement made once: where batches of looks are rendered fast.

What models of looks are trained on and judged by. A studio holds charts of every shape and tone asked for, cropped to
the face, so that the same look can be put on any of them; gradients go through to the look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from persona.makeup.analysis import Shape
from persona.makeup.chart import draw_chart
from persona.makeup.description import SLOTS, Drawn
from persona.makeup.face import Box, Face
from persona.makeup.following import follow
from persona.makeup.look import REGIONS
from persona.makeup.monk import monk_lab
from persona.makeup.regions import face_box, masks_of
from persona.makeup.render import render

SHAPES: tuple[Shape, ...] = get_args(Shape)
TONES = tuple(range(1, 11))
_DRAWN = 512  # pixels at which charts are drawn before they are cropped and made small


@dataclass(frozen=True)
class Studio:
    """pictures: float32 (charts, 3, side, side) from 0 to 1; masks: (charts, 21, side, side) by SLOTS, 0 to 1; skins:
    (charts, 3), CIELAB.

    Chart number k is of shape k // tones and tone k % tones.
    """

    pictures: Tensor
    masks: Tensor
    skins: Tensor

    @classmethod
    def open(cls, side: int, shapes: Sequence[Shape] = SHAPES, tones: Sequence[int] = TONES) -> Studio:
        """Charts of these shapes and Monk tones at this side in pixels. Some seconds for all fifty."""
        made = [_cropped(shape, tone, side) for shape in shapes for tone in tones]
        skins = torch.tensor([monk_lab(tone) for _ in shapes for tone in tones])
        return cls(torch.stack([picture for picture, _ in made]), torch.stack([masks for _, masks in made]), skins)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def side(self) -> int:
        """Of its pictures, in pixels."""
        return self.pictures.shape[-1]

    def to(self, device: torch.device | str) -> Studio:
        """The same on a device."""
        return Studio(self.pictures.to(device), self.masks.to(device), self.skins.to(device))

    def paint(self, charts: Tensor, drawn: Drawn) -> Tensor:
        """Looks on charts, int64 (n,): sRGB (n, 3, side, side) from 0 to 1, with gradients to the looks.

        They follow the chart's skin (`persona.makeup.following`). A product between two placements (soft weights) lies
        as a mixture of both.
        """
        layers = follow(drawn.layers, self.skins[charts])
        return render(self.pictures[charts], self.laid(charts, drawn.places), layers)

    def laid(self, charts: Tensor, places: Tensor) -> Tensor:
        """Masks (n, R, side, side) from weights of placements (n, 21)."""
        weighted = self.masks[charts] * places[:, :, None, None]
        slots = [[slot for slot, (of, _) in enumerate(SLOTS) if of == region] for region in REGIONS]
        return torch.stack([weighted[:, own].sum(1) for own in slots], 1)


def _cropped(shape: Shape, tone: int, side: int) -> tuple[Tensor, Tensor]:
    """The picture (3, side, side) and the masks (21, side, side) of one chart."""
    chart = draw_chart(shape, tone, _DRAWN)
    left, top, right, bottom = _square(face_box(chart.face, _DRAWN, _DRAWN))
    picture = np.ascontiguousarray(chart.picture[top:bottom, left:right])
    face = chart.face.moved((left, top, right, bottom))
    drawn = [picture / np.float32(255), *(_mask(face, picture, slot) for slot in range(len(SLOTS)))]
    small = [torch.from_numpy(cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA)) for each in drawn]
    return small[0].permute(2, 0, 1).contiguous(), torch.stack(small[1:])


def _mask(face: Face, picture: np.ndarray, slot: int) -> np.ndarray:
    region, place = SLOTS[slot]
    return masks_of(face, (picture.shape[0], picture.shape[1]), {region: place}, picture)[region]


def _square(box: Box) -> Box:
    """The largest square about the middle of a box that the drawn chart holds."""
    half = min(max(box[2] - box[0], box[3] - box[1]), _DRAWN) // 2
    x, y = (min(max((box[k] + box[k + 2]) // 2, half), _DRAWN - half) for k in (0, 1))
    return x - half, y - half, x + half, y + half
