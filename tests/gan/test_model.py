"""A generator as its user sees it: pictures from conditions, categories and seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from persona.errors import BadInput, NotFound, OutOfDate
from persona.gan import GarmentModel, Prior, condition_digest, sample
from persona.gan.networks import Discriminator, Generator
from persona.gan.run import prior_grid, tile

from .small import NAMES, shapes


@pytest.fixture(scope="module")
def model() -> GarmentModel:
    torch.manual_seed(0)
    _, conditions, codes = shapes()
    return GarmentModel(
        Generator(64, len(NAMES), width=0.1), Prior.fit(conditions, codes, len(NAMES)), NAMES, "visual@0"
    )


@pytest.mark.parametrize("size", [32, 64, 128])
def test_networks_agree_on_sizes(size: int) -> None:
    z, condition, category = torch.randn(2, 64), torch.randn(2, 64), torch.tensor([0, 2])
    pictures = Generator(size, 3, width=0.1)(z, condition, category)
    assert pictures.shape == (2, 4, size, size)
    assert Discriminator(size, 3, width=0.1)(pictures, condition, category).shape == (2,)


def test_pictures_are_premultiplied_and_in_range(model: GarmentModel) -> None:
    pictures = sample(model, np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32), ["disc"] * 5, range(5))
    assert pictures.shape == (5, 64, 64, 4)
    assert pictures.dtype == np.uint8
    assert (pictures[..., :3].max(-1).astype(int) <= pictures[..., 3].astype(int) + 1).all()


def test_a_picture_depends_on_its_own_seed_alone(model: GarmentModel) -> None:
    conditions = np.random.default_rng(1).normal(size=(21, 64)).astype(np.float32)
    names, seeds = [NAMES[i % 3] for i in range(21)], [10 * i for i in range(21)]
    together = sample(model, conditions, names, seeds)
    for i in (0, 7, 20):
        alone = sample(model, conditions[i : i + 1], names[i : i + 1], seeds[i : i + 1])[0]
        assert np.abs(alone.astype(int) - together[i]).max() <= 1  # a batch may round a level otherwise
    assert not np.array_equal(together[0], sample(model, conditions[:1], names[:1], [11])[0])


def test_a_folder_gives_the_same_pictures_back(model: GarmentModel, tmp_path: Path) -> None:
    model.save(tmp_path / "garment", width=0.1, card="A card.", metrics={"retrieval_top1": 0.5})
    loaded = GarmentModel.load(tmp_path / "garment")
    again = GarmentModel.load(tmp_path / "garment")
    condition = model.prior.sample(1, 2, seed=3)
    first, second = (sample(m, condition, ["disc", "bar"], [1, 2]) for m in (loaded, again))
    assert np.array_equal(first, second)
    assert np.abs(first.astype(int) - sample(model, condition, ["disc", "bar"], [1, 2])).max() <= 2  # stored as float16
    assert loaded.version == again.version == model.version
    assert loaded.visual == "visual@0"


def test_folders_that_cannot_be_read(model: GarmentModel, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such model file"):
        GarmentModel.load(tmp_path / "nowhere")
    folder = tmp_path / "garment"
    model.save(folder, width=0.1, card="A card.", metrics={})
    config, weights = (folder / "config.json").read_text(), (folder / "model.safetensors").read_bytes()
    (folder / "config.json").write_text(config.replace('"format": 1', '"format": 0'))
    with pytest.raises(OutOfDate, match="model format 0"):
        GarmentModel.load(folder)
    (folder / "config.json").write_text(config.replace('"gan"', '"taste"'))
    with pytest.raises(BadInput, match="kind 'taste'"):
        GarmentModel.load(folder)
    (folder / "config.json").write_text(config.replace('"width": 0.1', '"width": 0.2'))
    with pytest.raises(OutOfDate, match="do not fit"):
        GarmentModel.load(folder)
    (folder / "config.json").write_text(config)
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(BadInput, match="damaged model folder"):
        GarmentModel.load(folder)


@pytest.mark.parametrize(
    ("conditions", "category", "message"),
    [
        (np.full((1, 64), np.nan, np.float32), "disc", "conditions"),
        (np.zeros((1, 63), np.float32), "disc", "conditions"),
        (np.zeros((1, 64), np.float32), "kilt", "'kilt' is unknown: choose from square"),
    ],
)
def test_bad_input_is_named(model: GarmentModel, conditions: np.ndarray, category: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        sample(model, conditions, [category], [0])


def test_nothing_asked_nothing_made(model: GarmentModel) -> None:
    assert sample(model, np.zeros((0, 64), np.float32), [], []).shape == (0, 64, 64, 4)


def test_the_prior_is_the_categorys_own() -> None:
    _, conditions, codes = shapes(2000)
    conditions[codes == 2] += 1.5
    prior = Prior.fit(conditions, codes, 3)
    drawn = prior.sample(2, 4000, seed=0, spread=1.0)
    own = conditions[codes == 2]
    assert np.abs(drawn.mean(0) - own.mean(0)).max() < 0.1
    assert np.abs(np.cov(drawn.T) - np.cov(own.T)).max() < 0.15
    assert np.array_equal(drawn, prior.sample(2, 4000, seed=0, spread=1.0))


def test_digest_tells_conditions_and_categories_apart() -> None:
    one, other = np.zeros(64, np.float32), np.ones(64, np.float32)
    digests = {condition_digest(one, "top"), condition_digest(other, "top"), condition_digest(one, "body")}
    assert len(digests) == 3
    assert condition_digest(one, "top") in digests


def test_grids_show_every_category(model: GarmentModel, tmp_path: Path) -> None:
    grid = prior_grid(model, side=32)
    assert grid.shape == (8 * 32, 12 * 32, 3)
    Image.fromarray(grid).save(tmp_path / "grid.png")
    with pytest.raises(ValueError, match="multiple"):
        tile(np.zeros((5, 8, 8, 4), np.uint8), 2, 8)
