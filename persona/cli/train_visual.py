"""`persona train visual`: the feature network, from the photographed garments of the store."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from persona.catalog.train_visual import train_visual
from persona.cli.materials import category_chances, garments, origins
from persona.settings import Settings
from persona.store.records import CATEGORIES

CARD = """# {name}: what a garment looks like, in 64 numbers

A small convolutional network ({parameters:,} parameters) that turns a cut-out garment (RGBA, 64 px) into a content
vector, standardised over the garments it was trained on. Trained with persona on {count:,} garments to tell their
category, a coarse picture of them and their texture; whole owners were held out.

- Data: {sources}. Licences: {licences}. The pictures are not part of the model.
- Category of {held:,} held-out garments: {accuracy:.1%} right, among {categories}.
- Limits: one garment, cut out, as people photograph them at home; no worn clothes, no faces.
"""


def run(settings: Settings, out: Path, epochs: int, seed: int) -> dict[str, object]:
    """Train, write the model folder and return its metrics. An interrupted run starts again: it takes minutes."""
    found = garments(settings)
    seen = ~found.held_out
    states = train_visual(found.rgba[seen], found.categories[seen], CATEGORIES, epochs=epochs, seed=seed)
    network = None
    with tqdm(states, total=epochs, desc="training", unit="epoch") as shown:
        for state in shown:
            network = state.network
            shown.set_postfix(loss=f"{state.loss:.3f}")
    assert network is not None
    guessed = category_chances(network, found.rgba[~seen]).argmax(1)
    accuracy = float((guessed == found.categories[~seen]).mean())
    metrics: dict[str, object] = {
        "held_out_category_accuracy": round(accuracy, 4),
        "garments": int(seen.sum()),
        "held_out": int((~seen).sum()),
        "epochs": epochs,
        "seed": seed,
    }
    sources, licences = origins(found.items)
    card = CARD.format(
        name=out.name,
        parameters=sum(p.numel() for p in network.parameters()),
        count=int(seen.sum()),
        held=int((~seen).sum()),
        accuracy=accuracy,
        categories=len(CATEGORIES),
        sources=sources,
        licences=licences,
    )
    network.save(out, card=card, metrics=metrics)
    return metrics
