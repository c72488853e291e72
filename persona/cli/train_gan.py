"""`persona train gan`: the generator, from the photographed garments of the store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from persona.cli import materials
from persona.gan import GarmentModel, Prior
from persona.gan.data import Garments
from persona.gan.run import CHECKPOINT, run
from persona.gan.train import Recipe, Trainer
from persona.settings import Settings
from persona.store.records import CATEGORIES
from persona.taste.visual import VisualNetwork

CARD = """# {name}: a garment from a condition

A conditional GAN (persona/gan): a generator of {parameters:,} parameters draws a {size} px RGBA garment from a
condition (a content vector of {visual}), a category and a seed. Its adversary in training was a projection
discriminator; loss: {loss}.

- Data: {count:,} garments ({held:,} more held out, by owner). Sources: {sources}. Licences: {licences}. The pictures
  are no part of the model.
- Shown {images:,} pictures in training. Figures: `persona evaluate gan`.
- Limits: single garments as people photograph them at home, in 17 categories; no people. What it draws exists nowhere:
  label it as generated wherever it is shown.
"""


def train(settings: Settings, out: Path, recipe: Recipe, grow_from: Path | None) -> dict[str, Any]:
    """Train, going on from the checkpoint in `out` where there is one; write the model folder, return its metrics."""
    network = VisualNetwork.load(settings.models / "visual-64")
    found = materials.garments(settings, side=recipe.size)
    features, seen = network.features(found.rgba), ~found.held_out
    trainer = Trainer(recipe, _garments(found, features, network, recipe.size), torch.device(settings.torch_device))
    prior = Prior.fit(features[seen], found.categories[seen], len(CATEGORIES))
    if grow_from and not (out / CHECKPOINT).exists():
        trainer.grow_from(grow_from)
    with tqdm(total=recipe.images, desc="training", unit="picture") as shown:
        for figures in run(trainer, prior, network.version, out):
            shown.update(int(figures["images"]) - shown.n)
    model = GarmentModel(trainer.averaged(), prior, CATEGORIES, network.version)
    sources, licences = materials.origins(found.items)
    card = CARD.format(
        name=out.name, parameters=sum(p.numel() for p in model.generator.parameters()), size=recipe.size,
        visual=network.version, loss=recipe.loss, count=int(seen.sum()), held=int((~seen).sum()),
        sources=sources, licences=licences, images=trainer.images,
    )  # fmt: skip
    metrics: dict[str, Any] = {"images": trainer.images, "garments": len(trainer.garments), "recipe": asdict(recipe)}
    model.save(out, width=recipe.width, card=card, metrics=metrics)
    return {"images": trainer.images, "garments": len(trainer.garments), "model": model.version}


def _garments(found: materials.Garments, features: NDArray[np.float32], network: VisualNetwork, size: int) -> Garments:
    """Those that are trained on, with the conditions of their mirror images too."""
    seen = ~found.held_out
    mirrored = network.features(np.ascontiguousarray(found.rgba[seen][:, :, ::-1]))
    return Garments(found.rgba[seen], features[seen], mirrored, found.categories[seen], CATEGORIES, size)
