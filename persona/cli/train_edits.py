"""`persona train directions` and `persona train inverter`: what editing needs besides the generator itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from persona.catalog.visual import VisualNetwork
from persona.cli import materials
from persona.errors import BadInput
from persona.gan import GarmentModel
from persona.gan.directions import Directions
from persona.gan.evaluate_edits import evaluate_inversion
from persona.gan.invert import Inverter
from persona.gan.train_inverter import Plan, train_inverter
from persona.settings import Settings
from persona.store.records import CATEGORIES, Item

CARD = """# {name}: a garment's picture to the code that draws it

An encoder of {parameters:,} parameters (persona/gan/invert) that says which z and which small change of the condition
make {generator} draw a picture like the one given. It is of use with that generator only.

- Data: {count:,} garments ({held:,} more held out, by owner). Sources: {sources}. Licences: {licences}. The pictures
  are no part of the model.
- Shown {images:,} pictures in training. Figures: `persona evaluate inverter`.
- Limits: single garments, cut out, no people; prints and small parts come back blurred. What it leads to is generated:
  label it so wherever it is shown.
"""


def directions_of(items: Sequence[Item], features: NDArray[np.float32], categories: NDArray[np.int64]) -> Directions:
    """Directions from garments, their content vectors (n, 64) and category codes (n,)."""
    labs, colours, patterns = zip(*[(item.lab, item.colour, item.pattern) for item in items])
    return Directions.fit(features, categories, labs, colours, patterns)


def fit_directions(settings: Settings, folder: Path) -> dict[str, Any]:
    """Fit the directions anew on the store's garments, and write them into a generator's model folder.

    Weights, card and metrics stay; the version changes. Raises BadInput for a folder of another visual network.
    """
    model, network = GarmentModel.load(folder), VisualNetwork.load(settings.models / "visual-64")
    if model.visual != network.version:
        raise BadInput(str(folder), f"was trained on content vectors of {model.visual}, not of {network.version}")
    found = materials.garments(settings)
    seen = np.flatnonzero(~found.held_out)
    items = [found.items[row] for row in seen]
    model.directions = directions_of(items, network.features(found.rgba[seen]), found.categories[seen])
    card, metrics = (folder / "README.md").read_text(), json.loads((folder / "metrics.json").read_text())
    width = json.loads((folder / "config.json").read_text())["width"]
    model.save(folder, width=width, card=card, metrics=metrics)
    return {"garments": len(items), "model": model.version}


def fit_inverter(settings: Settings, out: Path, images: int) -> dict[str, Any]:
    """Train the inverter of the generator in the settings' models; write its folder, return its figures."""
    network = VisualNetwork.load(settings.models / "visual-64")
    model = GarmentModel.load(settings.models / "garment-64", settings.torch_device)
    found = drawable(materials.garments(settings, side=model.size), model)
    features, plan, state = network.features(found.rgba), Plan(images=images, seed=settings.seed), None
    garments = materials.training_set(found, features, network, model.categories, model.size)
    with tqdm(total=images, desc="training", unit="picture") as shown:
        for state in train_inverter(model, garments, plan):
            shown.set_postfix(loss=f"{state.loss:.4f}", refresh=False)
            shown.update(state.images - shown.n)
    assert state is not None
    sources, licences = materials.origins(found.items)
    card = CARD.format(
        name=out.name, generator=model.version, count=len(garments), held=int(found.held_out.sum()),
        images=state.images, sources=sources, licences=licences,
        parameters=sum(p.numel() for p in state.encoder.parameters()),
    )  # fmt: skip
    metrics: dict[str, Any] = {"images": state.images, "garments": len(garments), "seed": plan.seed}
    inverter = Inverter(state.encoder, model.version)
    inverter.save(out, width=plan.width, card=card, metrics=metrics)
    if found.held_out.any():
        metrics |= evaluate_inversion(
            inverter, model, materials.real_set(found, features, found.held_out), seed=plan.seed
        )
        inverter.save(out, width=plan.width, card=card, metrics=metrics)
    return metrics | {"inverter": inverter.version}


def drawable(found: materials.Garments, model: GarmentModel) -> materials.Garments:
    """Those of categories that the generator draws. Raises BadInput where there are none."""
    rows = np.flatnonzero([CATEGORIES[code] in model.categories for code in found.categories])
    if not len(rows):
        raise BadInput("catalogue", f"holds none of what the generator draws: {', '.join(model.categories)}")
    return materials.Garments(
        [found.items[row] for row in rows], found.rgba[rows], found.categories[rows], found.held_out[rows]
    )
