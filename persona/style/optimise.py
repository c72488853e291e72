"""The slow way: the picture itself is changed, step by step, until its statistics are those of the style.

After Gatys, Ecker and Bethge (2016), with means and deviations in the place of Gram matrices (Li et al. 2017), and with
filters drawn anew at each step beside a feature net (`FilterBank`). It is the reference that the feed-forward network
is held against. A small trained net alone will not do: its statistics are met by a noise that nobody sees, and that the
judge finds no nearer to the style than the picture was. Against filters that are never the same twice, nothing but
looking like the style helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from persona.catalog.pictures import Bytes
from persona.style.controls import WHOLE, Controls
from persona.style.features import FeatureNet
from persona.style.filters import FilterBank
from persona.style.model import kept
from persona.style.networks import opponent
from persona.style.picture import Floats, View, check, composed, view_of
from persona.style.statistics import mean_std, normalised, resized, separation

Progress = Callable[[Iterable[int]], Iterable[int]]

STEPS = 120
_RATE = 0.03  # of sRGB from 0 to 1, at first
_FILTERS, _KERNELS = 24, (3,)  # of each step's bank; larger kernels see what small ones see on coarser scales
_SHIFT = 8  # pixels: the bank's coarse scales begin at another place at every step, so that none is privileged


@dataclass(frozen=True)
class Weights:
    """Of the terms: colours, the bank's statistics, the feature net's, and the content at its deepest level but one."""

    colour: float = 1.0
    bank: float = 1.0
    features: float = 0.1
    content: float = 0.02


_USUAL = Weights()


def optimise(
    rgba: Bytes,
    style: Bytes,
    features: FeatureNet,
    *,
    steps: int = STEPS,
    controls: Controls = WHOLE,
    region: Floats | None = None,
    style_region: Floats | None = None,
    seed: int = 0,
    weights: Weights = _USUAL,
    progress: Progress = iter,
) -> Bytes:
    """A premultiplied picture (h, w, 4) with the style of another put on its region (h, w), its visible part if None.

    steps: of Adam, from the picture itself; some 0.2 s each at 256 pixels on one core. strength mixes the result with
    the picture. progress: what wraps the steps, such as tqdm. The same seed gives the same picture on one machine.
    Alpha and all outside the region stay bit for bit. Raises BadInput as `picture.check`, of picture or style.
    """
    own = check(rgba, region, "picture")
    view, its = view_of(rgba, own), view_of(style, check(style, style_region, "style"))
    if controls.strength == 0:
        return rgba.copy()
    goal = _Goal(view, its, features, weights, seed)
    made = view.rgb.clone().requires_grad_()
    adam = torch.optim.Adam([made], _RATE)
    for step in progress(range(steps)):
        adam.param_groups[0]["lr"] = _RATE * (1 - step / steps) ** 0.5
        (made.grad,) = torch.autograd.grad(goal.loss(made), made)
        adam.step()
        with torch.no_grad():
            made.clamp_(0, 1)
    result = view.rgb.lerp(kept(view.rgb, made.detach(), view.mask, controls), controls.strength)
    return composed(rgba, own, view, result)


class _Goal:
    """What the picture is drawn to."""

    def __init__(self, view: View, style: View, features: FeatureNet, weights: Weights, seed: int) -> None:
        self.view, self.style, self.features, self.weights = view, style, features, weights
        self.draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.colours = mean_std(opponent(style.rgb), style.mask)
            self.statistics = [mean_std(level, style.mask) for level in features(style.rgb)]
            self.content = normalised(features(view.rgb)[-2], view.mask)

    def loss(self, made: Tensor) -> Tensor:
        """Of a picture (1, 3, h, w); another draw at every call."""
        mask, weights = self.view.mask, self.weights
        levels = self.features(made)
        apart = (normalised(levels[-2], mask) - self.content).square().mean(1, keepdim=True)
        place = resized(mask, apart.shape[2:])
        return (
            weights.colour * separation([mean_std(opponent(made), mask)], [self.colours])
            + weights.bank * self._texture(made)
            + weights.features * separation([mean_std(level, mask) for level in levels], self.statistics)
            + weights.content * (apart * place).sum() / place.sum()
        )

    def _texture(self, made: Tensor) -> Tensor:
        bank = FilterBank(_FILTERS, _KERNELS, self.draw)
        top, left = torch.randint(_SHIFT, (2,), generator=self.draw).tolist()
        mask = self.view.mask[:, :, top:, left:]
        with torch.no_grad():
            there = [mean_std(each, self.style.mask) for each in bank(self.style.rgb)]
        return separation([mean_std(each, mask) for each in bank(made[:, :, top:, left:])], there)
