"""Training of the cGAN: one step, and the state that a run resumes from. Logging and saving stay with the caller."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from persona.errors import BadInput
from persona.gan.augment import augment
from persona.gan.data import Batch, Garments
from persona.gan.losses import LOSSES, interpolated_penalty, mismatch, zero_centred_penalty
from persona.gan.networks import LATENT, Discriminator, Generator, grow


@dataclass(frozen=True)
class Schedule:
    """A value that moves evenly from start to end over so many pictures, and stays there."""

    start: float
    end: float
    images: int

    def at(self, images: int) -> float:
        """Its value after so many pictures."""
        return self.start + (self.end - self.start) * min(1.0, images / max(1, self.images))


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run, with its seed. images: pictures to show in all."""

    size: int
    images: int
    loss: str = "relativistic"
    width: float = 1.0
    batch: int = 32
    rate_generator: float = 2e-4
    rate_discriminator: float = 4e-4
    rate_end: float = 0.25  # both rates fall to this share by a cosine
    penalty: Schedule = Schedule(1.0, 0.3, 200_000)  # gamma of R1 + R2
    penalty_every: int = 8
    gradient_penalty: float = 10.0  # WGAN-GP's
    mismatch: Schedule = Schedule(1.0, 0.0, 200_000)
    mismatch_sigma: float = 4.0
    conditional: Schedule = Schedule(0.0, 1.0, 12_000)  # begin unconditionally
    augment: Schedule = Schedule(0.7, 0.4, 200_000)
    noise: float = 0.1  # on the condition
    ema_images: float = 10_000.0  # half-life of the averaged generator
    half: bool = True  # bfloat16 autocast, penalties in float32
    seed: int = 0

    @classmethod
    def plan(cls, size: int, images: int, *, grown: bool = False, loss: str = "relativistic", seed: int = 0) -> Recipe:
        """The default recipe, its schedules spread over the run. grown: it begins with nets that follow conditions."""
        conditional, gamma, mismatch, strength = (1.0, 1.5, 0.5, 0.5) if grown else (0.0, 1.0, 1.0, 0.7)
        return cls(
            size, images, loss, seed=seed,
            conditional=Schedule(conditional, 1.0, 12_000), penalty=Schedule(gamma, 0.25 * gamma, images),
            mismatch=Schedule(mismatch, 0.0, images), augment=Schedule(strength, 0.6 * strength, images),
        )  # fmt: skip

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise BadInput("loss", f"{self.loss!r} is unknown: choose from {', '.join(LOSSES)}")
        if self.batch < 2 or self.images < self.batch:
            raise BadInput("batch", f"{self.batch} of {self.images} pictures, wanted 2 to images")


