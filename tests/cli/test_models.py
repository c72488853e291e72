"""Training and evaluation from the command line, on a small shop of drawn garments. Slow: every model is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from persona.catalog.pictures import Pictures
from persona.settings import Settings
from persona.store import Item, Rights, Store, upgrade
from persona.store.records import CATEGORIES
from tests.cli.conftest import run

GARMENTS = 160
CREDIT = Rights(licence="CC0-1.0", source="drawn for the test")


def garment(rng: np.random.Generator, code: int) -> NDArray[np.uint8]:
    """A rectangle as wide as its category, of a colour of its own: premultiplied (128, 128, 4)."""
    rgba = np.zeros((128, 128, 4), np.uint8)
    half = 12 + 3 * code
    rgba[20:108, 64 - half : 64 + half] = (*rng.integers(20, 235, 3), 255)
    noise = rng.integers(-15, 15, (128, 128, 1))
    rgba[..., :3] = np.clip(rgba[..., :3] + noise, 0, 255) * (rgba[..., 3:] > 0)
    return rgba


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of photographed garments in an empty working directory; models are trained into `runs`."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": tmp_path / "home", "DATABASE_URL": "", "DATASETS": "", "MODELS": "runs"}.items():
        monkeypatch.setenv(f"PERSONA_{name}", str(value))
    settings, rng = Settings(), np.random.default_rng(0)
    upgrade(settings.url)
    pictures = Pictures(settings.pictures)
    items = [
        Item(
            id=f"item-{number}",
            category=CATEGORIES[number % 8],  # type: ignore[arg-type]
            colour="red",
            picture=pictures.put(garment(rng, number % 8)),
            owner=f"owner-{number // 4}",
            rights=CREDIT,
        )
        for number in range(GARMENTS)
    ]
    with Store.open(settings.url) as store:
        store.put_items(items)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_shop_trains_its_own_models_and_serves_with_them(shop: Path) -> None:
    visual = run("train", "visual", "--epochs", "2", "--out", "runs/visual-64")
    assert visual.exit_code == 0, visual.output
    taste = run("train", "taste", "--simulated", "60", "--steps", "5", "--out", "runs/taste-garment")
    assert taste.exit_code == 0, taste.output
    looks = ("--domain", "look", "--simulated", "60", "--steps", "5")
    over_looks = run("train", "taste", *looks)
    assert over_looks.exit_code == 0, over_looks.output
    assert "Taste over looks" in (shop / "runs" / "taste-look" / "README.md").read_text()
    gan = ("train", "gan", "--size", "32", "--images", "1000", "--out", "runs/garment-64")
    assert run(*gan).exit_code == 0
    again = run(*gan)  # finished: nothing is left to do
    assert re.search(r"images +1024", again.stdout)
    for name in ("visual-64", "taste-garment", "garment-64"):
        assert (shop / "runs" / name / "model.safetensors").exists()
        assert "drawn for the test" in (shop / "runs" / name / "README.md").read_text() or name == "taste-garment"
    made = run("generate", "--category", "t-shirt", "--count", "1", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout.splitlines()[-1])["generated"][0]["category"] == "t-shirt"
    judged = run("evaluate", "taste", "--data", "simulated", "--users", "20", "--no-record", "--json")
    assert judged.exit_code == 0, judged.output
    assert "deletion_win" in json.loads(judged.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", [("visual",), ("taste",), ("gan", "--size", "32", "--images", "1000")])
def test_training_says_what_it_lacks(command: tuple[str, ...], shop: Path) -> None:
    with Store.open(Settings().url) as store:
        store.put_items([item.model_copy(update={"active": False}) for item in store.items()[10:]])
    result = run("train", *command)
    assert result.exit_code == 2
    assert re.search(r"wanted at least 64: run `persona import clothing`|no such model file", result.stderr)


def test_the_generator_is_not_judged_without_held_out_garments(
    shop: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_MODELS", str(models))
    result = run("evaluate", "gan", "--no-record")
    assert result.exit_code == 2
    assert re.search(r"catalogue: \d+ held-out garments, wanted 120: import more", result.stderr)
