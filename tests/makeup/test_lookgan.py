"""The look generator: valid looks that repeat, gradients through the renderer, runs that resume, judges at chance."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from persona import checkpoint
from persona.cli.train_look_gan import LookBook
from persona.errors import BadInput, OutOfDate
from persona.gan.run import CHECKPOINT, drive
from persona.makeup import look_judge, lookgan, train_lookgan
from persona.makeup.corpus import named
from persona.makeup.description import describe, drawn_of, seen, standardised
from persona.makeup.evaluate_looks import HELD_OUT, evaluate_looks
from persona.makeup.look import PLACEMENTS, REGIONS, Look
from persona.makeup.look_judge import LookJudge
from persona.makeup.lookgan import LookGenerator, LookNetwork, looks_of
from persona.makeup.studio import Studio
from persona.makeup.train_lookgan import LookPictures, LookTrainer, begin, plan
from persona.modelfolder import write
from tests.gan.small import same

IMAGES = 64


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio.open(32, ("oval",), (4,))


@pytest.fixture(scope="module")
def pictures(studio: Studio) -> LookPictures:
    return LookPictures(named(80, 1), studio)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_lookgan, "BEGUN", 5)


def trainer(pictures: LookPictures, **changed: Any) -> LookTrainer:
    settings = [f"{name}={value}" for name, value in {"batch": 8, "width": 0.1, "half": False, **changed}.items()]
    return LookTrainer(plan(32, IMAGES).override(settings), pictures)


# looks


@pytest.fixture(scope="module")
def generator() -> LookGenerator:
    """One that has learnt to read conditions, on descriptions alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, looks = LookNetwork(64, 2), named(300, 2)
        network.begin_at(drawn_of(looks))
        begin(network, torch.from_numpy(describe(looks)), lookgan.NOISE, 400, 0)
    return LookGenerator(network)


def test_the_same_condition_and_seed_give_the_same_look_alone_or_among_others(generator: LookGenerator) -> None:
    conditions = describe(named(6, 3))
    together = generator.draw(conditions, [7] * 6)
    alone = [generator.draw(conditions[row : row + 1], [7])[0] for row in range(6)]
    assert together == alone
    assert generator.draw(conditions[:1], [8]) != alone[:1]
    assert len({look.model_dump_json() for look in together}) == 6


def test_looks_are_valid_whatever_the_condition(generator: LookGenerator) -> None:
    wild = np.random.default_rng(0).normal(0, 6, (40, 64)).astype(np.float32)
    for look in generator.draw(wild, range(40)):
        assert Look.model_validate(look.model_dump(mode="json")) == look
        assert [p.region for p in look.products] == [region for region in REGIONS if look.on(region)]
        for product in look.products:
            assert product.placement in PLACEMENTS[product.region]
            assert lookgan.LEAST * 0.99 <= product.opacity <= 1


def test_a_generator_comes_back_from_its_folder_and_says_what_it_cannot_read(
    generator: LookGenerator, tmp_path: Path
) -> None:
    conditions = describe(named(5, 4))
    generator.save(tmp_path / "look-gan", card="card", metrics={})
    loaded = LookGenerator.load(tmp_path / "look-gan")
    assert loaded.version == generator.version
    assert loaded.draw(conditions, range(5)) == generator.draw(conditions, range(5))
    config = {"width": 64, "blocks": 2, "description": "look-description@0"}
    write(tmp_path / "old", lookgan.KIND, config, generator.network.state_dict(), card="card")
    with pytest.raises(OutOfDate, match="look-description@0"):
        LookGenerator.load(tmp_path / "old")


@pytest.mark.parametrize("conditions", [np.zeros((2, 63)), np.full((2, 64), np.nan), np.zeros((3, 64))])
def test_conditions_of_another_kind_are_refused(generator: LookGenerator, conditions: np.ndarray) -> None:
    with pytest.raises(BadInput, match="conditions: shape"):
        generator.draw(conditions.astype(np.float32), [1, 2])


def test_what_a_batch_shows_is_what_the_finished_looks_show(generator: LookGenerator, studio: Studio) -> None:
    torch.manual_seed(0)
    drawn = generator.network(torch.randn(6, 64), torch.randn(6, 64))
    again = drawn_of(looks_of(drawn))
    charts = torch.zeros(6, dtype=torch.long)
    with torch.no_grad():
        assert (studio.paint(charts, drawn) - studio.paint(charts, again)).abs().max() < 0.004  # colours are rounded


