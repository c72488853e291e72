"""Training of the cGAN: one step, and the state that a run resumes from. Logging and saving stay with the caller."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from persona import checkpoint
from persona.errors import BadInput
from persona.gan.augment import augment
from persona.gan.data import Batch, Garments
from persona.gan.draw import Draw
from persona.gan.losses import LOSSES, colour_distance, contrast, interpolated_penalty, mismatch, zero_centred_penalty
from persona.gan.networks import LATENT, Discriminator, Generator, grow
from persona.gan.ranks import ALONE, Ranks
from persona.gan.recipe import Recipe

PARTS = ("recipe", "images", "draw", "generator", "discriminator", "average", "adam_g", "adam_d")  # of a checkpoint


@dataclass
class Trainer:
    """A run: networks, optimisers, random state. `step` moves it on by one batch.

    ranks: the processes that train together; each has a trainer of its own, and all of them step together.
    """

    recipe: Recipe
    garments: Garments
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    ranks: Ranks = ALONE
    images: int = 0
    rollbacks: int = 0  # times that `persona.gan.guard` went back; each halved the rates
    figures: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recipe, categories = self.recipe, len(self.garments.names)
        torch.manual_seed(recipe.seed)  # of the first weights; what is drawn later comes from `draw` alone
        self.share = self.ranks.share(recipe.batch)
        self.loss = LOSSES[recipe.loss]
        layout = {"device": self.device, "memory_format": torch.channels_last}
        self.generator = self._new_generator()
        self.discriminator = Discriminator(recipe.size, categories, recipe.width, self.loss.spectral)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.ranks.share_statistics(self.generator)
        for network in (self.generator, self.discriminator, self.average):
            network.to(**layout)  # type: ignore[call-overload]
        self.adam_g = torch.optim.Adam(self.generator.parameters(), recipe.rate_generator, (0.0, 0.9), fused=True)
        self.adam_d = torch.optim.Adam(
            self.discriminator.parameters(), recipe.rate_discriminator, (0.0, 0.9), fused=True
        )
        self.draw, self.weights = Draw(recipe.seed, self.ranks), self.garments.weights(recipe.balance)

    def step(self) -> None:
        """Show one batch to the discriminator, then to the generator. Figures of the step go to `figures`."""
        batch = self._batch()
        z = self.draw.normal(self.share, LATENT).to(self.device)
        self._set_rates()
        fake = self._generate(z, batch)
        real_scores = self._step_discriminator(batch, fake.detach())
        self._step_generator(batch, fake, real_scores)
        self.images += self.recipe.batch
        self._average()

    # what another kind of generator does otherwise

    def _new_generator(self) -> nn.Module:
        return Generator(self.recipe.size, len(self.garments.names), self.recipe.width)

    def _generate(self, z: Tensor, batch: Batch) -> Tensor:
        """Pictures (n, 4, s, s) in [-1, 1] for a batch's conditions and categories."""
        with self._autocast():
            pictures: Tensor = self.generator(z, batch.condition, batch.category)
        return pictures

    def _distance(self, batch: Batch, fake: Tensor) -> Tensor:
        """What keeps generated pictures near their conditions from the first step on; weighed by `Recipe.colour`."""
        return colour_distance(fake, batch.pictures)

    # one step

    def _batch(self) -> Batch:
        batch = self.garments.draw(self.weights, self.share, self.draw)
        noise = self.recipe.noise * self.draw.normal(*batch.condition.shape)
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
        loss = loss + self._read_back(batch, phi_real)
        self.adam_d.zero_grad()
        loss.backward()
        self.ranks.average(self.discriminator.parameters())
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
            share = self.draw.uniform(len(real), 1, 1, 1).to(self.device)
            return recipe.gradient_penalty * interpolated_penalty(score, real, fake, share)
        if self.loss.zero_centred and (self.images // recipe.batch) % recipe.penalty_every == 0:
            penalty = zero_centred_penalty(score, real, fake)
            self.figures["gradient"] = penalty.detach()
            return recipe.penalty.at(self.images) * recipe.penalty_every * penalty
        return 0.0

    def _read_back(self, batch: Batch, phi: Tensor) -> Tensor | float:
        """Category (AC-GAN, Odena et al. 2017) and condition, as told from the discriminator's features of pictures.

        The discriminator learns it on real pictures alone, then the generator on its own.
        """
        classify, tell = self.recipe.classify.at(self.images), self.recipe.contrast.at(self.images)
        if classify == tell == 0:
            return 0.0
        told = F.cross_entropy(self.discriminator.category_head(phi), batch.category)
        return classify * told + tell * contrast(self.discriminator.condition_head(phi), batch.condition)

    def _step_generator(self, batch: Batch, fake: Tensor, real_scores: Tensor) -> None:
        strength, ramp = self.recipe.augment.at(self.images), self.recipe.conditional.at(self.images)
        self.discriminator.requires_grad_(False)
        with self._autocast():
            phi = self.discriminator.features(augment(fake, strength, self.draw))
        fake_scores = self.discriminator.score(phi, batch.condition, batch.category, ramp)
        loss = self.loss.generator(real_scores, fake_scores) + self._read_back(batch, phi)
        loss = loss + self.recipe.colour * self._distance(batch, fake)
        self.adam_g.zero_grad()
        loss.backward()
        self.ranks.average(self.generator.parameters())
        self.adam_g.step()
        self.discriminator.requires_grad_(True)
        self.figures["g_loss"] = loss.detach()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.half)

    def _set_rates(self) -> None:
        recipe = self.recipe
        cosine = (1 + torch.tensor(torch.pi * min(1.0, self.images / recipe.images)).cos().item()) / 2
        share = (recipe.rate_end + (1 - recipe.rate_end) * cosine) * 0.5**self.rollbacks
        for adam, rate in ((self.adam_g, recipe.rate_generator), (self.adam_d, recipe.rate_discriminator)):
            adam.param_groups[0]["lr"] = rate * share

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.recipe.ema_images, 0.1 * self.images + 1)  # a short memory while all is changing
        keep = 0.5 ** (self.recipe.batch / half_life)
        old: list[Tensor] = list(self.average.parameters())
        new: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(old, new, 1 - keep)
        for into, from_ in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            into.copy_(from_)

    @torch.no_grad()
    def averaged(self, batches: int = 24) -> Any:
        """A copy of the averaged generator with batch statistics of its own (BigGAN's standing statistics)."""
        generator = copy.deepcopy(self.average).train()
        draw = Draw(self.recipe.seed)
        for layer in _batch_norms(generator):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the batches
        for _ in range(batches):
            batch = self.garments.draw(self.weights, self.recipe.batch, draw)
            z = draw.normal(len(batch.category), LATENT)
            generator(z.to(self.device), batch.condition.to(self.device), batch.category.to(self.device))
        for layer in _batch_norms(generator):
            layer.momentum = 0.1
        return generator.eval()

    def grow_from(self, path: Path) -> None:
        """Begin with the networks of another run, of this size or a smaller; raises BadInput where they do not fit."""
        state = checkpoint.read(path, PARTS)
        try:
            grow(self.generator, state["generator"])
            grow(self.discriminator, state["discriminator"])
            grow(self.average, state["average"])
        except (RuntimeError, ValueError) as error:
            raise BadInput(str(path), f"cannot grow to {self.recipe.size} px from it: {error}") from error

    @torch.no_grad()
    def sound(self) -> bool:
        """Whether the last figures and all weights, statistics and moments are finite."""
        values = list(self.figures.values())
        for part in self._parts().values():
            state = part.state_dict()
            for tensors in state["state"].values() if "state" in state else [state]:
                values += [tensor.float().sum().to(self.device) for tensor in tensors.values()]
        return bool(torch.stack([value.float() for value in values]).isfinite().all())

    def state(self) -> dict[str, Any]:
        """Everything the run needs to go on. Its tensors are the live ones: copy what is to last."""
        return {
            "recipe": asdict(self.recipe), "images": self.images, "rollbacks": self.rollbacks,
            "draw": self.draw.generator.get_state(),
            **{name: part.state_dict() for name, part in self._parts().items()},
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, which becomes this trainer's own."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.draw.generator.set_state(state["draw"])
        self.images, self.rollbacks, self.figures = state["images"], state.get("rollbacks", 0), {}

    def save(self, path: Path) -> None:
        """Write the state, atomically; the checkpoint that was there is kept beside it (`checkpoint.previous`)."""
        checkpoint.write(self.state(), path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, to the same state bit for bit; from the one before where this one is damaged.

        Raises BadInput if both are damaged, or if they are of another recipe.
        """
        state = checkpoint.read_last(path, PARTS)
        if changed := self.recipe.changes(state["recipe"]):
            raise BadInput("recipe", f"differs from the checkpoint's ({'; '.join(changed)}); use another --out for it")
        try:
            self.restore(state)
        except (RuntimeError, ValueError, KeyError) as error:
            raise BadInput(str(path), f"does not fit these networks ({error}); use another --out") from error

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator, "discriminator": self.discriminator, "average": self.average,
            "adam_g": self.adam_g, "adam_d": self.adam_d,
        }  # fmt: skip


def _batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
