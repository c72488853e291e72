"""Garments after a photo, walks between users, and the models behind them, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persona.catalog.pictures import Pictures, unpremultiply
from persona.gan import GarmentModel
from persona.gan.invert import Inverter
from persona.settings import Settings
from persona.store import Store, upgrade
from tests.cli.conftest import run
from tests.serve.conftest import PAINTS, draw, make_catalogue, make_models, make_users

SHOWS = {"t-shirt", "pants", "dress", "skirt", "shoes", "outwear"}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop with photographed garments of many owners, and small untrained models."""
    place = tmp_path_factory.mktemp("shop")
    settings = Settings(home=place / "home", models=place / "models", database_url=None, datasets=None)
    settings.home.mkdir()
    upgrade(settings.url)
    make_models(settings.models)
    with Store.open(settings.url) as store:
        pictures = Pictures(settings.pictures)
        make_users(store, make_catalogue(store, pictures))
        rng = np.random.default_rng(0)
        paints = [tuple(int(level) for level in rng.integers(20, 235, 3)) for _ in range(90)]
        kinds = sorted(SHOWS)
        real = next(item for item in store.items() if not item.rights.generated)
        store.put_items(
            [
                real.model_copy(
                    update={
                        "id": f"photo-{number}",
                        "category": kinds[number % 6],
                        "owner": f"owner-{number // 2}",
                        "lab": (20.0 + number / 2, float(number % 40), float(number % 30)),
                        "pattern": "striped" if number % 3 else "plain",
                        "picture": pictures.put(draw(kinds[number % 6], paint, 1.0)),
                    }
                )
                for number, paint in enumerate(paints)
            ]
        )
    return place


@pytest.fixture
def shop(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in an empty working directory."""
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": "home", "MODELS": "models", "DATABASE_URL": "", "DATASETS": ""}.items():
        monkeypatch.setenv(f"PERSONA_{name}", value)
    return tmp_path


@pytest.fixture
def photo(shop: Path) -> Path:
    """A red dress on a white wall."""
    rgba = unpremultiply(draw("dress", PAINTS["red"], 1.0))
    wall = Image.new("RGBA", (128, 128), (250, 250, 250, 255))
    wall.alpha_composite(Image.fromarray(rgba))
    wall.convert("RGB").resize((400, 400)).save(shop / "mine.png")
    return shop / "mine.png"


def test_like_mine_but_green(shop: Path, photo: Path) -> None:
    result = run("generate", "--like", str(photo), "--colour", "green", "--category", "skirt", "--count", "2", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["garment"] in SHOWS
    assert [one["category"] for one in answer["generated"]] == ["skirt", "skirt"]
    assert all(one["generated"] for one in answer["generated"])
    for file in answer["files"]:
        with Image.open(file) as shown:
            assert (shown.size, shown.format) == ((64, 64), "WEBP")
    assert "It was not stored" in result.stdout
    assert "Label them as generated" in result.stdout


def test_a_large_photo_is_made_smaller_first(shop: Path, photo: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 40, (1500, 1500, 3)).astype(np.uint8)
    large = np.asarray(Image.open(photo).resize((1500, 1500)).convert("RGB")).clip(0, 215) + noise
    Image.fromarray(large).save(shop / "large.png")
    assert (shop / "large.png").stat().st_size > 2**20
    result = run("generate", "--like", "large.png", "--garment", "dress", "--count", "1")
    assert result.exit_code == 0, result.output
    assert "The photo shows: dress" in result.stdout


def test_a_walk_between_two_tastes(shop: Path) -> None:
    walk = ("generate", "--from-user", "demo-ana", "--to-user", "demo-ben", "--frames", "5", "--json")
    result = run(*walk, "--out", "steps")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert [Path(file).name for file in answer["files"]] == [f"{n:03d}.webp" for n in range(1, 6)]
    with Image.open(answer["moving"]) as moving:
        assert moving.n_frames == 5
    alone = run("recommend", "demo-ana", "--generate", "1", "--json", "--seed", "0")
    assert alone.exit_code == 0
    moods = run("generate", "--from-user", "demo-ana", "--to-user", "demo-ana", "--frames", "2", "--out", "moods")
    assert moods.exit_code == 0, moods.output
    assert (shop / "moods" / "001.webp").read_bytes() != (shop / "moods" / "002.webp").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-user", "demo-ana"], "--to-user: name both ends"),
        (["--to-user", "demo-ana"], "--from-user: name both ends"),
        (["--from-user", "demo-ana", "--to-user", "nobody"], "there is no user 'nobody'"),
        (["--from-user", "demo-ana", "--to-user", "demo-ben", "--category", "polo"], "category: 'polo' is none"),
        (["--from-user", "demo-ana", "--to-user", "demo-ben", "--user", "demo-ben"], "does not go with --user"),
        (["--like", "mine.png", "--catalogue", "3"], "--like: does not go with --catalogue"),
        (["--like", "mine.png", "--style", "casual"], "--style: cannot be changed"),
        (["--like", "mine.png", "--colour", "mauve"], "colour: Input should be"),
        (["--like", "mine.png", "--count", "9"], "count: Input should be less"),
        (["--like", "home/persona.db"], "picture: is no picture that can be read"),
        (["--garment", "dress"], "--garment: says what the photo of --like shows"),
    ],
)
def test_what_does_not_go_together_is_said(shop: Path, photo: Path, arguments: list[str], message: str) -> None:
    result = run("generate", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (shop / "generated").exists()


@pytest.mark.slow
def test_directions_and_inverter_are_fitted_to_a_generator(shop: Path) -> None:
    before = GarmentModel.load(shop / "models" / "garment-64")
    assert run("train", "directions").exit_code == 0
    after = GarmentModel.load(shop / "models" / "garment-64")
    assert after.version != before.version
    assert np.isfinite(after.directions.pattern("striped")).all()
    stale = run("generate", "--like", str(picture(shop)), "--garment", "dress")
    assert stale.exit_code == 2
    assert "run `persona train inverter`" in stale.stderr
    trained = run("train", "inverter", "--images", "64", "--out", "models/inverter-64")
    assert trained.exit_code == 0, trained.output
    assert Inverter.load(shop / "models" / "inverter-64").generator == after.version
    metrics = json.loads((shop / "models" / "inverter-64" / "metrics.json").read_text())
    assert metrics["held_out"] > 0
    assert "drawn by a test" in (shop / "models" / "inverter-64" / "README.md").read_text()
    judged = run("evaluate", "inverter", "--no-record", "--json")
    assert judged.exit_code == 0, judged.output
    figures = json.loads(judged.stdout.splitlines()[-1])
    assert figures["rgb_mae"] < figures["rgb_mae_zero"]
    assert run("generate", "--like", str(picture(shop)), "--garment", "dress").exit_code == 0


def test_a_generator_of_another_visual_network_is_left_alone(shop: Path) -> None:
    config = shop / "models" / "garment-64" / "config.json"
    config.write_text(config.read_text().replace("visual-64@", "visual-96@"))
    weights = (shop / "models" / "garment-64" / "model.safetensors").read_bytes()
    result = run("train", "directions")
    assert result.exit_code == 2
    assert "was trained on content vectors of visual-96@" in result.stderr
    assert (shop / "models" / "garment-64" / "model.safetensors").read_bytes() == weights


def picture(shop: Path) -> Path:
    """A dress whose background is transparent."""
    Image.fromarray(unpremultiply(draw("dress", PAINTS["navy"], 1.0))).save(shop / "dress.png")
    return shop / "dress.png"
