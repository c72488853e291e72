"""A run that was killed, stopped or whose checkpoint was damaged goes on as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from persona import checkpoint
from persona.errors import BadInput
from persona.gan.run import CHECKPOINT, run
from persona.gan.train import Trainer

from .child import RECIPE, prior
from .small import garments, same

ROOT = Path(__file__).parents[2]
SHORT = replace(RECIPE, images=64)


def trained(steps: int) -> Trainer:
    trainer = Trainer(SHORT, garments())
    for _ in range(steps):
        trainer.step()
    return trainer


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The last checkpoint of 200 steps without a break."""
    out = tmp_path_factory.mktemp("straight")
    list(run(Trainer(RECIPE, garments()), prior(), "none", out, save_seconds=1000))
    return checkpoint.read(out / CHECKPOINT)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_200_steps_equal_100_and_a_kill_and_100(how: signal.Signals, straight: dict[str, Any], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gan.child", "killed", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    assert process.stdout is not None
    for line in process.stdout:
        if (reached := int(line)) >= RECIPE.images // 2:
            break
    process.send_signal(how)
    process.communicate()
    assert process.returncode == -how
    kept = checkpoint.read(tmp_path / CHECKPOINT)["images"]
    assert 0 < kept < RECIPE.images
    assert kept >= reached or how == signal.SIGKILL  # Ctrl-C loses nothing
    list(run(Trainer(RECIPE, garments()), prior(), "none", tmp_path, save_seconds=1000))
    assert same(checkpoint.read(tmp_path / CHECKPOINT), straight)


def test_a_step_draws_nothing_that_a_checkpoint_lacks() -> None:
    trainer = Trainer(SHORT, garments())
    before = torch.get_rng_state()
    for _ in range(2):
        trainer.step()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, trainer = tmp_path / CHECKPOINT, trained(2)
    trainer.save(path)
    trainer.step()
    trainer.save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    resumed = Trainer(SHORT, garments())
    resumed.resume(path)
    assert same(resumed.state(), trained(2).state())
    assert "damaged checkpoint" in caplog.text
    assert f"going on from {checkpoint.previous(path)}, after 16 pictures" in caplog.text
    list(run(resumed, prior(), "none", tmp_path))  # and the run goes on from it to the end
    assert checkpoint.read(path)["images"] == SHORT.images


def test_a_kill_between_the_two_renames_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    trained(2).save(path)
    path.rename(checkpoint.previous(path))
    list(run(Trainer(SHORT, garments()), prior(), "none", tmp_path))
    figures = (tmp_path / "figures.jsonl").read_text()
    assert checkpoint.read(path)["images"] == SHORT.images
    assert '"images": 16,' not in figures


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_without_a_whole_checkpoint_the_run_says_so_and_leaves_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / CHECKPOINT
    trained(1).save(path)
    damaged = path.read_bytes()[:-1000] if content is None else content
    path.write_bytes(damaged)
    checkpoint.previous(path).write_bytes(damaged)
    with pytest.raises(BadInput, match=r"damaged checkpoint.*previous.*damaged.*begin again with another --out"):
        list(run(Trainer(SHORT, garments()), prior(), "none", tmp_path))
    assert path.read_bytes() == damaged


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    torch.save({"generator": {}}, tmp_path / "other.pt")
    with pytest.raises(BadInput, match="no checkpoint of a run: it lacks recipe"):
        Trainer(SHORT, garments()).grow_from(tmp_path / "other.pt")


def test_another_recipe_is_refused_and_a_field_it_did_not_know_is_not(tmp_path: Path) -> None:
    state = Trainer(SHORT, garments()).state()
    del state["recipe"]["balance"]
    checkpoint.write(state, tmp_path / CHECKPOINT)
    Trainer(SHORT, garments()).resume(tmp_path / CHECKPOINT)
    with pytest.raises(BadInput, match=r"batch 8 -> 16; balance 0.5 -> 1.0\); use another --out"):
        Trainer(replace(SHORT, batch=16, balance=1.0), garments()).resume(tmp_path / CHECKPOINT)
    assert asdict(SHORT)["balance"] == 0.5
