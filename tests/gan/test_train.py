"""Training: every loss learns, a run resumes to the same bits, and what cannot go on says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.errors import BadInput
from persona.gan.data import Garments
from persona.gan.losses import LOSSES
from persona.gan.prior import Prior
from persona.gan.recipe import Recipe, Schedule
from persona.gan.run import run
from persona.gan.train import Trainer

from .small import NAMES, garments, shapes

TINY = Recipe(size=32, images=64, width=0.1, batch=8, half=False)


def weights(trainer: Trainer) -> torch.Tensor:
    parts = [trainer.generator, trainer.discriminator, trainer.average]
    return torch.cat([value.flatten().float() for part in parts for value in part.state_dict().values()])


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_trains(loss: str) -> None:
    trainer = Trainer(replace(TINY, loss=loss), garments())
    before = weights(trainer)
    for _ in range(9):
        trainer.step()
    assert trainer.images == 72
    assert torch.isfinite(weights(trainer)).all()
    assert not torch.equal(weights(trainer), before)


@pytest.mark.slow
def test_a_condition_is_learnt() -> None:
    """After a short run the generated picture is as red as its condition says: beside another condition, not it."""
    recipe = replace(
        TINY, images=12_000, width=0.2, batch=16, rate_generator=1e-3, rate_discriminator=1e-3, ema_images=500,
        augment=Schedule(0, 0, 1), conditional=Schedule(1, 1, 1),
    )  # fmt: skip
    trainer = Trainer(recipe, garments(count=400))
    while trainer.images < recipe.images:
        trainer.step()
    condition = torch.zeros(64, 64)
    condition[:, 0] = torch.linspace(-1.5, 1.5, 64)  # red
    z = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = trainer.averaged()(z, condition, torch.zeros(64, dtype=torch.int64))
    red = ((made[:, 0] + 1).sum((1, 2)) / (made[:, 3] + 1).sum((1, 2))).numpy()
    assert np.corrcoef(red, condition[:, 0].numpy())[0, 1] > 0.6


def test_resumed_equals_straight(tmp_path: Path) -> None:
    straight = Trainer(TINY, garments())
    for _ in range(20):
        straight.step()
    first = Trainer(TINY, garments())
    for _ in range(11):
        first.step()
    first.save(tmp_path / "state.pt")
    second = Trainer(TINY, garments())
    second.resume(tmp_path / "state.pt")
    for _ in range(9):
        second.step()
    assert torch.equal(weights(straight), weights(second))


def prior() -> Prior:
    _, conditions, codes = shapes()
    return Prior.fit(conditions, codes, len(NAMES))


def test_a_run_logs_saves_and_ends(tmp_path: Path) -> None:
    lines = list(run(Trainer(TINY, garments()), prior(), "none", tmp_path, every=2, save_seconds=1000))
    assert lines[-1]["images"] == 64
    assert {"d_loss", "g_loss", "per_second"} <= set(lines[-1])
    assert (tmp_path / "grid.png").exists()
    assert list((tmp_path / "tensorboard").iterdir())
    assert len((tmp_path / "figures.jsonl").read_text().splitlines()) == 4
    assert list(run(Trainer(TINY, garments()), prior(), "none", tmp_path)) == []  # nothing left to do


def test_growing_begins_with_the_smaller_nets_picture(tmp_path: Path) -> None:
    small = Trainer(TINY, garments())
    for _ in range(4):
        small.step()
    small.save(tmp_path / "small.pt")
    large = Trainer(replace(TINY, size=64), garments(64))
    large.grow_from(tmp_path / "small.pt")
    z, c, k = torch.randn(3, 64), torch.randn(3, 64), torch.tensor([0, 1, 2])
    with torch.no_grad():
        little, big = small.average.eval()(z, c, k), large.average.eval()(z, c, k)
    apart = torch.nn.functional.avg_pool2d(big, 2) - little
    assert apart.abs().max() < 0.1
    with pytest.raises(BadInput, match="cannot grow"):
        Trainer(replace(TINY, size=64, width=0.2), garments(64)).grow_from(tmp_path / "small.pt")


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer = Trainer(TINY, garments())
    trainer.save(tmp_path / "state.pt")
    with pytest.raises(BadInput, match="batch 8 -> 16"):
        Trainer(replace(TINY, batch=16), garments()).resume(tmp_path / "state.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rgba": np.zeros((3, 32, 32, 4), np.uint8)}, "at least 64"),
        ({"rgba": np.zeros((96, 32, 32, 3), np.uint8)}, "side, side, 4"),
        ({"rgba": np.full((96, 32, 32, 4), 7, np.uint8)}, "all the same"),
        ({"conditions": np.full((96, 64), np.nan, np.float32)}, "conditions: row 0 is not finite"),
        ({"categories": np.full(96, 9)}, "categories"),
    ],
)
def test_bad_garments_are_named(change: dict[str, np.ndarray], message: str) -> None:
    rgba, conditions, codes = shapes()
    given = {"rgba": rgba, "conditions": conditions, "mirrored": conditions, "categories": codes, **change}
    with pytest.raises(BadInput, match=message):
        Garments(**given, names=NAMES, size=32)


@pytest.mark.parametrize(("classify", "contrast"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_what_is_read_back_teaches_only_where_it_weighs(classify: float, contrast: float) -> None:
    category, condition = Schedule(classify, classify, 1), Schedule(contrast, contrast, 1)
    trainer = Trainer(replace(TINY, classify=category, contrast=condition), garments())
    heads = [trainer.discriminator.category_head.weight, trainer.discriminator.condition_head.weight]
    before = [head.detach().clone() for head in heads]
    trainer.step()
    moved = [not torch.equal(head, old) for head, old in zip(heads, before)]
    assert moved == [classify > 0, contrast > 0]