def test_gradients_reach_every_output_through_the_picture(studio: Studio, pictures: LookPictures) -> None:
    torch.manual_seed(0)
    network = LookNetwork(32, 1)
    network.begin_at(pictures.drawn)
    painted = studio.paint(torch.zeros(32, dtype=torch.long), network(torch.randn(32, 64), torch.randn(32, 64)))
    (painted * torch.randn(painted.shape)).sum().backward()
    grads = [parameter.grad for parameter in network.parameters()]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)
    leave = network.leave.weight.grad
    assert leave is not None
    free = {row for row in range(len(leave)) if not leave[row].abs().sum() > 0}
    # the skin has one placement, so nothing to choose, and where foundation would lighten, it does not
    assert {len(REGIONS) * 9} <= free <= {len(REGIONS) * 9, 0}


# training


def test_a_run_that_was_stopped_equals_one_that_was_not(pictures: LookPictures, tmp_path: Path) -> None:
    whole, first, second = (trainer(pictures) for _ in range(3))
    for _ in range(6):
        whole.step()
    for _ in range(3):
        first.step()
    first.save(tmp_path / CHECKPOINT)
    second.resume(tmp_path / CHECKPOINT)
    for _ in range(3):
        second.step()
    assert same(whole.state(), second.state())
    assert not same(whole.state()["generator"], first.state()["generator"])


def test_a_run_writes_a_checkpoint_a_grid_and_figures(pictures: LookPictures, tmp_path: Path) -> None:
    list(drive(trainer(pictures), LookBook, tmp_path, every=4))
    assert checkpoint.read(tmp_path / CHECKPOINT)["images"] == IMAGES
    assert (tmp_path / "grid.png").stat().st_size > 1000
    assert len((tmp_path / "figures.jsonl").read_text().splitlines()) == 2
    done = trainer(pictures)
    assert list(drive(done, LookBook, tmp_path)) == []
    assert done.images == IMAGES


def test_the_step_moves_the_generator_by_the_pictures_alone(pictures: LookPictures) -> None:
    """With no weight on descriptions and none on contrast, only the discriminator is left to learn from."""
    run = trainer(pictures, colour=0, contrast="0:0:1")
    before = copy.deepcopy(run.generator.state_dict())
    for _ in range(2):
        run.step()
    assert not same(before, run.generator.state_dict())
    assert run.sound()


def test_descriptions_are_free_up_to_the_noise(pictures: LookPictures) -> None:
    run = trainer(pictures)
    drawn = pictures.drawn.rows(torch.arange(8))
    run._drawn = drawn
    own = standardised(seen(drawn))
    batch = run._batch()
    near = type(batch)(batch.pictures, own + 0.9 * run.recipe.noise, batch.category)
    far = type(batch)(batch.pictures, own + 3.0 * run.recipe.noise, batch.category)
    assert run._distance(near, batch.pictures).item() == pytest.approx(0, abs=1e-6)
    assert run._distance(far, batch.pictures).item() == pytest.approx(8 * run.recipe.noise**2, rel=1e-3)


def test_learning_descriptions_makes_looks_follow(generator: LookGenerator) -> None:
    looks = named(100, 5)
    wanted = describe(looks)
    made = describe(generator.draw(wanted, range(100)))
    own = np.linalg.norm(made - wanted, axis=1).mean()
    other = np.linalg.norm(made - np.roll(wanted, 1, 0), axis=1).mean()
    assert own < 0.75 * other


# the judge


class Perfect:
    """Draws exactly the looks that it was asked for, however they were asked for."""

    def __init__(self, looks: list[Look]) -> None:
        self.looks = {describe([look]).tobytes(): look for look in looks}

    def draw(self, conditions: np.ndarray, seeds: Any, noise: float = 0.0) -> list[Look]:
        return [self.looks[row.tobytes()] for row in conditions]


@pytest.mark.slow
def test_the_judge_finds_what_follows_and_controls_fall_to_chance(studio: Studio) -> None:
    judge = LookJudge.trained(named(700, look_judge.SEED), rounds=12, studio=Studio.open(48, ("oval",), (4,)))
    perfect: Any = Perfect(named(120, HELD_OUT) + named(200, HELD_OUT + 1))
    figures = evaluate_looks(perfect, judge, count=120, known=200)
    assert figures["look_retrieval_ceiling"] > 0.2  # twenty times chance
    assert figures["look_retrieval_top1"] == figures["look_retrieval_ceiling"]
    assert figures["look_retrieval_shuffled"] < 0.05
    assert figures["look_lips_de00"] == 0 < figures["look_lips_de00_nearest_real"] < figures["look_lips_de00_shuffled"]
    assert figures["look_spread_ratio"] == 0 < figures["look_spread_shuffled"]
    assert figures["look_precision"] > 0.8
