"""The cost of a run, against operations counted by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from persona.gan.cost import cost, profiled
from persona.gan.recipe import Recipe
from persona.gan.train import Trainer

from .small import garments

TINY = Recipe(size=32, images=64_000, width=0.2, batch=8, half=False, penalty_every=2)


def by_hand(network: nn.Module, *given: torch.Tensor) -> float:
    """GFLOP of one pass: two for each multiply-add of convolutions (fixed ones too) and linear layers."""
    total = 0

    def count(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        nonlocal total
        weight = getattr(layer, "weight", getattr(layer, "kernel", None))
        if weight is not None and not isinstance(layer, nn.Embedding):
            total += 2 * out.numel() * weight[0].numel()

    for layer in network.modules():
        layer.register_forward_hook(count)
    with torch.no_grad():
        network(*given)
    return total / 1e9


def test_operations_and_parameters_are_counted() -> None:
    trainer = Trainer(TINY, garments())
    found = cost(trainer)
    z, condition, category = torch.zeros(1, 64), torch.zeros(1, 64), torch.zeros(1, dtype=torch.int64)
    generated = by_hand(trainer.average, z, condition, category)
    assert found["gflop_generated"] == pytest.approx(generated, rel=1e-6)
    judged = by_hand(trainer.discriminator, torch.zeros(1, 4, 32, 32), condition, category)
    # forward and backward: G once, D for real, fake and fake again; the penalties are as much again, half the time
    assert 3 * generated + 8 * judged < found["gflop_trained"] < 3 * generated + 18 * judged
    assert found["parameters_generator"] == sum(p.numel() for p in trainer.generator.parameters())
    assert found["hours"] == pytest.approx(64_000 / found["pictures_per_s"] / 3600)
    assert found["memory_mib"] > 10


@pytest.mark.slow
def test_a_profile_has_a_table_and_a_trace(tmp_path: Path) -> None:
    table = profiled(Trainer(TINY, garments()), tmp_path / "out")
    assert "aten::convolution_backward" in table
    with gzip.open(tmp_path / "out" / "trace.json.gz") as file:
        assert json.load(file)["traceEvents"]
