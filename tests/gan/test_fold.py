"""Folding, and drawing with what was folded: the same pictures as of the generator that was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from persona.gan import GarmentModel, sample
from persona.gan.fold import FoldedNorm, fold
from persona.gan.networks import ConditionalBatchNorm, LowPass

from .nets import stirred, stirred_model
from .small import NAMES


@pytest.fixture(scope="module")
def model() -> GarmentModel:
    return stirred_model()


def arguments(n: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(n, 64, dtype=dtype), torch.randn(n, 64, dtype=dtype), torch.arange(n) % len(NAMES)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_folded_is_the_generator_to_the_last_digits(size: int) -> None:
    generator = stirred(size).double()
    given = arguments(5, torch.float64)
    with torch.no_grad():
        wanted, folded = generator(*given), fold(generator)(*given)
        assert wanted.std() > 0.1
        assert (folded - wanted).abs().max() < 1e-12
        single = fold(generator.float())(*(part.float() if part.is_floating_point() else part for part in given))
    assert (single - wanted).abs().max() < 1e-3  # an eighth of a level of 255


def test_no_norm_is_left_and_the_generator_stays_as_it_was() -> None:
    generator = stirred()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    folded = fold(generator)
    kinds = [type(layer) for layer in folded.modules()]
    assert nn.BatchNorm2d not in kinds
    assert kinds.count(FoldedNorm) == 2 * len(generator.stages)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert isinstance(generator.stages["4"].norm1, ConditionalBatchNorm)


def test_a_stage_can_have_a_style_of_its_own_and_gradients_flow(model: GarmentModel) -> None:
    styles = [torch.randn(2, 192, requires_grad=True) for _ in model.generator.stages]
    drawn = model.draw(styles)
    assert (drawn - model.generator.draw(styles)).abs().max() < 1e-3
    gradients = torch.autograd.grad(drawn.square().sum(), styles)
    wanted = torch.autograd.grad(model.generator.draw(styles).square().sum(), styles)
    for gradient, expected in zip(gradients, wanted):
        assert expected.abs().max() > 0
        assert (gradient - expected).norm() < 1e-3 * expected.norm()


def test_pictures_are_the_trained_generators_within_a_level(model: GarmentModel) -> None:
    conditions = np.random.default_rng(0).normal(size=(19, 64)).astype(np.float32)
    names = [NAMES[i % 3] for i in range(19)]
    z = torch.stack([torch.randn(64, generator=torch.Generator().manual_seed(seed)) for seed in range(19)])
    with torch.no_grad():
        raw = model.generator(0.8 * z, torch.from_numpy(conditions), torch.arange(19) % 3)
    wanted = ((raw + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(sample(model, conditions, names, range(19)) - wanted).max() <= 1


def test_a_model_that_has_drawn_saves_what_was_trained(model: GarmentModel, tmp_path: Path) -> None:
    sample(model, np.zeros((1, 64), np.float32), ["bar"], [0])
    model.save(tmp_path / "garment", width=0.1, card="A card.", metrics={})
    again = GarmentModel.load(tmp_path / "garment")
    halves = {name: value.half().to(value.dtype) for name, value in model.generator.state_dict().items()}
    assert all(torch.equal(value, halves[name].to(value)) for name, value in again.generator.state_dict().items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_in_half_precision_the_same_within_three_levels(tmp_path: Path, model: GarmentModel) -> None:
    model.save(tmp_path / "garment", width=0.1, card="A card.", metrics={})
    conditions = np.random.default_rng(0).normal(size=(19, 64)).astype(np.float32)
    on_cpu, on_gpu = (GarmentModel.load(tmp_path / "garment", device) for device in ("cpu", "cuda"))
    assert (on_cpu.precision, on_gpu.precision) == (torch.float32, torch.float16)
    one, other = (sample(m, conditions, ["disc"] * 19, range(19)) for m in (on_cpu, on_gpu))
    assert np.abs(one.astype(int) - other).max() <= 3
    assert np.array_equal(other, sample(on_gpu, conditions, ["disc"] * 19, range(19)))


def test_the_low_pass_is_two_pools_and_leaves_no_highest_frequency() -> None:
    x = torch.randn(2, 3, 10, 8, dtype=torch.float64)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(LowPass(3).double()(x), F.avg_pool2d(F.avg_pool2d(padded, 2, 1), 2, 1))
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert LowPass(1)(board[None, None])[..., 1:-1, 1:-1].abs().max() == 0
    assert LowPass(3).state_dict() == {}  # it is no weight: folders and checkpoints from before it still fit


@given(
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=40),
    chosen=st.data(), scale=st.floats(0, 3), truncation=st.floats(0, 1.5),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_companions_move_a_picture_by_a_level_at_most(
    model: GarmentModel, seeds: list[int], chosen: st.DataObject, scale: float, truncation: float
) -> None:
    n = len(seeds)
    conditions = (scale * np.random.default_rng(n).normal(size=(n, 64))).astype(np.float32)
    names = [NAMES[seed % 3] for seed in seeds]
    together = sample(model, conditions, names, seeds, truncation)
    row = chosen.draw(st.integers(0, n - 1))
    alone = sample(model, conditions[row : row + 1], names[row : row + 1], seeds[row : row + 1], truncation)
    assert np.abs(together[row].astype(int) - alone[0]).max() <= 1
