"""Numbers that are lost are won back; where that does not help, the run ends with its last good state kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from persona import checkpoint
from persona.errors import BadInput
from persona.gan.recipe import Recipe
from persona.gan.run import CHECKPOINT, run
from persona.gan.train import Trainer

from .child import prior
from .small import garments

TINY = Recipe(size=32, images=96, width=0.1, batch=8, half=False)


@pytest.mark.parametrize("where", ["weight", "moment"])
def test_poison_is_rolled_back(where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer, seen = Trainer(TINY, garments()), []
    for figures in run(trainer, prior(), "none", tmp_path, every=2, save_seconds=1000):
        seen.append((figures["images"], figures["rollbacks"]))
        if len(seen) == 2:
            weight = trainer.discriminator.linear.weight
            poisoned = weight.data if where == "weight" else trainer.adam_d.state[weight]["exp_avg_sq"]
            poisoned.fill_(torch.nan)
    assert seen == [(16, 0), (32, 0), *((images, 1) for images in (48, 64, 80, 96))]
    assert trainer.sound()
    assert "not a number after 48 pictures: back to 32, with other random numbers and half the rates" in caplog.text
    again = Trainer(TINY, garments())
    while again.images < TINY.images:
        again.step()
    assert again.adam_g.param_groups[0]["lr"] == pytest.approx(2 * trainer.adam_g.param_groups[0]["lr"])
    assert not torch.equal(again.draw.generator.get_state(), trainer.draw.generator.get_state())
    assert checkpoint.read(tmp_path / CHECKPOINT)["rollbacks"] == 1


def test_a_run_that_explodes_again_and_again_ends_with_its_last_good_state(tmp_path: Path) -> None:
    trainer = Trainer(TINY, garments())
    steps = run(trainer, prior(), "none", tmp_path, every=2, save_seconds=1000)
    assert [next(steps)["images"] for _ in range(2)] == [16, 32]
    trainer.recipe = replace(TINY, rate_generator=1e30, rate_discriminator=1e30)
    with pytest.raises(BadInput, match=r"after 48 pictures, the 6th time .*; the last good state, after 32, is kept"):
        list(steps)
    last = Trainer(trainer.recipe, garments())
    last.resume(tmp_path / CHECKPOINT)
    assert last.images == 32
    assert last.sound()
    gentler = Trainer(TINY, garments())
    gentler.grow_from(tmp_path / CHECKPOINT)  # the way on that the message names
    assert torch.equal(gentler.generator.start.weight, last.generator.start.weight)


def test_a_run_that_never_was_sound_leaves_no_checkpoint(tmp_path: Path) -> None:
    trainer = Trainer(replace(TINY, rate_generator=1e30, rate_discriminator=1e30), garments())
    with pytest.raises(BadInput, match="loss: not a number"):
        list(run(trainer, prior(), "none", tmp_path, every=2))
    assert not checkpoint.exists(tmp_path / CHECKPOINT)


def test_what_breaks_a_step_off_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(TINY, garments())
    steps = run(trainer, prior(), "none", tmp_path, every=2, save_seconds=1000)
    assert [next(steps)["images"] for _ in range(2)] == [16, 32]
    monkeypatch.setattr(trainer.adam_g, "step", lambda: torch.zeros(2).view(3))  # the discriminator has had its own
    with pytest.raises(RuntimeError, match="shape"):
        list(steps)
    good = Trainer(TINY, garments())
    while good.images < 32:
        good.step()
    kept = checkpoint.read(tmp_path / CHECKPOINT)
    assert kept["images"] == 32
    assert torch.equal(kept["discriminator"]["linear.weight"], good.discriminator.linear.weight)
