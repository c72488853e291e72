"""What the style network learns from: garments as content; garments, prints and paintings as styles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from persona.catalog.pictures import Bytes
from persona.errors import BadInput
from persona.style.picture import extended, sized
from persona.style.prints import PRINTS, draw_print

SIDE = 128  # pixels: of what is trained on
FEWEST = 64  # garments
CUTS = 200  # pieces of each painting
SEEDS = 60  # prints of each kind
SHARES = {"garments": 0.6, "prints": 0.25, "paintings": 0.15}  # of the styles drawn
_MOST_ZOOM = 2.0  # garments are served larger than they are kept
_LEAST_SHOWN = 0.15  # of a crop must be garment


@dataclass(frozen=True)
class Views:
    """Pictures (n, 3, SIDE, SIDE) from 0 to 1, filled outside their regions (n, 1, SIDE, SIDE)."""

    rgb: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.rgb)


class StyleSet:
    """Contents and styles, uint8 (n, 4, SIDE, SIDE) premultiplied, by kind; drawn as random crops, mirrored or not."""

    def __init__(self, garments: Bytes, paintings: list[Bytes], seed: int = 0) -> None:
        """garments: premultiplied (n, s, s, 4). paintings: any number of (h, w, 3). Raises BadInput for too few."""
        if garments.ndim != 4 or garments.shape[3] != 4 or garments.dtype != np.uint8:
            raise BadInput("garments", f"{garments.dtype} {garments.shape}, wanted uint8 (n, side, side, 4)")
        if len(garments) < FEWEST:
            raise BadInput("garments", f"{len(garments)} to learn from, wanted at least {FEWEST}; import more")
        draw = np.random.default_rng(seed)
        prints = [draw_print(kind, SIDE, int(draw.integers(2**31))) for kind in PRINTS for _ in range(SEEDS)]
        cuts = [_cut(painting, draw) for painting in paintings for _ in range(CUTS)]
        self.kinds = {"garments": _tensor([sized(rgba, SIDE) for rgba in garments]), "prints": _tensor(prints)}
        if cuts:
            self.kinds["paintings"] = _tensor(cuts)
        shares = torch.tensor([SHARES[kind] for kind in self.kinds], dtype=torch.float64)
        self._shares = shares / shares.sum()

    def contents(self, n: int, draw: torch.Generator) -> Views:
        """n garments."""
        return self._crops(["garments"] * n, draw)

    def styles(self, n: int, draw: torch.Generator) -> Views:
        """n styles, of all kinds by their shares."""
        names = list(self.kinds)
        codes = torch.multinomial(self._shares, n, replacement=True, generator=draw)
        return self._crops([names[code] for code in codes.tolist()], draw)

    def _crops(self, kinds: list[str], draw: torch.Generator) -> Views:
        pictures = torch.stack([self._one(kind, draw) for kind in kinds]).float() / 255
        order = torch.stack([_order(draw) for _ in kinds])  # garments are mostly grey and blue
        colours = torch.gather(pictures[:, :3], 1, order[:, :, None, None].expand(-1, -1, SIDE, SIDE))
        mask = _crop(pictures[:, 3:], windows := _windows(pictures[:, 3:], draw)).clamp(0, 1)
        rgb = _crop(colours, windows) / mask.clamp(min=1e-3)
        return Views(extended(rgb.clamp(0, 1), mask), mask)

    def _one(self, kind: str, draw: torch.Generator) -> Tensor:
        rows = self.kinds[kind]
        return rows[int(torch.randint(len(rows), (), generator=draw))]


def _order(draw: torch.Generator) -> Tensor:
    """Of the three primaries: as they are two times in three."""
    return torch.arange(3) if torch.rand((), generator=draw) < 0.67 else torch.randperm(3, generator=draw)


def _windows(mask: Tensor, draw: torch.Generator) -> Tensor:
    """Affine maps (n, 2, 3) to windows that show enough of the mask (n, 1, s, s): the whole, else."""
    n = len(mask)
    zoom = _MOST_ZOOM ** torch.rand(n, generator=draw)
    place = (torch.rand(n, 2, generator=draw) * 2 - 1) * (1 - 1 / zoom)[:, None]
    mirror = torch.where(torch.rand(n, generator=draw) < 0.5, -1.0, 1.0)
    windows = torch.zeros(n, 2, 3)
    windows[:, 0, 0], windows[:, 1, 1], windows[:, :, 2] = mirror / zoom, 1 / zoom, place
    shown = _crop(mask, windows).mean((1, 2, 3)) >= _LEAST_SHOWN
    whole = torch.zeros(n, 2, 3)
    whole[:, 0, 0], whole[:, 1, 1] = mirror, 1.0
    return torch.where(shown[:, None, None], windows, whole)


def _crop(planes: Tensor, windows: Tensor) -> Tensor:
    return F.grid_sample(
        planes, F.affine_grid(windows, list(planes.shape), align_corners=False), mode="bicubic",
        padding_mode="border", align_corners=False,
    )  # fmt: skip


def _cut(painting: Bytes, draw: np.random.Generator) -> Bytes:
    """A random square of a picture, from a quarter of its shorter side to all of it."""
    height, width = painting.shape[:2]
    side = int(min(height, width) * draw.uniform(0.25, 1))
    top, left = draw.integers(height - side + 1), draw.integers(width - side + 1)
    return sized(painting[top : top + side, left : left + side], SIDE)


def _tensor(pictures: list[Bytes]) -> Tensor:
    """(n, 4, SIDE, SIDE), those without alpha opaque."""
    planes = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return F.pad(planes, (0, 0, 0, 0, 0, 4 - planes.shape[1]), value=255).contiguous()
