"""`persona train gan` on a catalogue given by name: what it prints, what it leaves, and what it cannot use."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.cli.conftest import run

Picture = Callable[[np.random.Generator], NDArray[np.uint8]]
SMALL = ("--size", "32", "--images", "1000", "--set", "width=0.05", "--set", "batch=8", "--set", "half=no")
ROOT = Path(__file__).parents[2]


def shirt(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A rectangle of any colour and size on nothing, straight alpha."""
    rgba = np.zeros((96, 96, 4), np.uint8)
    high, wide = rng.integers(18, 44, 2)
    rgba[48 - high : 48 + high, 48 - wide : 48 + wide] = (*rng.integers(20, 235, 3), 255)
    return rgba


def red(rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same red rectangle on nothing."""
    rgba = np.zeros((96, 96, 4), np.uint8)
    rgba[20:76, 30:66] = (200, 20, 30, 255)
    return rgba


def wall(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A photo of one colour all over, on which nothing can be cut out."""
    return np.full((96, 96, 3), 120, np.uint8)


def catalogue(
    folder: Path, count: int, picture: Picture = shirt, categories: tuple[str, ...] = ("t-shirt", "dress")
) -> Path:
    """A folder of pictures in folders named after their categories."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / categories[number % len(categories)] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(rng)).save(path)
    return folder


@pytest.fixture
def place(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory without a store; the shipped models."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": "home", "DATABASE_URL": "", "DATASETS": "", "MODELS": models, "THREADS": "1"}.items():
        monkeypatch.setenv(f"PERSONA_{name}", str(value))
    return tmp_path


def test_a_dry_run_prints_every_field_and_the_cost_and_writes_nothing(place: Path) -> None:
    catalogue(place / "shop", 80)
    before = sorted(place.iterdir())
    result = run("train", "gan", *SMALL, "--data", "shop", "--out", "runs/x", "--dry-run", "--set", "penalty=2:1:500")
    assert result.exit_code == 0, result.output
    said = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert said["penalty"] == "2:1:500"
    assert (said["size"], said["width"], said["half"], said["balance"]) == ("32", "0.05", "False", "0.5")
    assert 64 <= int(said["garments"]) < 80  # the rest are held out
    numbers = ("parameters_generator", "gflop_generated", "gflop_trained", "pictures_per_s", "hours", "memory_mib")
    assert all(float(said[name].replace(",", "")) > 0 for name in numbers)
    assert sorted(place.iterdir()) == before


@pytest.mark.slow
def test_one_category_alone_can_be_trained_and_a_second_time_nothing_is_left_to_do(place: Path) -> None:
    catalogue(place / "shop", 80, categories=("dress",))
    command = ("train", "gan", *SMALL, "--data", "shop", "--out", "runs/dresses")
    first = run(*command)
    assert first.exit_code == 0, first.output
    folder = place / "runs" / "dresses"
    assert re.search(r"Categories that it has seen: dress \d+\.", (folder / "README.md").read_text())
    weights = (folder / "model.safetensors").read_bytes()
    assert json.loads((folder / "metrics.json").read_text())["recipe"]["width"] == 0.05
    again = run(*command)
    assert re.search(r"images +1000", again.stdout)
    assert (folder / "model.safetensors").read_bytes() == weights
    other = run(*command, "--set", "noise=0.2")
    assert other.exit_code == 2
    assert "recipe: differs from the checkpoint's (noise 0.1 -> 0.2); use another --out" in other.stderr
    grown = run(*command[:-1], "runs/more", "--grow-from", "runs/dresses/checkpoint.pt", "--profile")
    assert grown.exit_code == 0, grown.output
    assert "aten::convolution_backward" in grown.stdout
    assert (place / "runs" / "more" / "trace.json.gz").exists()


def test_a_catalogue_of_three_pictures_is_too_small(place: Path) -> None:
    catalogue(place / "shop", 3)
    _refused(place, r"--data: shop has 3 garments that can be used; wanted 64")


def test_a_catalogue_of_one_picture_over_and_over_teaches_nothing(place: Path) -> None:
    catalogue(place / "shop", 80, red)
    _refused(place, "pictures: all the same; check the import")


def test_photos_of_one_colour_hold_no_garments(place: Path) -> None:
    catalogue(place / "shop", 70, wall)
    _refused(place, r"--data: shop has 0 garments .*; 70 with their background left on, the first .*\.png")


def test_corrupt_files_are_named_where_too_few_others_are_left(place: Path) -> None:
    catalogue(place / "shop", 70)
    for path in sorted((place / "shop").rglob("*.png"))[:30]:
        path.write_bytes(path.read_bytes()[:60])
    _refused(place, r"--data: shop has 40 garments that can be used; 30 skipped, the first dress/.*png: .*; wanted 64")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tint=1", r"--set: 'tint=1': wanted NAME=VALUE; there are the names augment, "),
        ("loss=best", "loss: 'best' is unknown: choose from relativistic, "),
        ("batch=few", "batch: 'few' is not a whole number"),
    ],
)
def test_a_field_that_cannot_be_set_is_named(text: str, message: str, place: Path) -> None:
    result = run("train", "gan", "--set", text)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_trained_and_the_command_goes_on(place: Path) -> None:
    catalogue(place / "shop", 80)
    command = [sys.executable, "-m", "persona", "train", "gan", *SMALL, "--data", "shop", "--set", "images=20000"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    figures = place / "runs" / "garment-64" / "figures.jsonl"
    while process.poll() is None and not (figures.exists() and figures.read_text()):
        pass
    process.send_signal(signal.SIGINT)
    assert "interrupted: what was finished is kept; the same command goes on from there" in process.communicate()[1]
    assert process.returncode == 130
    kept = json.loads(figures.read_text().splitlines()[-1])["images"]
    assert kept > 0
    assert (place / "runs" / "garment-64" / "checkpoint.pt").exists()


def _refused(place: Path, message: str) -> None:
    result = run("train", "gan", *SMALL, "--data", "shop", "--out", "runs/x")
    assert result.exit_code == 2, result.output
    assert re.search(message, result.stderr), result.stderr
    assert not (place / "runs" / "x" / "checkpoint.pt").exists()
