"""What models are trained on and measured with: the garments of the store that the settings name, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from persona.catalog.importing import import_items
from persona.catalog.pictures import Pictures
from persona.catalog.split import held_out
from persona.catalog.visual import VisualNetwork
from persona.cli.threads import set_threads
from persona.errors import BadInput
from persona.gan import data
from persona.gan.judge import RealSet
from persona.settings import Settings
from persona.store import Store, upgrade
from persona.store.records import CATEGORIES, Item
from persona.taste.table import ItemTable

FEWEST = 64  # garments; fewer teach nothing


@dataclass(frozen=True)
class Garments:
    """n garments: items, rgba uint8 (n, side, side, 4) premultiplied, category codes (n,), held_out bool (n,)."""

    items: list[Item]
    rgba: NDArray[np.uint8]
    categories: NDArray[np.int64]
    held_out: NDArray[np.bool_]

    def table(self, network: VisualNetwork) -> ItemTable:
        """As the taste model reads them."""
        return ItemTable.of(self.items, network.features(self.rgba), feature_version=network.version)


def garments(settings: Settings, side: int = 64, *, real: bool = True) -> Garments:
    """The active garments that were cut out well; real: only photographed ones.

    Raises BadInput where there are too few, saying how to import more.
    """
    set_threads(settings)
    store, pictures = Store.open(settings.url), Pictures(settings.pictures)
    items = [item for item in store.items() if item.picture and not item.cutout_failed]
    items = [item for item in items if not (real and item.rights.generated)]
    if len(items) < FEWEST:
        kind = "photographed garments" if real else "garments"
        raise BadInput(
            "catalogue",
            f"holds {len(items)} {kind}, wanted at least {FEWEST}: run `persona import clothing` (from "
            "github.com/alexeygrigorev/clothing-dataset) or `persona import items`",
        )
    shown = tqdm(items, desc="reading pictures", unit="picture", leave=False)
    rgba = np.stack([_resize(_read(pictures, item), side) for item in shown])
    codes = np.array([CATEGORIES.index(item.category) for item in items], np.int64)
    return Garments(items, rgba, codes, held_out([item.owner for item in items]))


def imported(source: Path, home: Path, *, field: str, fewest: int = FEWEST) -> Settings:
    """Import a catalogue (see `persona import items`) into a store of its own in home; the settings that lead to it.

    What an interrupted import finished is kept in home. Raises BadInput, naming field, where too few can be used.
    """
    settings = Settings(home=home, database_url=None)
    home.mkdir(parents=True, exist_ok=True)
    upgrade(settings.url)
    with Store.open(settings.url) as store:
        report = import_items(store, Pictures(settings.pictures), source)
    lost = {"skipped": report.skipped, "with their background left on": report.failed_cutouts}
    usable = report.read - sum(map(len, lost.values()))
    if usable < fewest:
        why = "".join(f"; {len(rows)} {how}, the first {rows[0]}" for how, rows in lost.items() if rows)
        raise BadInput(field, f"{source.name} has {usable} garments that can be used{why}; wanted {fewest}")
    return settings


def real_set(found: Garments, features: NDArray[np.float32], rows: NDArray[np.bool_]) -> RealSet:
    """Some of the garments as the judge sees them, with their content vectors as conditions (of all: (n, 64))."""
    return RealSet(found.rgba[rows], features[rows], [CATEGORIES[code] for code in found.categories[rows]])


def training_set(
    found: Garments, features: NDArray[np.float32], network: VisualNetwork, names: tuple[str, ...], size: int
) -> data.Garments:
    """Those that are trained on, with the conditions of their mirror images too; codes are places in names."""
    seen = ~found.held_out
    mirrored = network.features(np.ascontiguousarray(found.rgba[seen][:, :, ::-1]))
    codes = np.array([names.index(CATEGORIES[code]) for code in found.categories[seen]], np.int64)
    return data.Garments(found.rgba[seen], features[seen], mirrored, codes, names, size)


def origins(items: Sequence[Item], most: int = 5) -> tuple[str, str]:
    """Where pictures are from and their licences, in words for a model card."""
    sources, licences = {item.rights.source for item in items}, {item.rights.licence for item in items}
    return ", ".join(sorted(sources)[:most]), ", ".join(sorted(licences)[:most])


@torch.no_grad()
def category_chances(network: VisualNetwork, rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How sure the network is of each of its categories, float32 (n, categories); a row adds up to 1."""
    content = torch.from_numpy(network.features(rgba))
    return np.asarray(network.category_head(content * network.deviation + network.mean).softmax(1).numpy(), np.float32)


def _read(pictures: Pictures, item: Item) -> NDArray[np.uint8]:
    try:
        return pictures.get(str(item.picture))
    except (OSError, SyntaxError, ValueError) as error:  # what the decoder raises for a broken file
        file = pictures.path(str(item.picture))
        raise BadInput("picture", f"{file} of {item.id} is damaged ({error}); delete it and import it again") from error


def _resize(rgba: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    how = cv2.INTER_AREA if rgba.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(rgba if rgba.shape[0] == side else cv2.resize(rgba, (side, side), interpolation=how), np.uint8)
