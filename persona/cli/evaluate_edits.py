"""`persona evaluate edits` and `persona evaluate inverter`: the shipped models, on the store's held-out garments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.catalog.visual import VisualNetwork
from persona.cli import materials
from persona.cli.evaluate_gan import load_perceptual
from persona.cli.train_edits import drawable
from persona.errors import BadInput
from persona.gan import GarmentModel
from persona.gan.evaluate_edits import evaluate_edits, evaluate_inversion
from persona.gan.invert import Inverter
from persona.gan.judge import Judge
from persona.settings import Settings


def edits(settings: Settings, garments: int) -> dict[str, Any]:
    """The figures of `persona evaluate edits`."""
    model, found, content = _real(settings)
    judge = Judge(load_perceptual(settings), materials.real_set(found, content, ~found.held_out))
    return evaluate_edits(model, materials.real_set(found, content, found.held_out), judge, garments, settings.seed)


def inversion(settings: Settings, garments: int) -> dict[str, Any]:
    """The figures of `persona evaluate inverter`."""
    inverter = Inverter.load(settings.models / "inverter-64", settings.torch_device)
    model, found, content = _real(settings)
    inverter.check(model)
    return evaluate_inversion(
        inverter, model, materials.real_set(found, content, found.held_out), garments, settings.seed
    )


def _real(settings: Settings) -> tuple[GarmentModel, materials.Garments, NDArray[np.float32]]:
    """The generator, garments that it draws, and their content vectors. Raises BadInput where none were held out."""
    model = GarmentModel.load(settings.models / "garment-64", settings.torch_device)
    found = drawable(materials.garments(settings, side=model.size), model)
    if not found.held_out.any():
        raise BadInput("catalogue", "holds no garments of held-out owners: import more (`persona import clothing`)")
    return model, found, VisualNetwork.load(settings.models / "visual-64").features(found.rgba)
