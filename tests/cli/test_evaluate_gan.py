"""`persona evaluate gan`: what it keeps beside a model, what it refuses, and what it never lets into what ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import squeezenet1_1

from persona import modelfolder
from persona.catalog.pictures import Pictures
from persona.cli.gan_report import BEGIN, COMMAND, END, card_section, check_grid, pair_grid, record, with_figures
from persona.errors import BadInput
from persona.figures import result
from persona.gan import GarmentModel
from persona.goals import FIGURES
from persona.settings import CHECKOUT, Settings
from persona.store import Item, Rights, Store, upgrade
from tests.cli.conftest import run

CREDIT = Rights(licence="CC0-1.0", source="drawn for the test")
CATEGORIES = ("t-shirt", "pants", "skirt")


def figures(**given: Any) -> dict[str, Any]:
    """Figures of the form that `persona evaluate gan` measures."""
    controls = (
        "kernel", "kernel_floor", "retrieval_shuffled", "category_shuffled", "classification_accuracy_score_shuffled",
        "colour_de00_nearest_real", "colour_de00_shuffled", "spread_shuffled", "copy_ratio_of_copies", "win_ceiling",
        "win_shuffled", *(f"{name}_ceiling" for name in ("precision", "recall", "density", "coverage")),
    )  # fmt: skip
    return {
        **{key: 0.5 + 0.01 * number for number, key in enumerate((*FIGURES[COMMAND], *controls))},
        "category_interval": [0.61, 0.72], "win_interval": [0.8, 0.9], "held_out": 500, "trained_on": 4039,
        "by_category": {"hat": {"count": 26, "generated": 0.19, "real": 0.54, "trained_on": 126}},
        "truncation": 1.0, "seed": 0, "model": "garment-64@0123456789ab", **given,
    }  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of 320 photographed garments of three categories, with models of its own to judge, in an empty folder."""
    return _open_shop(tmp_path, models, monkeypatch, 320)


