"""`persona train look-gan`: the generator of looks, from variations of the named looks on face charts."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from persona.gan.recipe import Recipe
from persona.gan.run import Book, drive, tile
from persona.makeup.corpus import named
from persona.makeup.description import VERSION, describe, drawn_of
from persona.makeup.lookgan import LookGenerator
from persona.makeup.named import named_looks
from persona.makeup.studio import Studio
from persona.makeup.train_lookgan import BEGUN, LookPictures, LookTrainer, opaque

LOOKS = 6000  # of the corpus, that are trained on
HELD_OUT = 1  # seed of the corpus that the grid is of
GRID = (8, 10)  # rows and columns; of each ten, one look of the corpus and nine generated for its description
CARD = """# {name}: a look from a condition

A conditional GAN (persona/makeup/lookgan.py): a generator of {parameters:,} parameters turns a condition, the
description of a look as 64 numbers ({description}), and a seed into a whole look: products, colours, opacities,
finishes and placements, which stay editable and which the renderer puts on a face. It sees no face and changes none.
Its adversary in training was a projection discriminator on the rendered pictures ({size} px, five face shapes, ten
tones).

- Data: {count:,} **designed** variations (persona/makeup/corpus.py) of the {named} named looks that ship, rendered on
  our own drawn face charts. No photo, and nobody's makeup, is behind them; how often a look is worn, or by whom, is in
  no way learnt. Licence: Apache-2.0, as the code.
- Made {date}: shown {images:,} pictures, after {begun:,} steps on descriptions alone. Figures:
  `persona evaluate makeup`.
- Looks are made for the middle of the Monk scale; `persona.makeup.following` puts them on any skin.
- Limits: it varies what the named looks have in them and invents no new idea of makeup. Label what it makes as
  generated.
"""


def train(
    recipe: Recipe, out: Path, device: str, *, looks: int = LOOKS, studio: Studio | None = None
) -> dict[str, Any]:
    """Train, going on from the checkpoint in `out` where there is one; write the model folder, return its metrics.

    studio: of the recipe's size, where one is open already.
    """
    studio = studio or Studio.open(recipe.size)
    pictures = LookPictures(named(looks, recipe.seed), studio, recipe.seed)
    trainer = LookTrainer(recipe, pictures, torch.device(device))
    with logging_redirect_tqdm(), tqdm(total=recipe.images, desc="training", unit="picture") as shown:
        for figures in drive(trainer, LookBook, out):
            shown.update(int(figures["images"]) - shown.n)
    return write(trainer, out)


def write(trainer: LookTrainer, out: Path) -> dict[str, Any]:
    """Write the model folder of a trainer as it stands, and return its metrics."""
    recipe, model = trainer.recipe, LookGenerator(trainer.averaged())
    metrics: dict[str, Any] = {"images": trainer.images, "looks": len(trainer.garments), "recipe": asdict(recipe)}
    card = CARD.format(
        name=out.name, parameters=sum(p.numel() for p in model.network.parameters()), description=VERSION,
        size=recipe.size, count=len(trainer.garments), named=len(named_looks()), images=trainer.images,
        begun=min(BEGUN, recipe.images), date=f"{datetime.now(UTC):%Y-%m-%d}",
    )  # fmt: skip
    model.save(out, card=card, metrics=metrics)
    return {"images": trainer.images, "looks": len(trainer.garments), "model": model.version}


class LookBook(Book):
    """With a grid of generated looks beside looks that were not trained on."""

    def grid(self) -> NDArray[np.uint8]:
        """See the class."""
        trainer = self.trainer
        assert isinstance(trainer, LookTrainer)
        return look_grid(LookGenerator(trainer.averaged()), trainer.studio)


def look_grid(model: LookGenerator, studio: Studio, seed: int = 0, side: int = 96) -> NDArray[np.uint8]:
    """Rows of a look of the corpus and looks generated for its description, each row on one chart: uint8 (h, w, 3)."""
    rows, columns = GRID
    real = named(rows, HELD_OUT + seed)
    conditions = np.repeat(describe(real), columns - 1, 0)
    made = iter(model.draw(conditions, range(seed, seed + len(conditions))))
    shown = [look for one in real for look in (one, *itertools.islice(made, columns - 1))]
    charts = torch.arange(rows).mul(len(studio) // rows or 1).repeat_interleave(columns) % len(studio)
    with torch.no_grad():
        pictures = studio.paint(charts.to(studio.skins.device), drawn_of(shown).to(studio.skins.device))
    return tile(opaque(pictures), columns, side)
