"""Training of the reader on rendered looks: portraits are posed, made up and lit at random, and the answer is known.

Skin, lips, lids, cheeks and brows are recoloured a little before, as far as people differ: 80 people would else be all
the skin there is. Colours are weighed by CIEDE2000, so that an error counts as it is seen, on every skin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from persona.catalog.lab import lab_to_rgb, rgb_to_lab, to_linear
from persona.errors import BadInput
from persona.makeup.aligned import PATCHES, VARIANTS, hull, masks_by_placement, matrix_of, openings, points_of, through
from persona.makeup.difference import delta_e
from persona.makeup.face import Bytes, Face, Floats
from persona.makeup.lights import draw_lights, lit
from persona.makeup.look import PLACEMENTS, REGIONS
from persona.makeup.poses import posed, strayed, turned
from persona.makeup.random_looks import Drawn, draw_looks
from persona.makeup.reader_network import BARE, BARE_PATCHES, ReaderNetwork, Readings
from persona.makeup.render import Layers, paint

_FIRST = [VARIANTS.index((region, PLACEMENTS[region][0])) for region in REGIONS]
_BARE_AT = [PATCHES.index(name) for name in BARE_PATCHES]
_SHIFTS = ((7.0, 2.0, 3.0), (5.0, 4.0, 3.0), (4.0, 2.5, 3.0), (2.0, 3.0, 2.0), (6.0, 2.0, 3.0))  # of BARE's L, a, b
_YAW, _PITCH = 0.28, 0.15  # radians at most


@dataclass(frozen=True)
class Plan:
    """poses: of each portrait. faces: made up at once, each then shown under so many lights (`uses`), as making them up
    takes longer than a step. The rate falls to nothing over `steps`."""

    steps: int = 2600
    batch: int = 32
    rate: float = 1.5e-3
    width: int = 256
    poses: int = 4
    faces: int = 128
    uses: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("steps", "batch", "poses", "faces", "uses", "width"):
            if getattr(self, field) < 1:
                raise BadInput(field, f"{getattr(self, field)}, wanted at least 1")


@dataclass(frozen=True)
class Poses:
    """n posed portraits: CIELAB float16 (n, 3, SIDE, SIDE), masks uint8 (n, V, SIDE, SIDE) of 255, the points that the
    true landmarks measure at and those of landmarks seen, int64 (n, patches, points), the face's own part, its
    eyes and mouth, and how often each is drawn."""

    lab: Tensor
    masks: Bytes
    true: Tensor
    seen: Tensor
    around: Bytes
    openings: Bytes
    weights: Tensor


def pose_all(people: Sequence[tuple[Bytes, Face]], weights: Sequence[float], plan: Plan) -> Poses:
    """Every photo with its face in several poses, the first as it stands."""
    draw = np.random.default_rng(plan.seed)
    kept: list[tuple[NDArray[Any], ...]] = []
    for photo, face in people:
        for k in range(plan.poses):
            turn = face if k == 0 else turned(face, *draw.uniform((-_YAW, -_PITCH), (_YAW, _PITCH)))
            seen = strayed(turn, draw)
            crop, there = posed(photo, face, turn, seen)
            known = through(seen, matrix_of(seen))
            masks = masks_by_placement(there, crop)
            true, taken = points_of(masks, there), points_of(masks_by_placement(known), known)
            kept.append((crop, _bytes(masks), true, taken, _bytes(hull(known)), _bytes(openings(there))))
    crops, drawn, trues, seens, around, white = (np.stack(column) for column in zip(*kept))
    often = torch.tensor(np.repeat(np.asarray(weights), plan.poses))
    return Poses(_lab_of(crops), drawn, torch.from_numpy(trues), torch.from_numpy(seens), around, white, often)


def _bytes(mask: Floats) -> Bytes:
    return (255 * mask).round().astype(np.uint8)


def _lab_of(crops: Bytes) -> Tensor:
    parts = torch.from_numpy(crops).permute(0, 3, 1, 2).split(32)
    return torch.cat([rgb_to_lab(part.float() / 255).half() for part in parts])


@dataclass(frozen=True)
class Batch:
    """n made-up faces and their answers: see Readings. base: (n, R, 3), the bare colour under each product."""

    crops: Tensor
    at: Tensor
    around: Tensor
    light: Tensor
    bare: Tensor
    base: Tensor
    drawn: Drawn


@dataclass(frozen=True)
class Made:
    """n made-up faces in neutral light, and where their skin is measured; `light` of the batch is yet nothing."""

    batch: Batch
    skin: Tensor

    def under_light(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Some of them, each under a random light."""
        whole, layers = self.batch, self.batch.drawn.layers
        neutral, skin = whole.crops[rows], self.skin[rows]
        crops = lit(neutral, draw_lights(len(rows), generator), generator)
        change = (gathered(crops, skin) + 0.004).log() - (gathered(neutral, skin) + 0.004).log()
        drawn = Drawn(Layers(layers.lab[rows], layers.opacity[rows], layers.finish[rows]), whole.drawn.placement[rows])
        light = change.mean(-1)[..., 0]
        return Batch(crops, whole.at[rows], whole.around[rows], light, whole.bare[rows], whole.base[rows], drawn)


