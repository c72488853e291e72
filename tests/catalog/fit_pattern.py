"""Fit the pattern measure to the labels given by eye, and write `persona/catalog/pattern_weights.py`.

    PERSONA_DATASETS=../shared/data python -m tests.catalog.fit_pattern

`pattern_labels.csv` holds what a person said on looking at the cut-outs: 836 garments drawn at random ("random") and
384 picked for looking striped or checked ("targeted"); 43 of them could not be told ("unsure") and count nowhere.
Whoever looked went by this: stripes and bands of any direction are striped; crossing ones, gingham and tartan are
checked; pictures, words, dots, flowers, camouflage, lace and knitted figures are printed; one colour, blocks of
colour, mottled yarn, washed denim, quilting and ribs are plain, and so is a garment with no more than a small badge.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from persona.catalog.cutout import cut_out
from persona.catalog.pattern import measures
from persona.catalog.pictures import decode_photo
from persona.settings import load_settings
from persona.store.records import Pattern

PENALTY = 3e-3
LABELS = Path(__file__).parent / "pattern_labels.csv"
TARGET = Path(__file__).parents[2] / "persona" / "catalog" / "pattern_weights.py"


class Label(NamedTuple):
    file: str
    label: str
    sample: str

    @property
    def fitted(self) -> bool:
        """The half that the measure is fitted to; the other half judges it."""
        return int(self.file[0], 16) % 2 == 0


def labels(path: Path = LABELS) -> list[Label]:
    with path.open(newline="") as file:
        rows = [Label(**row) for row in csv.DictReader(file)]
    return [row for row in rows if row.label != "unsure"]


def photos(archive: Path, files: list[str]) -> Iterator[bytes]:
    with zipfile.ZipFile(archive) as opened:
        for file in files:
            yield opened.read(f"images/{file}.webp")


def measured(photo: bytes) -> dict[str, float]:
    cv2.setNumThreads(1)
    return measures(cut_out(decode_photo(photo)).rgba) or {}


def fit(values: NDArray[np.float64], words: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multinomial logistic regression on standardised values, (n, f): weights (f, 4) and bias (4,)."""
    x, y = torch.tensor(values), torch.tensor([get_args(Pattern).index(w) for w in words])
    weights = torch.zeros(x.shape[1], 4, dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(4, dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=1000, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(x @ weights + bias, y) + PENALTY * (weights**2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach().numpy(), bias.detach().numpy()


def main() -> None:
    chosen = [row for row in labels() if row.fitted]
    datasets = load_settings().datasets
    assert datasets is not None, "set PERSONA_DATASETS to the folder that holds clothing.zip"
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(measured, photos(datasets / "clothing.zip", [row.file for row in chosen]), chunksize=16))
    kept = [k for k, one in enumerate(found) if one]
    values = np.array([list(found[k].values()) for k in kept])
    mean, spread = values.mean(0), values.std(0) + 1e-6
    weights, bias = fit((values - mean) / spread, [chosen[k].label for k in kept])
    names = list(found[kept[0]])
    lines = [
        f'    "{name}": ({", ".join(f"{v:.4g}" for v in (mean[k], spread[k], *weights[k]))}),'
        for k, name in enumerate(names)
    ]
    TARGET.write_text(
        '"""What `tests/catalog/fit_pattern.py` found; that file says from which labels. Not edited by hand."""\n\n'
        f"# measure: mean, standard deviation, then weights towards {', '.join(get_args(Pattern))}\n"
        f"BIAS = ({', '.join(f'{v:.4g}' for v in bias)})\n"
        "# fmt: off\nWEIGHTS: dict[str, tuple[float, float, float, float, float, float]] = {\n"
        + "\n".join(lines)
        + "\n}\n# fmt: on\n"
    )


if __name__ == "__main__":
    main()
