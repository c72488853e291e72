"""Training of the decoder: content, style statistics, identity, and patches that pass for the style's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from persona.errors import BadInput
from persona.style.data import StyleSet, Views
from persona.style.features import FeatureNet
from persona.style.filters import FilterBank
from persona.style.networks import Decoder, PatchDiscriminator, Statistics, Style, opponent, statistics_of
from persona.style.statistics import mean_std, normalised, resized, separation
from persona.style.transport import moments_of, transported, with_folds

PARTS = ("plan", "features", "steps", "draw", "decoder", "averaged", "discriminator", "adam", "adam_d")
_SEEN = 256  # styles that statistics are standardised by
_FILTERS, _KERNELS = 24, (3,)  # of the bank that styles are compared by


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run.

    content, style, identity, adversarial: weights of the losses, the last from step patches_from on. own: share of each
    batch that is shown its own style. decay: of the averaged weights, which are those that ship.
    """

    steps: int = 3000
    batch: int = 8
    rate: float = 2e-3
    content: float = 0.3
    style: float = 5.0
    identity: float = 5.0
    adversarial: float = 0.1
    patches_from: int = 1800
    own: float = 0.125
    decay: float = 0.998
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("steps", "batch"):
            if getattr(self, field) < 1:
                raise BadInput(field, f"{getattr(self, field)}, wanted at least 1")


