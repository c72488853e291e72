"""`persona evaluate style`: from a catalogue to figures, and what it never lets into what ships."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import squeezenet1_1

from persona.catalog.perceptual import Perceptual
from persona.cli import evaluate_style
from persona.cli.materials import FEWEST
from persona.errors import BadInput
from persona.settings import CHECKOUT, Settings
from persona.store import upgrade
from persona.style.evaluate import Transfer
from persona.style.features import GARMENT, open_features
from persona.style.model import StyleModel
from persona.style.networks import Decoder
from persona.style.pairs import Pair
from tests.cli.conftest import run
from tests.style.drawn import garment, printed


def first_rows(source: Path, target: Path, count: int) -> None:
    """A catalogue of the first items of another: importing all of them takes minutes."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as part:
        lines = whole.read("items.csv").decode().splitlines()
        part.writestr("items.csv", "\n".join(lines[: count + 1]))
        for row in list(csv.DictReader(lines))[:count]:
            part.writestr(row["file"], whole.read(row["file"]))


@pytest.fixture
def untrained(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models of which the style model has learnt nothing, and a judge with random weights; in an empty folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / GARMENT).symlink_to(models / GARMENT)
    net = open_features(GARMENT, folder)
    StyleModel(net, Decoder(net.channels, net.strides)).save(folder / "style", card="# For the test", metrics={})
    torch.manual_seed(0)
    judge = Perceptual(squeezenet1_1(weights=None).features, caffe=False)
    monkeypatch.setattr(evaluate_style, "load_perceptual", lambda settings: judge)
    monkeypatch.setattr("persona.style.pairs.SIDE", 64)  # larger only takes longer
    monkeypatch.setattr(evaluate_style, "RESTORED", 3)
    for name, value in {"MODELS": str(folder), "HOME": str(tmp_path / "home"), "DATASETS": "", "THREADS": "1"}.items():
        monkeypatch.setenv(f"PERSONA_{name}", value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_catalogue_is_judged_and_shown(untrained: Path) -> None:
    """The shipped one: garments that persona made."""
    items, grid = untrained / "items.zip", untrained / "grid.png"
    first_rows(CHECKOUT / "data" / "demo" / "items.zip", items, FEWEST)
    options = ("--pairs", "8", "--optimised", "0", "--no-record", "--json", "--grid", str(grid))
    result = run("evaluate", "style", "--garments", str(items), *options)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    assert 0 < found["style_distance"] < 2  # nothing was learnt
    assert found["edge_cosine"] > found["edge_cosine_chance"]
    assert found["alpha_changed"] == 0
    assert found["inpaint_psnr"] > 10 < found["inpaint_psnr_opencv"]
    assert found["style_over_optimised"] is None
    assert found["why"]["style_over_optimised"] == "not asked for: --optimised 0"
    assert set(found["by_kind"]) == {"garment", "print"}  # there are no paintings here
    with Image.open(grid) as shown:
        assert shown.size == (5 * evaluate_style.SIDE, 8 * evaluate_style.SIDE)


def test_an_empty_store_says_what_to_do(untrained: Path) -> None:
    (untrained / "home").mkdir()
    upgrade(Settings().url)
    result = run("evaluate", "style", "--pairs", "4")
    assert result.exit_code == 2
    assert "holds 0 photographed garments" in result.output
    assert "persona import clothing" in result.output


def test_real_garments_are_never_written_into_what_ships(tmp_path: Path) -> None:
    place = Settings().models / "style" / "grid.png"
    result = run("evaluate", "style", "--grid", str(place))
    assert result.exit_code != 0
    assert "lies in what ships" in result.output
    transfer = Transfer(Pair(garment(1), printed(2), "print"), garment(3), garment(4), None)
    with pytest.raises(BadInput, match="lies in what ships"):
        evaluate_style.write_grid([transfer], place)
    assert not place.exists()
    evaluate_style.write_grid([transfer], tmp_path / "new" / "grid.png")
    with Image.open(tmp_path / "new" / "grid.png") as image:
        shown = np.asarray(image)
    side = evaluate_style.SIDE
    assert shown.shape == (side, 5 * side, 3)
    assert (shown[:, 3 * side : 4 * side] == shown[0, 3 * side]).all()  # the optimisation mode was not tried
