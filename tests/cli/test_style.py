"""Styles from the command line: on one picture, on a folder, learnt, listed and retired."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persona.catalog.pictures import unpremultiply
from persona.cli.command import FAILED, INTERRUPTED
from persona.recommend.provenance import read_label
from persona.recommend.style_series import NOTE
from persona.settings import Settings
from persona.store import upgrade
from persona.style.prints import draw_print
from tests.cli.conftest import run
from tests.serve.conftest import CHECKOUT, PAINTS, SHAPES, draw, file_of, make_models

AGREED = ("--consent", "--licence", "by agreement", "--source", "a test")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a database, garments, two prints and a folder of garments, one of them no picture."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": "home", "MODELS": models, "DATABASE_URL": "", "DATASETS": "", "THREADS": "1"}.items():
        monkeypatch.setenv(f"PERSONA_{name}", str(value))
    (tmp_path / "home").mkdir()
    upgrade(Settings().url)
    garments = tmp_path / "garments"
    garments.mkdir()
    for category in SHAPES:
        (garments / f"{category}.png").write_bytes(file_of(unpremultiply(draw(category, PAINTS["navy"], 1.0))))
    (garments / "broken.jpg").write_bytes(b"no picture")
    (garments / "notes.txt").write_text("not for styling")
    (tmp_path / "print.png").write_bytes(file_of(draw_print("stripes", 128, 1)))
    (tmp_path / "other.png").write_bytes(file_of(draw_print("dots", 128, 2)))
    return tmp_path


def test_a_style_on_a_picture(here: Path) -> None:
    asked = ("style", "apply", "garments/dress.png", "--like", "print.png", "--like", "other.png", "--weight", "3")
    result = run(*asked, "--weight", "1", "--strength", ".6", "--keep-colour", "--out", "new.webp", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["controls"] == {"strength": 0.6, "keep_colour": True, "keep_luminance": False}
    label = read_label((here / "new.webp").read_bytes())
    assert label is not None
    assert label.uri == answer["digital_source_type"]
    with Image.open("new.webp") as image:
        assert image.format == "WEBP"
        np.testing.assert_array_equal(np.asarray(image)[..., 3], draw("dress", PAINTS["navy"], 1.0)[..., 3])
    assert "were not kept" in result.stdout


def test_a_pattern_and_art(here: Path) -> None:
    for number, how in enumerate([("--like", "print.png", "--pattern", "--scale", "5"), ("--art", "oil")]):
        result = run("style", "apply", "garments/dress.png", *how, "--out", f"{number}.png", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout.splitlines()[-1])["model"] is None
    assert (here / "0.png").read_bytes() != (here / "1.png").read_bytes()


def test_a_style_is_learnt_listed_used_and_retired(here: Path) -> None:
    learnt = run("style", "learn", "mia", "print.png", "other.png", *AGREED, "--until", "2100-01-01", "--title", "Mia")
    assert learnt.exit_code == 0, learnt.output
    assert "in force until 2100-01-01" in learnt.stdout
    listed = run("style", "list", "--json")
    (style,) = json.loads(listed.stdout.splitlines()[-1])["styles"]
    assert (style["name"], style["references"], style["until"]) == ("mia", 2, "2100-01-01T00:00:00Z")
    used = run("style", "apply", "garments/dress.png", "--style", "mia", "--out", "named.png")
    assert used.exit_code == 0, used.output
    both = ("--like", "print.png", "--like", "other.png")
    same = run("style", "apply", "garments/dress.png", *both, "--out", "like.png")
    assert same.exit_code == 0, same.output
    assert (here / "named.png").read_bytes() == (here / "like.png").read_bytes()
    assert run("style", "retire", "mia").exit_code == 0
    gone = run("style", "apply", "garments/dress.png", "--style", "mia")
    assert gone.exit_code == FAILED
    assert "the consent to 'mia' was withdrawn" in gone.stderr
    assert json.loads(run("style", "list", "--json").stdout.splitlines()[-1]) == {"styles": []}


def test_a_folder_in_one_style_goes_on_where_it_stopped(here: Path) -> None:
    asked = ("style", "apply", "garments", "--like", "print.png", "--out", "series", "--json")
    first = run(*asked)
    assert first.exit_code == 0, first.output
    answer = json.loads(first.stdout.splitlines()[-1])
    assert (answer["made"], answer["known"]) == (len(SHAPES), 0)
    assert len(answer["skipped"]) == 1
    assert answer["skipped"][0].startswith("broken.jpg: photo: is no picture")
    results = {path.name: path.read_bytes() for path in (here / "series").iterdir()}
    assert results.keys() == {NOTE, *(f"{category}.png" for category in SHAPES)}
    alone = run("style", "apply", "garments/skirt.png", "--like", "print.png", "--out", "alone.png")
    assert alone.exit_code == 0, alone.output
    assert (here / "alone.png").read_bytes() == results["skirt.png"]

    kept = (here / "series" / "dress.png").stat().st_mtime_ns
    (here / "series" / "skirt.png").unlink()
    again = run(*asked)
    assert again.exit_code == 0, again.output
    answer = json.loads(again.stdout.splitlines()[-1])
    assert (answer["made"], answer["known"]) == (1, len(SHAPES) - 1)
    assert (here / "series" / "dress.png").stat().st_mtime_ns == kept
    assert {path.name: path.read_bytes() for path in (here / "series").iterdir()} == results


def test_results_of_two_styles_are_not_mixed(here: Path) -> None:
    asked = ("style", "apply", "garments", "--out", "series")
    assert run(*asked, "--like", "print.png").exit_code == 0
    for other in (("--like", "other.png"), ("--like", "print.png", "--strength", ".5")):
        mixed = run(*asked, *other)
        assert mixed.exit_code == FAILED
        assert "holds a series that was asked for otherwise" in mixed.stderr
    full = run("style", "apply", "garments", "--like", "print.png", "--out", "garments")
    assert full.exit_code == FAILED
    assert "holds other files" in full.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_whole_files(here: Path) -> None:
    for number in range(400):
        (here / "garments" / f"more-{number:03d}.png").write_bytes((here / "garments" / "dress.png").read_bytes())
    asked = ["style", "apply", str(here / "garments"), "--like", str(here / "print.png"), "--out", str(here / "series")]
    environment = os.environ | {"PERSONA_HOME": str(here / "home"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "persona", *asked],
        cwd=CHECKOUT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 90
    while len(list((here / "series").glob("*.png"))) < 3 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, said
    assert "goes on from there" in said
    made = list((here / "series").glob("*.png"))
    assert 3 <= len(made) < 400
    assert not list((here / "series").glob("*.part"))
    for path in made:
        with Image.open(path) as image:
            image.load()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("apply", "print.png"), "send one to 8 of styles"),
        (("apply", "print.png", "--like", "other.png", "--out", "new.gif"), "--out: new.gif: end it with one of"),
        (("apply", "garments/dress.png", "--like", "garments/broken.jpg"), "references.0: is no picture"),
        (("apply", "garments/dress.png", "--style", "nobody"), "there is no style 'nobody'"),
        (("apply", "garments/dress.png", "--like", "print.png", "--format", "png"), "--format: goes with a folder"),
        (("apply", "home", "--like", "print.png"), "home holds no picture"),
        (("learn", "mia", "print.png", "--licence", "none", "--source", "found"), "consent: a person's style"),
        (("learn", "a b", "print.png", *AGREED), "name: String should match"),
        (("learn", "mia", "print.png", *AGREED, "--weight", "1", "--weight", "2"), "weights: 2 for 1 references"),
        (("retire", "nobody"), "there is no style 'nobody'"),
    ],
)
def test_what_is_refused(here: Path, arguments: tuple[str, ...], why: str) -> None:
    result = run("style", *arguments)
    assert result.exit_code == FAILED, result.output
    assert why in result.stderr


def test_a_work_needs_no_consent_and_no_database_is_needed_to_apply(here: Path) -> None:
    learnt = run("style", "learn", "plaid", "print.png", "--origin", "work", "--licence", "CC0", "--source", "drawn")
    assert learnt.exit_code == 0, learnt.output
    (here / "home" / "persona.db").unlink()
    used = run("style", "apply", "garments/dress.png", "--like", "print.png")
    assert used.exit_code == 0, used.output
    missing = run("style", "apply", "garments/dress.png", "--style", "plaid")
    assert (missing.exit_code, "persona db upgrade" in missing.stderr) == (FAILED, True)


def test_what_is_damaged_is_restored(here: Path) -> None:
    rgba = np.dstack([draw_print("stripes", 128, 1), np.full((128, 128), 255, np.uint8)])
    mask = np.zeros((128, 128, 3), np.uint8)
    mask[50:70, 40:66] = 255
    stained = rgba.copy()
    stained[50:70, 40:66, :3] = (90, 60, 20)
    (here / "stained.png").write_bytes(file_of(stained))
    (here / "mask.png").write_bytes(file_of(mask))
    result = run("style", "restore", "stained.png", "--mask", "mask.png", "--out", "whole.webp", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["filled"] == pytest.approx(20 * 26 / 128**2, abs=1e-3)
    label = read_label((here / "whole.webp").read_bytes())
    assert label is not None
    assert (label.source, label.words) == ("algorithmicallyEnhanced", "Restored by persona")
    with Image.open("whole.webp") as image:
        after = np.asarray(image.convert("RGB"))
    outside = mask[..., 0] == 0
    np.testing.assert_array_equal(after[outside], stained[outside, :3])
    error = np.abs(after.astype(int) - rgba[..., :3])[~outside].mean()
    assert error < 0.5 * np.abs(stained[..., :3].astype(int) - rgba[..., :3])[~outside].mean()


def test_what_cannot_be_restored_is_said(here: Path) -> None:
    (here / "small.png").write_bytes(file_of(np.full((8, 8, 3), 255, np.uint8)))
    (here / "black.png").write_bytes(file_of(np.zeros((128, 128, 3), np.uint8)))
    for mask, why in (
        ("small.png", "mask: is 8x8 pixels, the picture 128x128"),
        ("black.png", "mask: marks nothing"),
        ("garments/broken.jpg", "mask: is no picture"),
    ):
        result = run("style", "restore", "print.png", "--mask", mask)
        assert result.exit_code == FAILED, result.output
        assert why in result.stderr
    assert not (here / "restored.png").exists()
