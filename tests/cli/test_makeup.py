"""Makeup from the command line, on drawn faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persona.cli.command import FAILED
from persona.recommend.provenance import read_label
from persona.settings import Settings
from persona.store import Store, upgrade
from persona.store.records import Profile
from tests.cli.conftest import run
from tests.serve.conftest import file_of, make_look_models, needs_faces, portrait


@pytest.fixture(scope="module")
def look_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_look_models(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, look_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a database and a photo, me.png."""
    monkeypatch.chdir(tmp_path)
    values = {"HOME": "home", "MODELS": look_models, "DATABASE_URL": "", "DATASETS": "", "THREADS": "1"}
    for name, value in values.items():
        monkeypatch.setenv(f"PERSONA_{name}", str(value))
    (tmp_path / "home").mkdir()
    upgrade(Settings().url)
    (tmp_path / "me.png").write_bytes(file_of(portrait()))
    return tmp_path


@needs_faces
def test_a_look_on_a_photo(here: Path) -> None:
    (here / "mine.json").write_text(json.dumps({"products": [{"region": "lips", "lab": "#9e1b32", "opacity": 1}]}))
    asked = ("makeup", "apply", "me.png", "--look", "mine.json", "--strength", ".8", "--region", "lips=.5")
    result = run(*asked, "--out", "red.webp", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["strengths"] == {"lips": 0.4}
    label = read_label((here / "red.webp").read_bytes())
    assert label is not None
    assert label.uri == answer["digital_source_type"]
    with Image.open("red.webp") as image:
        assert image.format == "WEBP"
        changed = (np.asarray(image.convert("RGB")) != portrait()).any(2)
    assert 0 < changed.mean() < 0.05
    named = run("makeup", "apply", "me.png", "--look", "classic-red")
    assert named.exit_code == 0, named.output
    assert "was not kept" in named.stdout


@needs_faces
def test_a_look_from_another_photo_and_what_is_read_of_a_face(here: Path) -> None:
    (here / "friend.png").write_bytes(file_of(portrait("heart", 7)))
    result = run("makeup", "transfer", "me.png", "friend.png", "--out", "like.jpg", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["digital_source_type"].endswith("TrainedAlgorithmicMedia")
    read = run("makeup", "analyze", "me.png", "--tone", "3", "--json")
    assert read.exit_code == 0, read.output
    assert "skin tone   3" in read.stdout
    assert json.loads(read.stdout.splitlines()[-1])["skin"]["stated"] == ["monk"]


def test_advice_and_looks(here: Path) -> None:
    (here / "shades.csv").write_text("id,name,region,colour\nr1,Rouge 7,lips,#a01828\nr2,Nude 2,lips,#c27066\n")
    asked = ("makeup", "advise", "--tone", "5", "--shape", "oval", "--occasion", "evening", "--products", "shades.csv")
    result = run(*asked, "--count", "2", "--json")
    assert result.exit_code == 0, result.output
    assert "Not certain: Undertone" in result.stdout
    assert len(json.loads(result.stdout.splitlines()[-1])["schemes"]) == 2
    light, dark = (run("makeup", "looks", "--tone", tone, "--json") for tone in ("1", "9"))
    assert light.exit_code == dark.exit_code == 0
    assert light.stdout != dark.stdout
    assert "look-classic-red" in light.stdout
    with Store.open(Settings().url) as store:
        store.put_user(Profile(id="mia"))
    assert run("makeup", "looks", "--user", "mia").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["apply", "me.png", "--look", "nothing"], "there is no look 'nothing'"),
        (["apply", "me.png", "--look", "none.json"], "--look: none.json cannot be read"),
        (["apply", "me.png", "--look", "bad.json"], "products.0.opacity"),
        (["apply", "me.png", "--look", "classic-red", "--region", "lips"], "--region: 'lips': write a region"),
        (["apply", "me.png", "--look", "classic-red", "--region", "chin=1"], "regions.chin"),
        (["apply", "me.png", "--look", "classic-red", "--out", "red.gif"], "--out: red.gif: end it with"),
        (["apply", "bad.json", "--look", "classic-red"], "photo: is no picture"),
        (["analyze", "me.png", "--shape", "long"], "shape: Input should be"),
        (["advise", "--tone", "4", "--products", "bad.json"], "products: columns"),
        (["looks", "--user", "nobody"], "user 'nobody' is not stored"),
    ],
)
@needs_faces
def test_what_is_wrong_is_said(here: Path, arguments: list[str], message: str) -> None:
    (here / "bad.json").write_text('{"products": [{"region": "lips", "lab": "#9e1b32", "opacity": 7}]}')
    result = run("makeup", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (here / "made-up.png").exists()


def test_without_a_database_it_does_what_needs_none(here: Path) -> None:
    (here / "home" / "persona.db").unlink()
    advice = run("makeup", "advise", "--tone", "5", "--shape", "oval")
    assert advice.exit_code == 0, advice.output
    assert not (here / "home" / "persona.db").exists()
    for arguments in (("looks", "--user", "ava"), ("advise", "--tone", "5", "--user", "ava")):
        asked = run("makeup", *arguments)
        assert asked.exit_code == FAILED
        assert "persona db upgrade" in asked.stderr