@torch.no_grad()
def make_faces(poses: Poses, n: int, generator: torch.Generator) -> Made:
    """n random faces, recoloured and made up at random."""
    rows = torch.multinomial(poses.weights, n, True, generator=generator)
    index = rows.numpy()
    own = [255 - poses.openings[index], *(poses.masks[index, variant] for variant in _BARE_AT[1:])]
    lab = recoloured(poses.lab[rows].float(), own, generator)
    true = poses.true[rows]
    middle = lab.flatten(2).gather(2, true.flatten(1)[:, None].expand(-1, 3, -1)).unflatten(2, true.shape[1:])
    bare = middle.median(-1).values.transpose(1, 2)
    drawn = draw_looks(bare[:, _BARE_AT[0]], generator)
    which = torch.tensor(_FIRST) + drawn.placement
    masks = torch.from_numpy(poses.masks[index[:, None], which.numpy()]).float() / 255
    made = lab_to_rgb(paint(lab, masks, drawn.layers))
    base = bare.gather(1, which[..., None].expand(-1, -1, 3))
    around = torch.from_numpy(poses.around[index]).float() / 255
    answers = Batch(made, poses.seen[rows], around, torch.zeros(n, 3), bare[:, _BARE_AT], base, drawn)
    return Made(answers, true[:, [_BARE_AT[0]]])


def recoloured(lab: Tensor, parts: Sequence[Bytes], generator: torch.Generator) -> Tensor:
    """Faces in CIELAB (n, 3, h, w) with other colours of their own in each of the parts, uint8 (n, h, w) by BARE.

    Eyes and teeth are no part: it is by them that dark skin in much light is told from light skin in little.
    """
    n = len(lab)
    shifts = torch.tensor(_SHIFTS)[:, None] * torch.randn(len(BARE), n, 3, generator=generator).clamp(-2, 2)
    shifts[0] *= torch.rand(n, 1, generator=generator) < 0.7
    for mask, shift in zip(parts, shifts):
        lab = lab + (torch.from_numpy(mask).float() / 255)[:, None] * shift[..., None, None]
    return torch.cat([lab[:, :1].clamp(2, 98), lab[:, 1:]], 1)


def gathered(pictures: Tensor, at: Tensor) -> Tensor:
    """Linear colours (n, 3, patches, points) of sRGB pictures at flat indices (n, patches, points)."""
    points = pictures.flatten(2).gather(2, at.flatten(1)[:, None].expand(-1, 3, -1))
    return to_linear(points.unflatten(2, at.shape[1:]))


def shown(base: Tensor, pigment: Tensor, opacity: Tensor) -> Tensor:
    """The colour of a product on a bare colour, (n, R, 3): what the renderer gives in the middle of its region."""
    skin = REGIONS.index("skin")  # foundation never lightens
    lightness = pigment[..., 0]
    held = torch.minimum(lightness[:, skin], base[:, skin, 0])
    lightness = torch.cat([lightness[:, :skin], held[:, None], lightness[:, skin + 1 :]], 1)
    return base + opacity[..., None] * (torch.cat([lightness[..., None], pigment[..., 1:]], -1) - base)


