"""`persona generate --catalogue`: a zip of garments that nobody asked for in particular, importable, and labelled."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from persona.catalog.colour import colour_name, garment_lab
from persona.catalog.pictures import encode
from persona.catalog.visual import VisualNetwork
from persona.cli.materials import category_chances
from persona.errors import BadInput
from persona.gan import GarmentModel, sample
from persona.settings import Settings

# how many of each category for one of the others: what outfits are made of, more often
SHARES = {
    "t-shirt": 3,
    "pants": 3,
    "shoes": 3,
    "dress": 3,
    "longsleeve": 2,
    "shirt": 2,
    "outwear": 2,
    "shorts": 2,
    "skirt": 2,
}
TRIES = 6  # garments drawn for each that is kept
SPREAD = 1.0  # of the prior: catalogues want all of it, not its middle
_CLEAR = 0.5  # chance, as a network trained on real garments sees it, above which one passes for its category
_MOMENT = (2025, 1, 1, 0, 0, 0)  # in the zip, so that the same seed gives the same file
COLUMNS = ("file", "id", "category", "licence", "source", "generated")


def make_catalogue(settings: Settings, count: int, out: Path, seed: int) -> None:
    """Draw garments from the generator's prior and write them to a zip that `persona import items` reads.

    Of each category several times as many are drawn as are kept: first those that a network trained on real garments
    takes for what they should be, and of these the colours in turn, since clothes of every colour are asked for.
    """
    if out.suffix.lower() != ".zip":
        raise BadInput("--out", f"{out}: a catalogue is a zip; name it such as items.zip")
    model = GarmentModel.load(settings.models / "garment-64")
    network = VisualNetwork.load(settings.models / "visual-64")
    source = f"made by persona's generator {model.version}, seed {seed}"
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(COLUMNS)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".tmp")
    with zipfile.ZipFile(temporary, "w") as archive, tqdm(total=count, desc="drawing", unit="garment") as shown:
        for number, (category, rgba) in enumerate(_garments(model, network, count, seed)):
            name = f"generated-{number:04d}"
            archive.writestr(zipfile.ZipInfo(f"{name}.webp", _MOMENT), encode(rgba))
            rows.writerow((f"{name}.webp", name, category, "Apache-2.0", source, "yes"))
            shown.update()
        archive.writestr(zipfile.ZipInfo("items.csv", _MOMENT), table.getvalue())
    os.replace(temporary, out)
    click.echo(f"{count:,} garments in {out}; take them in with: persona import items {out}")


def _garments(
    model: GarmentModel, network: VisualNetwork, count: int, seed: int
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Kept garments, premultiplied uint8 (s, s, 4), with their category; category by category."""
    for category, wanted in _numbers(model.categories, count).items():
        code, drawn = model.categories.index(category), wanted * TRIES
        first = seed * 1_000_003 + code * 10_007
        conditions = model.prior.sample(code, drawn, first, SPREAD)
        pictures = sample(model, conditions, [category] * drawn, [first + number for number in range(drawn)])
        chances = category_chances(network, pictures)[:, network.categories.index(category)]
        yield from ((category, pictures[row]) for row in _chosen(chances, pictures, wanted))


def _chosen(chances: NDArray[np.float32], pictures: NDArray[np.uint8], wanted: int) -> list[int]:
    """Rows of the pictures to keep: clear ones first (all equal: no prototypes), of these each colour in turn."""
    turns: Counter[tuple[bool, str | None]] = Counter()
    keys = []
    for chance, rgba in zip(chances, pictures):
        lab = garment_lab(rgba)
        kind = (bool(chance < _CLEAR), colour_name(lab) if lab else None)
        keys.append((kind[0], turns[kind] if not kind[0] else -chance))
        turns[kind] += 1
    return sorted(range(len(keys)), key=keys.__getitem__)[:wanted]


def _numbers(categories: tuple[str, ...], count: int) -> dict[str, int]:
    """How many of each category, count in all."""
    shares = np.array([SHARES.get(category, 1) for category in categories])
    ends = np.round(np.cumsum(shares) / shares.sum() * count).astype(int)
    return dict(zip(categories, np.diff(ends, prepend=0).tolist()))
