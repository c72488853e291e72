"""However often it is killed, a run comes to what it comes to when nobody kills it, bit by bit: see `killing`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def survived(folder: Path, url: str, who: str, kills: int) -> None:
    """A campaign of so many kills."""
    command = [sys.executable, "-m", "tests.batch.killing", str(folder), url, who, str(kills), "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] >= kills
    if who != "ray":
        assert not done.stderr


def test_killed_drivers(sqlite_url: str, tmp_path: Path) -> None:
    survived(tmp_path / "runs", sqlite_url, "local", 6)


@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_drivers_killed_two_hundred_times(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    survived(tmp_path / "runs", request.getfixturevalue(f"{database}_url"), "local", 200)


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_the_command_killed_two_hundred_times(sqlite_url: str, tmp_path: Path) -> None:
    survived(tmp_path / "runs", sqlite_url, "command", 200)


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_killed_drivers_of_workers(sqlite_url: str, tmp_path: Path) -> None:
    survived(tmp_path / "runs", sqlite_url, "workers", 20)


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_killed_workers_of_ray(sqlite_url: str, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    survived(tmp_path / "runs", sqlite_url, "ray", 20)
