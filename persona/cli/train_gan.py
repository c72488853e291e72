"""`persona train gan`: the generator, from the photographed garments of the store or of a catalogue given by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from persona import checkpoint
from persona.catalog.visual import VisualNetwork
from persona.cli import materials
from persona.cli.train_edits import directions_of
from persona.gan import GarmentModel, Prior
from persona.gan.cost import cost, profiled
from persona.gan.ranks import ALONE, Ranks, joined
from persona.gan.recipe import Recipe
from persona.gan.run import CHECKPOINT, run
from persona.gan.train import Trainer
from persona.settings import Settings
from persona.store.records import CATEGORIES

CARD = """# {name}: a garment from a condition

A conditional GAN (persona/gan): a generator of {parameters:,} parameters draws a {size} px RGBA garment from a
condition (a content vector of {visual}), a category and a seed. Its adversary in training was a projection
discriminator; loss: {loss}.

- Data: {count:,} garments ({held:,} more held out, by owner). Sources: {sources}. Licences: {licences}. The pictures
  are no part of the model.
- Shown {images:,} pictures in training. Figures: `persona evaluate gan`.
- Categories that it has seen: {categories}.
- Limits: single garments as people photograph them at home, no people; of other categories it draws nothing sensible.
  What it draws exists nowhere: label it as generated wherever it is shown.
"""


@dataclass(frozen=True)
class Order:
    """What the command was asked for. data: a catalogue to import and train on, instead of the store's."""

    settings: Settings
    recipe: Recipe
    out: Path
    data: Path | None = None
    grow_from: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A trainer at its beginning, and what it was made from: content vectors (n, 64) of all the garments found."""

    trainer: Trainer
    found: materials.Garments
    features: NDArray[np.float32]
    visual: str

    @property
    def prior(self) -> Prior:
        """Conditions like those of the garments that are trained on."""
        seen = ~self.found.held_out
        return Prior.fit(self.features[seen], self.found.categories[seen], len(CATEGORIES))


def train(order: Order) -> dict[str, Any]:
    """Train, going on from the checkpoint in `out` where there is one; write the model folder, return its metrics.

    Of several processes (torchrun) the first one writes; the others return nothing.
    """
    with _prepared(order, order.out / "catalogue") as made, logging_redirect_tqdm():
        trainer = made.trainer
        with tqdm(total=order.recipe.images, desc="training", unit="picture", disable=not trainer.ranks.leads) as shown:
            for figures in run(trainer, made.prior, made.visual, order.out):
                shown.update(int(figures["images"]) - shown.n)
        return _write(made, order.out) if trainer.ranks.leads else {}


def dry_run(order: Order) -> dict[str, Any]:
    """Every field of the recipe, the data, and what the run will cost here; nothing is written."""
    with tempfile.TemporaryDirectory() as folder, _prepared(order, Path(folder), alone=True) as made:
        fields = {name: str(getattr(order.recipe, name)) for name in asdict(order.recipe)}
        trainer = made.trainer
        about = {"garments": len(trainer.garments), "device": str(trainer.device), "processes": trainer.ranks.count}
        spent = cost(trainer)
        return {**fields, **about, **spent} if trainer.ranks.leads else {}


def profile(order: Order) -> str:
    """Where the time of some steps goes, as a table; their trace is written to `out`."""
    with _prepared(order, order.out / "catalogue") as made:
        table = profiled(made.trainer, order.out)
        return table if made.trainer.ranks.leads else ""


@contextmanager
def _prepared(order: Order, home: Path, *, alone: bool = False) -> Iterator[Prepared]:
    """home: where the first process imports `order.data` to; alone: each process does, to a home of its own."""
    settings, recipe = order.settings, order.recipe
    network = VisualNetwork.load(settings.models / "visual-64")
    with joined(settings.torch_device) as (ranks, device):
        ranks.share(recipe.batch)  # says at once if it cannot
        found = materials.garments(_source(order, home, ALONE if alone else ranks), side=recipe.size)
        features = network.features(found.rgba)
        garments = materials.training_set(found, features, network, CATEGORIES, recipe.size)
        trainer = Trainer(recipe, garments, device, ranks)
        if order.grow_from and not checkpoint.exists(order.out / CHECKPOINT):
            trainer.grow_from(order.grow_from)
        yield Prepared(trainer, found, features, network.version)


def _source(order: Order, home: Path, ranks: Ranks) -> Settings:
    if order.data is None:
        return order.settings
    if ranks.leads:
        materials.imported(order.data, home, field="--data")
    ranks.wait()
    return Settings(home=home, database_url=None, threads=order.settings.threads)


def _write(made: Prepared, out: Path) -> dict[str, Any]:
    trainer, recipe, held = made.trainer, made.trainer.recipe, made.found.held_out
    model = GarmentModel(trainer.averaged(), made.prior, CATEGORIES, made.visual)
    items = [item for item, out_of_it in zip(made.found.items, held) if not out_of_it]
    model.directions = directions_of(items, made.features[~held], made.found.categories[~held])
    sources, licences = materials.origins(made.found.items)
    shown = np.bincount(made.found.categories[~held], minlength=len(CATEGORIES))
    card = CARD.format(
        name=out.name, parameters=sum(p.numel() for p in model.generator.parameters()), size=recipe.size,
        visual=made.visual, loss=recipe.loss, count=len(trainer.garments), held=int(held.sum()),
        sources=sources, licences=licences, images=trainer.images,
        categories=", ".join(f"{name} {count}" for name, count in zip(CATEGORIES, shown) if count),
    )  # fmt: skip
    metrics: dict[str, Any] = {"images": trainer.images, "garments": len(trainer.garments), "recipe": asdict(recipe)}
    model.save(out, width=recipe.width, card=card, metrics=metrics)
    return {"images": trainer.images, "garments": len(trainer.garments), "model": model.version}
