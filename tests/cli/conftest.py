"""A demo in a home of its own, set up once for the tests that look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click.testing
import pytest
from click.testing import CliRunner

from persona.cli import main
from persona.settings import Settings

MODELS = ("visual-64", "taste-garment", "garment-64")
ITEMS, USERS = 51, 3


@dataclass(frozen=True)
class Demo:
    """The settings of a prepared demo, and what setting it up printed."""

    settings: Settings
    printed: str


def run(*arguments: str) -> click.testing.Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="session")
def models() -> Path:
    """The shipped models."""
    folder = Settings().models
    missing = [name for name in MODELS if not (folder / name / "model.safetensors").exists()]
    if missing:
        pytest.skip(f"{folder} lacks {', '.join(missing)}")
    return folder


@pytest.fixture(scope="session")
def demo(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`persona demo --no-serve` with a small catalogue drawn for it by the shipped generator."""
    place = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, place)
        made = run("generate", "--catalogue", str(ITEMS), "--out", str(place / "items.zip"), "--seed", "5")
        assert made.exit_code == 0, made.output
        result = run("demo", "--no-serve", "--users", str(USERS))
        assert result.exit_code == 0, result.output
        return Demo(Settings(), result.stdout)


@pytest.fixture
def in_demo(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The demo, with settings that lead to it."""
    _set(monkeypatch, demo.settings.demo)
    return demo


def _set(patch: pytest.MonkeyPatch, place: Path) -> None:
    values = {"HOME": place / "home", "DEMO": place, "DATASETS": "", "DATABASE_URL": "", "SEED": "0", "THREADS": "1"}
    for name, value in values.items():
        patch.setenv(f"PERSONA_{name}", str(value))