@dataclass
class Trainer:
    """A run: networks, optimisers, random state. `step` moves it on by one batch."""

    recipe: Recipe
    garments: Garments
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    images: int = 0
    figures: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recipe, categories = self.recipe, len(self.garments.names)
        torch.manual_seed(recipe.seed)
        self.loss = LOSSES[recipe.loss]
        layout = {"device": self.device, "memory_format": torch.channels_last}
        self.generator = Generator(recipe.size, categories, recipe.width).to(**layout)  # type: ignore[call-overload]
        self.discriminator = Discriminator(recipe.size, categories, recipe.width, self.loss.spectral)
        self.discriminator.to(**layout)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.adam_g = torch.optim.Adam(self.generator.parameters(), recipe.rate_generator, (0.0, 0.9), fused=True)
        self.adam_d = torch.optim.Adam(
            self.discriminator.parameters(), recipe.rate_discriminator, (0.0, 0.9), fused=True
        )
        self.draw = torch.Generator().manual_seed(recipe.seed)

    def step(self) -> None:
        """Show one batch to the discriminator, then to the generator. Figures of the step go to `figures`."""
        batch = self._batch()
        z = torch.randn(self.recipe.batch, LATENT, generator=self.draw).to(self.device)
        self._set_rates()
        with self._autocast():
            fake = self.generator(z, batch.condition, batch.category)
        real_scores = self._step_discriminator(batch, fake.detach())
        self._step_generator(batch, fake, real_scores)
        self.images += self.recipe.batch
        self._average()

    def _batch(self) -> Batch:
        batch = self.garments.draw(self.recipe.batch, self.draw)
        noise = self.recipe.noise * torch.randn(batch.condition.shape, generator=self.draw)
        pictures = batch.pictures.to(self.device, memory_format=torch.channels_last)
        return Batch(pictures, (batch.condition + noise).to(self.device), batch.category.to(self.device))

    def _step_discriminator(self, batch: Batch, fake: Tensor) -> Tensor:
        """Returns the real scores, for the generator to be compared with."""
        strength, ramp = self.recipe.augment.at(self.images), self.recipe.conditional.at(self.images)
        real, fake = augment(batch.pictures, strength, self.draw), augment(fake, strength, self.draw)
        with self._autocast():
            phi = self.discriminator.features(torch.cat([real, fake]))
        phi_real, phi_fake = phi.chunk(2)
        scores = self.discriminator.score(phi_real, batch.condition, batch.category, ramp)
        fake_scores = self.discriminator.score(phi_fake, batch.condition, batch.category, ramp)
        loss = self.loss.discriminator(scores, fake_scores)
        self.figures = {"d_loss": loss.detach(), "gap": (scores - fake_scores).mean().detach()}
        loss = loss + self._mismatch(batch, phi_real, scores, ramp) + self._penalty(batch, real, fake, ramp)
        self.adam_d.zero_grad()
        loss.backward()
        self.adam_d.step()
        return scores.detach()

    def _mismatch(self, batch: Batch, phi_real: Tensor, scores: Tensor, ramp: float) -> Tensor | float:
        weight = self.recipe.mismatch.at(self.images) * ramp
        if weight == 0:
            return 0.0
        other = self.discriminator.score(phi_real.roll(1, 0), batch.condition, batch.category, ramp)
        distance2 = (batch.condition - batch.condition.roll(1, 0)).square().sum(1)
        return weight * mismatch(scores, other, distance2, self.recipe.mismatch_sigma)

    def _penalty(self, batch: Batch, real: Tensor, fake: Tensor, ramp: float) -> Tensor | float:
        def score(pictures: Tensor) -> Tensor:
            scores: Tensor = self.discriminator(pictures, batch.condition, batch.category, ramp)
            return scores

        recipe = self.recipe
        if self.loss.interpolated:
            share = torch.rand(recipe.batch, 1, 1, 1, generator=self.draw).to(self.device)
            return recipe.gradient_penalty * interpolated_penalty(score, real, fake, share)
        if self.loss.zero_centred and (self.images // recipe.batch) % recipe.penalty_every == 0:
            penalty = zero_centred_penalty(score, real, fake)
            self.figures["gradient"] = penalty.detach()
            return recipe.penalty.at(self.images) * recipe.penalty_every * penalty
        return 0.0

    def _step_generator(self, batch: Batch, fake: Tensor, real_scores: Tensor) -> None:
        strength, ramp = self.recipe.augment.at(self.images), self.recipe.conditional.at(self.images)
        self.discriminator.requires_grad_(False)
        with self._autocast():
            phi = self.discriminator.features(augment(fake, strength, self.draw))
        fake_scores = self.discriminator.score(phi, batch.condition, batch.category, ramp)
        loss = self.loss.generator(real_scores, fake_scores)
        self.adam_g.zero_grad()
        loss.backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)
        self.figures["g_loss"] = loss.detach()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.half)

    def _set_rates(self) -> None:
        recipe = self.recipe
        cosine = (1 + torch.tensor(torch.pi * min(1.0, self.images / recipe.images)).cos().item()) / 2
        share = recipe.rate_end + (1 - recipe.rate_end) * cosine
        for adam, rate in ((self.adam_g, recipe.rate_generator), (self.adam_d, recipe.rate_discriminator)):
            adam.param_groups[0]["lr"] = rate * share

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.recipe.ema_images, 0.1 * self.images + 1)  # a short memory while all is changing
        keep = 0.5 ** (self.recipe.batch / half_life)
        old, new = list(self.average.parameters()), list(self.generator.parameters())
        torch._foreach_lerp_(old, new, 1 - keep)
        for into, from_ in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            into.copy_(from_)

    @torch.no_grad()
    def averaged(self, batches: int = 24) -> Generator:
        """A copy of the averaged generator with batch statistics of its own (BigGAN's standing statistics)."""
        generator = copy.deepcopy(self.average).train()
        draw = torch.Generator().manual_seed(self.recipe.seed)
        for layer in _batch_norms(generator):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the batches
        for _ in range(batches):
            batch = self.garments.draw(self.recipe.batch, draw)
            z = torch.randn(len(batch.category), LATENT, generator=draw)
            generator(z.to(self.device), batch.condition.to(self.device), batch.category.to(self.device))
        for layer in _batch_norms(generator):
            layer.momentum = 0.1
        return generator.eval()

    def grow_from(self, checkpoint: Path) -> None:
        """Begin with the networks of a run at a smaller size; raises BadInput where they do not fit."""
        state = _read(checkpoint)
        try:
            grow(self.generator, state["generator"])
            grow(self.discriminator, state["discriminator"])
            grow(self.average, state["average"])
        except (RuntimeError, ValueError) as error:
            raise BadInput(str(checkpoint), f"cannot grow to {self.recipe.size} px from it: {error}") from error

    def save(self, path: Path) -> None:
        """Write everything the run needs to go on, atomically."""
        state = {
            "recipe": asdict(self.recipe), "images": self.images, "draw": self.draw.get_state(),
            **{name: module.state_dict() for name, module in self._parts().items()},
        }  # fmt: skip
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, to the same state bit for bit. Raises BadInput if damaged or of another recipe."""
        state = _read(path)
        ours, theirs = asdict(self.recipe), state["recipe"]
        if changed := [f"{name} {theirs.get(name)} -> {ours[name]}" for name in ours if ours[name] != theirs.get(name)]:
            raise BadInput("recipe", f"differs from the checkpoint's ({'; '.join(changed)}); use another --out for it")
        for name, module in self._parts().items():
            module.load_state_dict(state[name])
        self.draw.set_state(state["draw"])
        self.images = state["images"]

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator, "discriminator": self.discriminator, "average": self.average,
            "adam_g": self.adam_g, "adam_d": self.adam_d,
        }  # fmt: skip


def _batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except FileNotFoundError:
        raise BadInput(str(path), "no such checkpoint") from None
    except Exception as error:  # torch raises whatever its zip reader met
        raise BadInput(str(path), f"damaged checkpoint ({type(error).__name__}); use the one before it") from error
