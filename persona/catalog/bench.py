"""How fast pictures are imported: the whole way from photos to rows and files, in a store made for it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.importing import CLOTHING, import_items
from persona.catalog.pictures import Pictures
from persona.catalog.rows import Defaults
from persona.store import Store, upgrade
from persona.store.records import CATEGORIES
from persona.workers import cores

_CLOTHS = ((200, 60, 50), (40, 60, 120), (235, 235, 230), (60, 120, 70), (30, 30, 32), (220, 190, 90))


def bench_import(
    pictures: int = 100, *, source: Path | None = None, workers: int | None = None, seed: int = 0, progress: bool = True
) -> dict[str, object]:
    """Import photos with cut-out, measures and rows, and return pictures_per_s with what it was measured on.

    source: a folder, zip or table as for `import_items`, of which the first `pictures` are taken; None: photos that
    this function draws (768 x 1,024 JPEG). The time counts everything, the start of the worker processes too.
    """
    with tempfile.TemporaryDirectory(prefix="persona-bench-") as folder:
        home = Path(folder)
        photos = source if source is not None else draw_photos(home / "photos", pictures, seed)
        url = f"sqlite:///{home / 'bench.db'}"
        upgrade(url)
        # of the clothing data set's table one column is read past; it hurts no other one
        defaults = Defaults(ignored=CLOTHING.ignored, category="t-shirt")
        with Store.open(url) as store:
            start = time.perf_counter()
            report = import_items(
                store, Pictures(home / "pictures"), photos,
                defaults=defaults, workers=workers, progress=progress, limit=pictures,
            )  # fmt: skip
            seconds = time.perf_counter() - start
    return {
        "pictures_per_s": round(report.added / seconds, 2),
        "pictures": report.added,
        "seconds": round(seconds, 2),
        "photos": "drawn, 768 x 1024" if source is None else source.name,
        "workers": workers or cores(),
        "cutouts_failed": len(report.failed_cutouts),
        "skipped": len(report.skipped),
    }


def draw_photos(folder: Path, count: int, seed: int = 0, size: tuple[int, int] = (768, 1024)) -> Path:
    """Photos that look, to a program, like garments on a floor, in folders named after categories. Returns folder."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        category = CATEGORIES[k % len(CATEGORIES)]
        (folder / category).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / category / f"{k:05}.jpg"), _photo(rng, size)[..., ::-1])
    return folder


def _photo(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size
    floor = rng.uniform(120, 210, 3) + rng.normal(0, 12, (height // 16, width // 16, 3))
    photo: NDArray[np.float64] = np.asarray(cv2.resize(floor, (width, height), interpolation=cv2.INTER_CUBIC))
    cloth = np.array(_CLOTHS[rng.integers(len(_CLOTHS))]) + rng.normal(0, 6, (height // 32, width // 32, 1))
    if rng.random() < 0.4:
        cloth[:: int(rng.integers(2, 5))] *= 0.6
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [(_outline(rng) * (width, height)).astype(np.int32)], (255,))
    soft = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None] / 255
    photo = photo * (1 - soft) + cv2.resize(cloth, (width, height), interpolation=cv2.INTER_LINEAR) * soft
    return np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


def _outline(rng: np.random.Generator) -> NDArray[np.float64]:
    """A shirt's, as shares of width and height, each corner moved a little."""
    right = np.array([(0.58, 0.2), (0.7, 0.24), (0.86, 0.42), (0.76, 0.5), (0.68, 0.42), (0.7, 0.82)])
    left = (right * (-1, 1) + (1, 0))[::-1]
    return np.vstack([right, left]) + rng.normal(0, 0.015, (12, 2))
