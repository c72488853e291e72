from dataclasses import replace

import numpy as np
import pytest
import torch

from persona.catalog.pictures import Bytes, premultiply
from persona.errors import BadInput
from persona.settings import Settings
from persona.style.data import SIDE, StyleSet
from persona.style.features import GARMENT, open_features
from persona.style.train import Plan, Trainer

SMALL = Plan(steps=12, batch=2, patches_from=4, own=0.5)


def clothes(n: int = 64) -> Bytes:
    """Discs of noise in random colours, (n, SIDE, SIDE, 4)."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    alpha = np.clip((0.45 - np.hypot(rows - 0.5, columns - 0.5)) * 30, 0, 1)
    pictures = []
    for _ in range(n):
        rgb = np.clip(draw.integers(0, 256, 3) + draw.normal(0, 15, (SIDE, SIDE, 1)), 0, 255)
        pictures.append(premultiply(np.dstack([rgb, 255 * alpha]).round().astype(np.uint8)))
    return np.stack(pictures)


@pytest.fixture(scope="module")
def data() -> StyleSet:
    return StyleSet(clothes(), [np.random.default_rng(1).integers(0, 256, (200, 150, 3), dtype=np.uint8)])


def trainer(data: StyleSet, plan: Plan = SMALL) -> Trainer:
    return Trainer(data, open_features(GARMENT, Settings().models), plan)


def weights(one: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in one.averaged.parameters()])


@pytest.mark.slow
def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(data: StyleSet) -> None:
    plan = replace(SMALL, steps=6)
    whole = trainer(data, plan)
    for _ in whole.run():
        pass
    first = trainer(data, plan)
    for _ in range(3):
        first.step()
    second = trainer(data, plan)
    second.restore(first.state())
    for _ in second.run():
        pass
    assert second.steps == whole.steps == 6
    assert torch.equal(weights(second), weights(whole))


@pytest.mark.slow
def test_another_seed_is_another_run(data: StyleSet) -> None:
    one, other = (trainer(data, replace(SMALL, seed=seed)) for seed in (0, 1))
    one.step()
    other.step()
    assert not torch.equal(weights(one), weights(other))


def test_a_state_of_other_options_is_refused(data: StyleSet) -> None:
    state = trainer(data).state()
    with pytest.raises(BadInput, match="other options"):
        trainer(data, replace(SMALL, rate=0.5)).restore(state)


@pytest.mark.slow
def test_patches_are_judged_from_their_step_on_and_all_losses_are_finite(data: StyleSet) -> None:
    run = trainer(data)
    for _ in range(4):
        run.step()
    assert "adversarial" not in run.losses
    run.step()
    assert {"content", "style", "identity", "adversarial", "discriminator"} == set(run.losses)
    assert all(np.isfinite(value) for value in run.losses.values())


@pytest.mark.slow
def test_learning_brings_one_picture_nearer_to_one_style(data: StyleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown nothing but one pair, the decoder learns that pair: the losses lead where they should."""
    run = trainer(data, Plan(steps=40, batch=2, own=0.0, adversarial=0.0, content=0.0))
    contents = data.contents(2, torch.Generator().manual_seed(3))
    styles = data.styles(2, torch.Generator().manual_seed(4))
    monkeypatch.setattr(data, "contents", lambda n, draw: contents)
    monkeypatch.setattr(data, "styles", lambda n, draw: styles)
    losses = [state.losses["style"] for state in run.run()]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_crops_follow_their_generator_and_lie_in_range(data: StyleSet) -> None:
    one, same = (data.styles(6, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one.rgb, same.rgb)
    assert one.rgb.shape == (6, 3, SIDE, SIDE)
    assert one.rgb.min() >= 0
    assert one.rgb.max() <= 1
    assert (one.mask.mean((1, 2, 3)) > 0.1).all()


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(BadInput, match="64"):
        StyleSet(clothes(3), [])
    with pytest.raises(BadInput, match="steps"):
        Plan(steps=0)