def losses(said: Readings, batch: Batch) -> dict[str, Tensor]:
    """What is wrong with readings, by kind, each a mean over the batch."""
    layers, n = batch.drawn.layers, len(batch.light)
    worn = (layers.opacity > 0).float()
    share = worn / worn.sum().clamp(min=1)
    off = delta_e(
        shown(batch.base, said.pigment, said.opacity), shown(batch.base, layers.lab, layers.opacity)
    )  # (n, R)
    finish = F.cross_entropy(said.finish.flatten(0, 1), layers.finish.argmax(-1).flatten(), reduction="none")
    choices = [said.placement[:, first : first + len(PLACEMENTS[r])] for first, r in zip(_FIRST, REGIONS)]
    placement = torch.stack(
        [F.cross_entropy(one, at, reduction="none") for one, at in zip(choices, batch.drawn.placement.T)], 1
    )
    return {
        "shown": (share * off).sum() * len(REGIONS) * 0.15,
        "pigment": (share * layers.opacity * delta_e(said.pigment, layers.lab)).sum() * 0.3,
        "bare": delta_e(said.bare, batch.bare).mean() * 0.6,
        "light": (said.light - batch.light).abs().mean() * 12,
        "present": F.binary_cross_entropy_with_logits(said.present, worn) * 4,
        "opacity": (share * (said.opacity - layers.opacity).abs()).sum() * 3,
        "finish": (share * finish.view(n, -1)).sum() * 0.8,
        "placement": (share * placement).sum() * 2,
        "error": (share * (said.error - off.detach()).abs()).sum() * 0.1,
    }


@dataclass(frozen=True)
class State:
    """After so many steps: the averaged network and the losses of the last batch."""

    network: ReaderNetwork
    steps: int
    losses: dict[str, float]


class Trainer:
    """Steps of training; its whole state can be taken out and put back, and then it goes on to the bit.

    What a step shows depends on seed and number of the step alone.
    """

    def __init__(self, poses: Poses, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.poses, self.plan, self.steps = poses, plan, 0
        self.network, self.averaged = ReaderNetwork(plan.width), ReaderNetwork(plan.width)
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.eval()
        self.adam = torch.optim.AdamW(self.network.parameters(), plan.rate, weight_decay=0.01)
        self._made: tuple[int, Made] | None = None

    def run(self) -> Iterator[State]:
        """Train up to the plan's steps; yields after every one."""
        while self.steps < self.plan.steps:
            yield self.step()

    def step(self) -> State:
        """One batch."""
        generator = self._generator(2 * self.steps)
        faces = self._faces()
        batch = faces.under_light(torch.randperm(self.plan.faces, generator=generator)[: self.plan.batch], generator)
        for group in self.adam.param_groups:
            group["lr"] = self.plan.rate * self._pace()
        torch.manual_seed(generator.initial_seed())  # of dropout
        parts = losses(self.network(batch.crops, batch.at, batch.around), batch)
        self.adam.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.adam.step()
        self.steps += 1
        self._average()
        return State(self.averaged, self.steps, {name: float(value.detach()) for name, value in parts.items()})

    def _faces(self) -> Made:
        """Those of this step, made anew every so many steps."""
        plan = self.plan
        turn = self.steps // max(1, plan.uses * plan.faces // plan.batch)
        if self._made is None or self._made[0] != turn:
            self._made = turn, make_faces(self.poses, plan.faces, self._generator(2 * turn + 1))
        return self._made[1]

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.plan.seed * 1_000_003 + stream) % 2**63)

    def _pace(self) -> float:
        """A short rise, then a cosine to nothing."""
        done = self.steps / self.plan.steps
        return min(1.0, (self.steps + 1) / 100) * (0.5 + 0.5 * float(np.cos(np.pi * done)))

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(0.997, self.steps / (self.steps + 10))
        for average, own in zip(self.averaged.parameters(), self.network.parameters()):
            average.lerp_(own, 1 - keep)

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on but data and plan."""
        return {
            "network": self.network.state_dict(), "averaged": self.averaged.state_dict(),
            "adam": self.adam.state_dict(), "steps": self.steps,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same plan and data."""
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.adam.load_state_dict(state["adam"])
        self.steps = int(state["steps"])
