"""The same wish gives the same garment, whatever it is drawn with, on one thread or two; erasure reaches the disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.catalog.visual import VisualNetwork
from persona.gan import GarmentModel
from persona.gan.model import Code
from persona.recommend.drawing import Drawer, Wanted
from persona.settings import Settings

from .test_shelf import assert_same

SHIPPED = Path(__file__).parents[2] / "data" / "models"
COUNT = 24


def codes_of(model: GarmentModel) -> list[Code]:
    kinds = [n % len(model.categories) for n in range(COUNT)]
    conditions = np.concatenate([model.prior.sample(kind, 1, n) for n, kind in enumerate(kinds)])
    code = Code.of(conditions, [model.categories[kind] for kind in kinds], range(COUNT))
    return [code[n : n + 1] for n in range(COUNT)]


@pytest.fixture(scope="module")
def models() -> tuple[GarmentModel, VisualNetwork]:
    return GarmentModel.load(SHIPPED / "garment-64"), VisualNetwork.load(SHIPPED / "visual-64")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_bits_depend_on_nothing_else(models: tuple[GarmentModel, VisualNetwork], threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    codes, rng = codes_of(models[0]), np.random.default_rng(threads)
    drawer = Drawer(*models, Settings(batch_most=8, batch_wait_ms=1, queue_most=100))
    try:
        alone = [drawer.draw([Wanted(code)])[0] for code in codes]
        for count in (2, 3, 5, 8, 13, 24):
            rows = rng.permutation(COUNT)[:count].tolist()
            for row, picture in zip(rows, drawer.draw([Wanted(codes[row]) for row in rows])):
                assert_same(picture, alone[row])
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda row: drawer.draw([Wanted(codes[row])])[0], range(COUNT)))
        for one, other in zip(together, alone):
            assert_same(one, other)
    finally:
        drawer.close()
        torch.set_num_threads(before)


def test_passes_are_small_only_where_that_changes_nothing(models: tuple[GarmentModel, VisualNetwork]) -> None:
    assert Drawer(*models, Settings(batch_most=3)).sizes == (3,)
    sizes = Drawer(*models, Settings(batch_most=8)).sizes
    assert sizes in ((8,), (4, 8))
