"""`persona train style`: the decoder learns to paint styles onto garments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from persona import checkpoint
from persona.catalog.pictures import Bytes
from persona.cli.materials import garments, origins
from persona.errors import BadInput
from persona.interrupt import saved
from persona.settings import Settings
from persona.style.data import SIDE, StyleSet
from persona.style.features import open_features
from persona.style.model import StyleModel
from persona.style.train import PARTS, Plan, Trainer

CARD = """# {name}: a reference picture's style on a garment or a photo

A decoder of {parameters:,} parameters on the frozen features of {features}: adaptive instance normalisation on several
levels, between two passes of optimal transport of patches, which is in closed form. It puts the colours and textures
of any reference picture on another picture.

- Data: {garments:,} garments ({sources}; {licences}) as content and as styles, {prints} prints drawn by persona, and
  pieces of {paintings} paintings. Owners of {held:,} more garments were held out whole. No picture is in the model.
- Trained for {steps:,} steps of {batch}. Losses: content, style statistics of random filters, identity, patches that a
  discriminator takes for the style's own.
- Figures, by a network that took no part: `persona evaluate style`.
- Limits: textures rather than motifs: lettering and pictures on a shirt become blotches; a pattern tile lays a print
  as it is. Learnt on single garments, cut out; on photos of people it is used as it is. Styles
  learnt with another version have to be learnt again.
"""


def run(
    settings: Settings, out: Path, plan: Plan, paintings: Path | None, features: str, seconds: float | None = None
) -> dict[str, Any]:
    """Train, going on from out/checkpoint.pt where it is; write the model folder and return its figures.

    paintings: a folder of pictures, each a style. seconds: to train for at most, now; the model is written all the
    same, and the same command goes on. Raises BadInput as `persona.cli.materials.garments`.
    """
    found = garments(settings, SIDE)
    pictures = load_paintings(settings, paintings)
    data = StyleSet(found.rgba[~found.held_out], pictures, plan.seed)
    trainer = Trainer(
        data, open_features(features, settings.models), plan, "cuda" if torch.cuda.is_available() else "cpu"
    )
    if checkpoint.exists(out / checkpoint.NAME):
        trainer.restore(checkpoint.read_last(out / checkpoint.NAME, PARTS))
    with tqdm(total=plan.steps, initial=trainer.steps, desc="training", unit="step") as shown:
        for state in _steps(trainer, out, seconds):
            shown.set_postfix({name: f"{value:.3f}" for name, value in state.losses.items()}, refresh=False)
            shown.update(state.steps - shown.n)
    sources, licences = origins(found.items)
    metrics = {
        **asdict(plan), "steps": trainer.steps, "garments": int((~found.held_out).sum()),
        "held_out": int(found.held_out.sum()), "prints": len(data.kinds["prints"]), "paintings": len(pictures),
        "features": trainer.net.version, **{f"loss_{name}": value for name, value in trainer.losses.items()},
    }  # fmt: skip
    about = {"sources": sources, "licences": licences, "held": metrics["held_out"]}
    return metrics | {"style": save(trainer, out, metrics, about)}


def save(trainer: Trainer, out: Path, metrics: dict[str, Any], about: dict[str, Any]) -> str:
    """Write the model folder and return its version."""
    model = StyleModel(trainer.net.cpu(), trainer.averaged.cpu())
    parameters = sum(p.numel() for p in model.decoder.parameters())
    card = CARD.format(name=out.name, parameters=parameters, **(metrics | about))
    model.save(out, card=card, metrics=metrics)
    return model.version


def load_paintings(settings: Settings, folder: Path | None) -> list[Bytes]:
    """The pictures (h, w, 3) of a folder; left out, those of the data folder, if any. BadInput: no pictures."""
    shared = settings.datasets / "art" if settings.datasets else None
    source = folder or shared
    if source is None or not source.is_dir():
        if folder:
            raise BadInput("--paintings", f"{folder} is no folder of pictures")
        return []
    files = sorted(p for p in source.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if not files:
        raise BadInput("--paintings", f"{source} holds no pictures (JPEG, PNG or WebP)")
    return [np.asarray(Image.open(path).convert("RGB")) for path in files]


def _steps(trainer: Trainer, out: Path, seconds: float | None) -> Iterator[Trainer]:
    """Train, saving every so often and at the end, however it comes."""
    out.mkdir(parents=True, exist_ok=True)
    yield from saved(trainer.run(), lambda: checkpoint.write(trainer.state(), out / checkpoint.NAME), seconds)