@pytest.fixture
def large_shop(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of enough garments to judge by, and the judge's network with random weights: drawn garments need no more."""
    torch.manual_seed(0)
    layers, at = {}, {3: 2, 4: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8, 12: 9}
    for name, values in squeezenet1_1(weights=None).features.state_dict().items():
        place, *part, kind = name.split(".")
        part = ["squeeze1x1" if word == "squeeze" else word for word in part]
        layer = f"fire{at[int(place)]}_{part[0]}" if part else "conv1"
        layers[f"{layer}.{kind[0]}"] = values.numpy().transpose(2, 3, 1, 0) if values.ndim == 4 else values.numpy()
    (tmp_path / "datasets" / "perceptual").mkdir(parents=True)
    np.savez(tmp_path / "datasets" / "perceptual" / "squeezenet_v1.1_features.npz", **layers)
    monkeypatch.setenv("PERSONA_DATASETS", str(tmp_path / "datasets"))
    return _open_shop(tmp_path, models, monkeypatch, 1200)


def _open_shop(place: Path, models: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> Path:
    monkeypatch.chdir(place)
    shutil.copytree(models, place / "runs")
    shutil.copytree(models / "garment-64", place / "runs" / "another")
    values = {"HOME": place / "home", "DATABASE_URL": "", "MODELS": "runs", "SEED": "0", "THREADS": "1"}
    for name, value in values.items():
        monkeypatch.setenv(f"PERSONA_{name}", str(value))
    settings = Settings()
    upgrade(settings.url)
    pictures, rng = Pictures(settings.pictures), np.random.default_rng(0)
    with Store.open(settings.url) as store:
        store.put_items([item(number, pictures.put(garment(rng, number % 3))) for number in range(count)])
    return place


def item(number: int, picture: str) -> Item:
    category: Any = CATEGORIES[number % 3]
    return Item(
        id=f"item-{number}", category=category, colour="red", picture=picture, owner=f"o{number // 4}", rights=CREDIT
    )


def garment(rng: np.random.Generator, code: int) -> np.ndarray[Any, Any]:
    """A rectangle as wide as its category, of a colour of its own: premultiplied (128, 128, 4)."""
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[20:108, 44 - 12 * code : 84 + 12 * code] = (*rng.integers(20, 235, 3), 255)
    noise = rng.integers(-15, 15, (128, 128, 1))
    rgba[..., :3] = np.clip(rgba[..., :3] + noise, 0, 255) * (rgba[..., 3:] > 0)
    return rgba


def folder_of(count: int, place: Path) -> Path:
    """A catalogue to import: transparent pictures in folders named after their category."""
    rng = np.random.default_rng(1)
    for number in range(count):
        file = place / CATEGORIES[number % 3] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(garment(rng, number % 3)).save(file)
    return place


def test_a_card_gets_its_figures_between_its_markers() -> None:
    measured = result(COMMAND, figures())
    card = with_figures("# garment-64: a garment\n\nWords.\n", measured)
    assert card.startswith("# garment-64: a garment\n\nWords.\n\n## Figures\n")
    again = with_figures(card.replace("## Figures", "## What was measured") + "\nLimits.\n", result(COMMAND, figures()))
    assert again.count(BEGIN) == again.count(END) == 1
    assert "## What was measured" in again
    assert again.endswith("\nLimits.\n")
    assert "| hat | 26 | 0.19 | 0.54 | 126 |" in again
    assert "(0.61 to 0.72)" in again
    newer = with_figures(again, result(COMMAND, figures(coverage=0.123)))
    assert "| coverage | 0.123 |" in newer
    assert "| coverage | 0.123 |" not in again
    with pytest.raises(ValueError, match="after it"):
        with_figures(f"{END} words {BEGIN}", measured)


def test_recording_keeps_what_training_wrote_and_the_version(shop: Path) -> None:
    folder = shop / "runs" / "another"
    model, before = GarmentModel.load(folder), {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "metrics.json").write_text(json.dumps({"images": 7, "coverage": 0.1}))  # as both were mixed once
    for _ in range(2):
        record(result(COMMAND, figures(model=model.version)), model, folder)
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["training"] == {"images": 7}
        assert metrics["evaluation"]["by_category"]["hat"]["count"] == 26
    assert modelfolder.read(folder, "gan").name == model.version
    assert (folder / "model.safetensors").read_bytes() == before["model.safetensors"]
    assert (folder / "config.json").read_bytes() == before["config.json"]
    assert {path.name for path in folder.iterdir()} == {*before, "samples.webp"}
    with Image.open(folder / "samples.webp") as grid:
        assert grid.format == "WEBP"
        assert grid.size == (12 * 96, 8 * 96)
    first = (folder / "samples.webp").read_bytes()
    record(result(COMMAND, figures(model=model.version)), model, folder)
    assert (folder / "samples.webp").read_bytes() == first  # of one seed, not chosen


def test_a_damaged_card_or_metrics_file_is_named_and_kept(shop: Path) -> None:
    folder = shop / "runs" / "another"
    model, card = GarmentModel.load(folder), (folder / "README.md").read_text()
    (folder / "metrics.json").write_text("{")
    with pytest.raises(BadInput, match=r"another: its metrics.json or README.md is damaged"):
        record(result(COMMAND, figures()), model, folder)
    assert (folder / "metrics.json").read_text() == "{"
    assert (folder / "README.md").read_text() == card


@pytest.mark.parametrize("file", ["data/models/garment-64/real.png", "data/x.webp", "persona/../data/y.png"])
def test_real_garments_do_not_get_into_what_ships(file: str) -> None:
    with pytest.raises(BadInput, match=r"--grid: .* lies in what ships"):
        check_grid(CHECKOUT / file)


def test_a_link_into_what_ships_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(CHECKOUT / "data")
    with pytest.raises(BadInput, match="lies in what ships"):
        check_grid(tmp_path / "elsewhere" / "grid.png")
    with pytest.raises(BadInput, match=r"--grid: grid\.txt: name a \.png, \.webp or \.jpg"):
        check_grid(tmp_path / "grid.txt")


def test_the_grid_holds_real_above_generated_for_the_same_conditions() -> None:
    """Real ones red, generated ones blue; the green level tells which garment it is."""
    real, made = np.zeros((120, 32, 32, 4), np.uint8), np.zeros((120, 32, 32, 4), np.uint8)
    for pictures, channel in ((real, 0), (made, 2)):
        pictures[..., 1], pictures[..., channel], pictures[..., 3] = np.arange(120)[:, None, None], 255, 255
    shown = pair_grid(real, made).reshape(8, 96, 12, 96, 3)[:, 48, :, 48]
    above, below = shown[::2], shown[1::2]
    assert (above[..., 0] == 255).all()
    assert (below[..., 2] == 255).all()
    assert (above[..., 1] == below[..., 1]).all()
    assert len(np.unique(above[..., 1])) == 48


def test_models_and_files_that_cannot_be_used_are_named(shop: Path) -> None:
    """None of them gets as far as judging, and nothing changes."""
    (shop / "broken.zip").write_bytes(b"PK nothing")
    config = (shop / "runs" / "another" / "config.json").read_text()
    (shop / "runs" / "another" / "config.json").write_text(config.replace("visual-64@", "visual-64@0"))
    few = folder_of(3, shop / "few")
    (few / "skirt" / "9.png").write_bytes((few / "skirt" / "2.png").read_bytes()[:200])
    for arguments, message in (
        (("--model", "nonesuch"), "nonesuch/model.safetensors: no such model file"),
        (("--model", "visual-64"), "holds a model of kind 'visual', wanted 'gan'"),
        (("--model", "another"), "its conditions are of visual-64@0"),
        (("--grid", str(CHECKOUT / "data" / "grid.png")), "--grid: "),
        (("--real", str(shop / "broken.zip")), "broken.zip"),
        (("--real", str(few)), "--real: few has 3 garments that can be used; 1 skipped, the first skirt/9.png"),
        ((), "catalogue: 36 held-out garments, wanted 120"),
    ):
        failed = run("evaluate", "gan", *arguments)
        assert (failed.exit_code, message in failed.stderr) == (2, True), (arguments, failed.output)
    assert not (CHECKOUT / "data" / "grid.png").exists()


def test_a_damaged_picture_of_the_store_is_named(shop: Path) -> None:
    settings = Settings()
    with Store.open(settings.url) as store:
        picture = str(store.get_item("item-7").picture)
    file = Pictures(settings.pictures).path(picture)
    file.write_bytes(file.read_bytes()[:100])
    failed = run("evaluate", "gan", "--no-record")
    assert failed.exit_code == 2
    assert "of item-7 is damaged" in failed.stderr
    assert "delete it and import it again" in failed.stderr


def test_shipped_cards_are_in_step_with_their_figures() -> None:
    """A generator that was trained again needs its figures again: `persona evaluate gan --model NAME`."""
    folders = [path.parent for path in (CHECKOUT / "data" / "models").glob("*/config.json")]
    for folder in folders:
        model = modelfolder.read(folder, json.loads((folder / "config.json").read_text())["kind"])
        if measured := model.metrics.get("evaluation"):
            assert measured["model"] == model.name
        if measured and folder.name.startswith("garment"):
            assert card_section(measured) in (folder / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_generator_is_judged_and_recorded_in_its_folder(large_shop: Path) -> None:
    folder, kept = large_shop / "runs" / "another", (CHECKOUT / "data" / "figures.json").read_bytes()
    version = GarmentModel.load(folder).version
    judged = run("evaluate", "gan", "--model", "another", "--grid", "runs/pairs.png", "--json")
    assert judged.exit_code == 0, judged.output
    measured = json.loads(judged.stdout.splitlines()[-1])
    assert measured.keys() >= FIGURES[COMMAND].keys()
    assert measured["model"] == version == GarmentModel.load(folder).version
    assert measured["held_out"] >= 120
    assert set(measured["by_category"]) == set(CATEGORIES)
    assert measured["category_shuffled"] < measured["category_ceiling"]
    assert "asked for" in judged.stdout
    assert json.loads((folder / "metrics.json").read_text())["evaluation"] == measured
    assert card_section(measured) in (folder / "README.md").read_text()
    with Image.open(large_shop / "runs" / "pairs.png") as pairs:
        assert pairs.size == (12 * 96, 8 * 96)
    assert (CHECKOUT / "data" / "figures.json").read_bytes() == kept  # that is for the served one
