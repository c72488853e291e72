"""Garments from garments: walking from one to another, mixing two, and the same one in another colour or kind.

Everything works on codes (z, condition, category): those of drawn garments, of users' tastes, or of a user's own
picture (`persona.gan.invert`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from persona.catalog.colour import Lab, colour_name, delta_e_2000, garment_lab
from persona.catalog.pattern import SURE, pattern_shares
from persona.errors import BadInput
from persona.gan.model import Code, GarmentModel, code_of, render, to_levels

ROUNDS = 6  # drawings at most to an edit; most are done after two
NEAR = 3.0  # CIEDE2000 between the wished and the measured colour that is near enough
WHOLE = 0.75  # intersection over union with the outline before, under which a garment counts as broken
KEEP = 0.5  # share of what sets a garment apart from its category that survives in another category
WEAKEST, STEP, STRONGEST = 1.0, 0.5, 2.0  # how far to go toward a pattern until it is seen; farther breaks the garment
_CORRECT = 0.7  # share of the measured colour error by which the next round aims elsewhere
_EMPTY = (100.0, 0.0, 0.0)  # colour of a picture without a garment: the page's

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What shall become of a garment; None keeps it. colour: a name, or CIELAB."""

    colour: str | Lab | None = None
    pattern: str | None = None
    category: str | None = None

    def __bool__(self) -> bool:
        return (self.colour, self.pattern, self.category) != (None, None, None)


@dataclass(frozen=True)
class Edited:
    """code: to draw the result again; pictures: uint8 (n, size, size, 4); colour_error: CIEDE2000 (n,) from what was
    wished, or from the colour before where none was; named: bool (n,), the colour has the wished name, or none was
    wished; pattern_share: (n,) probability of the wished pattern, or ones; outline: (n,) intersection over union with
    the garment before, or ones where another category was wished."""

    code: Code
    pictures: Bytes
    colour_error: Floats
    named: NDArray[np.bool_]
    pattern_share: Floats
    outline: Floats


def edit(model: GarmentModel, code: Code, change: Change, rounds: int = ROUNDS) -> Edited:
    """The same garments, z kept, in another colour, pattern or category.

    The first move is linear (`Directions`). Then what was drawn is measured and the aim corrected by what is missing,
    so many rounds at most; of each garment the best drawing counts: the wished pattern first, then an outline like the
    one before, then the colour. Raises BadInput for what the generator has not learnt, OutOfDate for a model folder
    without directions.
    """
    directions, before = model.directions, render(model, code)
    aim = _aim(model, before, change)
    moved = _to_category(model, code, change.category) if change.category else code
    held = directions.read(code.condition)
    colour = aim.copy() if change.colour is not None else held[:, :3]
    strength, best = np.full((len(code), 1), WEAKEST), None
    for _ in range(max(1, rounds)):
        kind = held[:, 3:]
        if change.pattern is not None:
            kind = kind + strength * (directions.pattern(change.pattern) - kind)
        condition = directions.move(moved.condition, np.concatenate([colour, kind], 1)).astype(np.float32)
        tried, seen = _look(model, replace(moved, condition=condition), aim, change, before)
        best = tried if best is None else _better(best, tried)
        if _done(best):
            break
        colour = colour + _CORRECT * (aim - seen)
        strength = np.minimum(strength + STEP * (tried.pattern_share < SURE)[:, None], STRONGEST)
    assert best is not None
    return best


def _to_category(model: GarmentModel, code: Code, category: str) -> Code:
    """Codes of another category: its mean, and a share of what set each garment apart in its own."""
    into, mean = code_of(model, category), model.prior.mean.numpy()
    own = mean[[code_of(model, name) for name in code.category]]
    stays = np.array([[1.0 if name == category else KEEP] for name in code.category], np.float32)
    return Code(code.z, mean[into] + stays * (code.condition - own), (category,) * len(code))


def _aim(model: GarmentModel, before: Bytes, change: Change) -> Floats:
    """The colours (n, 3) that the results shall have."""
    if change.colour is None:
        return _colours(before)
    lab = model.directions.colour(change.colour) if isinstance(change.colour, str) else np.array(change.colour)
    if lab.shape != (3,) or not np.isfinite(lab).all():
        raise BadInput("colour", f"{change.colour} is no CIELAB colour: send three finite numbers")
    return np.tile(lab.astype(np.float64), (len(before), 1))


