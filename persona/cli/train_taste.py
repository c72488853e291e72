"""`persona train taste`: the embedding model for the store's garments or for looks, with TensorBoard's files beside the
log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from persona.catalog.visual import VisualNetwork
from persona.cli.materials import garments
from persona.makeup.tastes import SIMULATOR, card, corpus_items, look_table
from persona.settings import Settings
from persona.store import Store
from persona.store.records import Domain
from persona.taste.fit import train_from_store
from persona.taste.model import TasteModel
from persona.taste.private import Budget
from persona.taste.table import ItemTable
from persona.taste.train import TrainSettings

VARIATIONS = 1200  # of the named looks, that a taste over looks is learnt on beside them


def run(
    settings: Settings, out: Path, *, simulated: int, steps: int, keep_ids: bool, start: Path | None = None,
    domain: Domain = "garment", budget: Budget | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train, or go on with the run in the same folder; write the model folder and return its metrics.

    start: folder of a model to go on from. domain: of looks, the stored ones and variations of the named ones.
    budget: of the stored users' privacy.
    """
    how: dict[str, Any]
    if domain == "look":
        table, how = _looks(settings), {"simulator": SIMULATOR, "card_of": card}
    else:
        table, how = garments(settings, real=False).table(VisualNetwork.load(settings.models / "visual-64")), {}
    with Store.open(settings.url) as store, SummaryWriter(str(out)) as board:

        def log(step: int, figures: dict[str, float]) -> None:
            for name, value in figures.items():
                board.add_scalar(name, value, step)

        recipe = TrainSettings(steps=steps, seed=settings.seed)
        return train_from_store(
            store, table, out, settings=recipe, simulated=simulated, keep_ids=keep_ids, run=out, log=log,
            start=TasteModel.load(start) if start else None, device=settings.torch_device, budget=budget, **how,
        )  # fmt: skip


def _looks(settings: Settings) -> ItemTable:
    with Store.open(settings.url) as store:
        stored = store.looks()
    known = {item.id for item in stored}
    return look_table(stored + [item for item in corpus_items(VARIATIONS, settings.seed) if item.id not in known])