class Trainer:
    """A run: networks, optimisers, random state. `step` moves it on by one batch; `losses` are the last step's."""

    def __init__(self, data: StyleSet, net: FeatureNet, plan: Plan, device: str = "cpu") -> None:
        torch.manual_seed(plan.seed)
        self.data, self.plan, self.device, self.steps = data, plan, torch.device(device), 0
        self.net: FeatureNet = self._to(net)
        self.draw = torch.Generator().manual_seed(plan.seed)
        self.decoder, self.averaged = (self._to(Decoder(net.channels, net.strides)) for _ in range(2))
        seen = self._views(data.styles(_SEEN, torch.Generator().manual_seed(plan.seed + 1)))
        with torch.no_grad():
            self.decoder.standardise(statistics_of(seen.rgb, self.net(seen.rgb), seen.mask))
        self.averaged.load_state_dict(self.decoder.state_dict())
        self.discriminator = self._to(PatchDiscriminator(len(self.decoder.centre)))
        self.adam = torch.optim.Adam(self.decoder.parameters(), plan.rate, betas=(0.5, 0.99))
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), plan.rate, betas=(0.0, 0.99))
        self.losses: dict[str, float] = {}

    def _to(self, module: Any) -> Any:
        return module.to(self.device, memory_format=torch.channels_last)

    def _views(self, views: Views) -> Views:
        return Views(*(each.to(self.device, memory_format=torch.channels_last) for each in (views.rgb, views.mask)))

    def run(self) -> Iterator[Trainer]:
        """To the plan's last step; yields itself after each."""
        while self.steps < self.plan.steps:
            self.step()
            yield self

    def step(self) -> None:
        """One batch: the decoder, and the discriminator where it counts."""
        n, own = self.plan.batch, round(self.plan.batch * self.plan.own)
        contents = self._views(self.data.contents(n, self.draw))
        styles = self._views(self.data.styles(n, self.draw))
        styles = Views(*(torch.cat([mine[:own], other[own:]]) for mine, other in
                         ((contents.rgb, styles.rgb), (contents.mask, styles.mask))))  # fmt: skip
        for group in (*self.adam.param_groups, *self.adam_d.param_groups):
            group["lr"] = self.plan.rate * max(0.02, 1 - self.steps / self.plan.steps)
        style = Style(
            statistics_of(styles.rgb, self._levels(styles.rgb), styles.mask), moments_of(styles.rgb, styles.mask)
        )
        before = moments_of(contents.rgb, contents.mask)
        moved = transported(contents.rgb, contents.mask, with_folds(style.moments, before), before)
        contents = Views(moved.clamp(0, 1), contents.mask)
        target = style.statistics
        levels = self._levels(contents.rgb)
        made = self._paint(contents, levels, target)
        losses = self._losses(contents, levels, styles, target, made, own)
        code = self.decoder.code(target)
        if self.plan.adversarial and self.steps >= self.plan.patches_from:
            self._discriminate(styles, made.detach(), contents.mask, code, own)
            losses["adversarial"] = -_inside(self._score(made, code), contents.mask)[own:].mean()
        total = sum(getattr(self.plan, name) * loss for name, loss in losses.items())
        self.adam.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 10.0)
        self.adam.step()
        self.steps += 1
        self._average()
        self.losses |= {name: float(loss.detach()) for name, loss in losses.items()}

    def _levels(self, rgb: Tensor) -> list[Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16):
            return [level.float() for level in self.net(rgb)]

    def _score(self, rgb: Tensor, code: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            scores: Tensor = self.discriminator(rgb, code)
        return scores.float()

    def _paint(self, contents: Views, levels: Sequence[Tensor], target: Statistics) -> Tensor:
        own = statistics_of(contents.rgb, levels, contents.mask)
        with torch.autocast(self.device.type, torch.bfloat16):
            made: Tensor = self.decoder(contents.rgb, levels, own, target)
        return made.float()

    def _losses(
        self, contents: Views, levels: Sequence[Tensor], styles: Views, target: Statistics, made: Tensor, own: int
    ) -> dict[str, Tensor]:
        """Over the regions alone."""
        losses = {
            "content": _content(self._levels(made), levels, contents.mask),
            "style": self._style(made, contents.mask, styles, target),
        }
        if own:
            apart = (made[:own] - contents.rgb[:own]).abs() * contents.mask[:own]
            losses["identity"] = apart.sum() / (3 * contents.mask[:own].sum()).clamp(min=1)
        return losses

    def _style(self, made: Tensor, mask: Tensor, styles: Views, target: Statistics) -> Tensor:
        """Differences of statistics: of colours, and of a bank of filters that is another at every step."""
        bank = self._to(FilterBank(_FILTERS, _KERNELS, self.draw))
        with torch.autocast(self.device.type, torch.bfloat16):
            with torch.no_grad():
                there = bank(styles.rgb)
            here = bank(made)
        own = [mean_std(opponent(made), mask), *(mean_std(each.float(), mask) for each in here)]
        return separation(own, [target[0], *(mean_std(each.float(), styles.mask) for each in there)])

    def _discriminate(self, styles: Views, made: Tensor, mask: Tensor, code: Tensor, own: int) -> None:
        """Hinge: real pictures under their own style, made ones, and real ones under another's."""
        real, fake = self._score(styles.rgb, code), self._score(made, code)[own:]
        other = self._score(styles.rgb, code.roll(1, 0))
        loss = (
            _inside(F.relu(1 - real), styles.mask).mean()
            + (_inside(F.relu(1 + fake), mask[own:]).mean() + _inside(F.relu(1 + other), styles.mask).mean()) / 2
        )
        self.adam_d.zero_grad(set_to_none=True)
        loss.backward()
        self.adam_d.step()
        self.losses["discriminator"] = float(loss.detach())

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.plan.decay, (1 + self.steps) / (10 + self.steps))
        for kept, now in zip(self.averaged.parameters(), self.decoder.parameters()):
            kept.lerp_(now, 1 - decay)

    def state(self) -> dict[str, Any]:
        """Everything the run needs to go on."""
        return {
            "plan": asdict(self.plan), "features": self.net.version, "steps": self.steps, "draw": self.draw.get_state(),
            **{name: part.state_dict() for name, part in self._parts().items()},
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same plan. Raises BadInput for another."""
        if (state["plan"], state["features"]) != (asdict(self.plan), self.net.version):
            raise BadInput("plan", "the checkpoint is of other options or another feature net; use another --out")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.draw.set_state(state["draw"])
        self.steps = state["steps"]

    def _parts(self) -> dict[str, Any]:
        return {
            "decoder": self.decoder, "averaged": self.averaged, "discriminator": self.discriminator,
            "adam": self.adam, "adam_d": self.adam_d,
        }  # fmt: skip


def _content(seen: Sequence[Tensor], levels: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Squared difference of the two deepest levels, each normalised by its own statistics: what is where, not how."""
    parts = []
    for made, kept in zip(seen[-2:], levels[-2:]):
        one, other = (normalised(each, mask) for each in (made, kept))
        weight = resized(mask, made.shape[2:])
        parts.append(((one - other).square() * weight).sum() / (weight.sum() * made.shape[1]).clamp(min=1))
    return torch.stack(parts).mean()


def _inside(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean (n,) of scores (n, 1, h, w) over the region."""
    weight = resized(mask, scores.shape[2:])
    return (scores * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1e-3)