def _look(model: GarmentModel, code: Code, aim: Floats, change: Change, before: Bytes) -> tuple[Edited, Floats]:
    """Draw and measure: the result, and its colours (n, 3)."""
    pictures = render(model, code)
    colours = _colours(pictures)
    errors = delta_e_2000(colours, aim)
    named = [not isinstance(change.colour, str) or colour_name(lab) == change.colour for lab in colours]
    shares = [_share(picture, change.pattern) if change.pattern else 1.0 for picture in pictures]
    outline = np.ones(len(code)) if change.category else outline_iou(pictures, before)
    return Edited(code, pictures, errors, np.array(named, bool), np.array(shares, np.float64), outline), colours


def outline_iou(one: Bytes, other: Bytes) -> Floats:
    """Intersection over union (n,) of where pictures (n, s, s, 4) are more than half opaque; 1 for two empty ones."""
    a, b = one[..., 3] > 127, other[..., 3] > 127
    either = (a | b).sum((1, 2))
    return np.asarray(np.where(either > 0, (a & b).sum((1, 2)) / either.clip(1), 1.0), np.float64)


def _share(picture: Bytes, pattern: str) -> float:
    return next((share for name, share in pattern_shares(picture).items() if name == pattern), 0.0)


def _colours(pictures: Bytes) -> Floats:
    return np.array([garment_lab(picture) or _EMPTY for picture in pictures], np.float64).reshape(-1, 3)


def _better(one: Edited, other: Edited) -> Edited:
    """Of each garment the better drawing."""
    take = _cost(other) < _cost(one)
    code = Code(one.code.z, _chosen(take, other.code.condition, one.code.condition), one.code.category)
    return Edited(
        code,
        _chosen(take, other.pictures, one.pictures),
        _chosen(take, other.colour_error, one.colour_error),
        _chosen(take, other.named, one.named),
        _chosen(take, other.pattern_share, one.pattern_share),
        _chosen(take, other.outline, one.outline),
    )


def _chosen(take: NDArray[np.bool_], one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.where(take.reshape(-1, *[1] * (one.ndim - 1)), one, other)


def _cost(edited: Edited) -> Floats:
    """CIEDE2000, more for another name, and more than any colour is worth for no pattern or a broken outline."""
    lost = np.maximum(SURE - edited.pattern_share, 0) + 2 * np.maximum(WHOLE - edited.outline, 0)
    return edited.colour_error + 10.0 * ~edited.named + 100 * lost


def _done(edited: Edited) -> bool:
    return bool(edited.named.all() and (edited.colour_error <= NEAR).all() and (edited.pattern_share >= SURE).all())


@torch.no_grad()
def walk(model: GarmentModel, start: Code, end: Code, frames: int) -> Bytes:
    """Pictures uint8 (frames, size, size, 4) on the way from one garment to another; the ends are exactly those two.

    z goes along the great circle, the condition straight, the category through the network's own mixture of the two.
    Raises BadInput for fewer than two frames, or more than one garment at an end.
    """
    if frames < 2 or len(start) != 1 or len(end) != 1:
        raise BadInput("frames", f"{frames} from {len(start)} to {len(end)} garments, wanted 2 or more, from 1 to 1")
    (z0, c0, k0), (z1, c1, k1) = start.tensors(model), end.tensors(model)
    pictures = []
    for share in np.linspace(0, 1, frames).tolist():
        z, condition = slerp(z0, z1, share), torch.lerp(c0, c1, share)
        first, last = (model.style(z, condition, category) for category in (k0, k1))
        style = torch.lerp(first, last, share)
        pictures.append(to_levels(model.draw([style] * len(model.generator.stages))))
    return np.concatenate(pictures)


def slerp(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """Spherical interpolation (Shoemake 1985) of vectors (n, d); straight where they are parallel or one is zero."""
    cosine = torch.nn.functional.cosine_similarity(a.double(), b.double(), 1)
    angle = cosine.clamp(-1, 1).arccos()[:, None]
    sine = angle.sin()
    one, other = ((1 - share) * angle).sin() / sine, (share * angle).sin() / sine
    curved = (one * a + other * b).to(a.dtype)
    return torch.where(sine > 1e-4, curved, torch.lerp(a, b, share))


@torch.no_grad()
def mix(model: GarmentModel, coarse: Code, fine: Code, crossing: int) -> Bytes:
    """Pictures with the first `crossing` stages, coarsest first, styled by one garment and the rest by the other.

    Style mixing (Karras et al. 2019). crossing: 0 gives `fine` itself, the number of stages (64 px: 4) `coarse`; in
    between the first gives shape, the second colour and texture. Raises BadInput.
    """
    stages = len(model.generator.stages)
    if not 0 <= crossing <= stages or len(coarse) != len(fine):
        raise BadInput("crossing", f"{crossing}, wanted 0 to {stages}, and as many garments on either side")
    styles = [model.style(*code.tensors(model)) for code in (coarse, fine)]
    return to_levels(model.draw([styles[0]] * crossing + [styles[1]] * (stages - crossing)))
