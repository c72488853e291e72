"""`persona train taste`: the embedding model for the store's catalogue, with TensorBoard's files beside the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from persona.cli.materials import garments
from persona.settings import Settings
from persona.store import Store
from persona.taste.fit import train_from_store
from persona.taste.model import TasteModel
from persona.taste.train import TrainSettings
from persona.taste.visual import VisualNetwork


def run(
    settings: Settings, out: Path, *, simulated: int, steps: int, keep_ids: bool, start: Path | None = None
) -> dict[str, Any]:
    """Train, or go on with the run in the same folder; write the model folder and return its metrics.

    start: folder of a model to go on from.
    """
    table = garments(settings, real=False).table(VisualNetwork.load(settings.models / "visual-64"))
    with Store.open(settings.url) as store, SummaryWriter(str(out)) as board:

        def log(step: int, figures: dict[str, float]) -> None:
            for name, value in figures.items():
                board.add_scalar(name, value, step)

        recipe = TrainSettings(steps=steps, seed=settings.seed)
        return train_from_store(
            store, table, out, settings=recipe, simulated=simulated, keep_ids=keep_ids, run=out, log=log,
            start=TasteModel.load(start) if start else None, device=settings.torch_device,
        )  # fmt: skip
