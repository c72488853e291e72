"""Two processes train as one would: the same gradients, the same weights in both, and one that writes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from persona.errors import BadInput
from persona.gan.draw import Draw
from persona.gan.ranks import Ranks
from persona.gan.train import Trainer

from .child import LOSSES, RANKED, first_gradients
from .small import garments

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """What two processes that torchrun started have computed."""
    out = tmp_path_factory.mktemp("ranks")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "-m", "tests.gan.child", "ranked", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return out, [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("loss", LOSSES)
def test_two_shares_of_a_batch_have_the_gradient_of_the_whole(
    loss: str, both: tuple[Path, list[dict[str, Any]]]
) -> None:
    whole = first_gradients(Trainer(replace(RANKED, loss=loss), garments()))
    for shared in both[1]:
        assert shared[loss].keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(shared[loss][name], gradient, rtol=1e-3, atol=1e-6 + 1e-4 * gradient.abs().max())


def test_both_end_with_the_same_weights_and_statistics(both: tuple[Path, list[dict[str, Any]]]) -> None:
    first, second = both[1]
    assert first["images"] == second["images"] == RANKED.images
    for part in ("weights", "statistics"):
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])


def test_only_the_first_writes(both: tuple[Path, list[dict[str, Any]]]) -> None:
    out = both[0]
    assert {"checkpoint.pt", "figures.jsonl", "grid.png"} <= {path.name for path in (out / "run-0").iterdir()}
    assert list((out / "run-1").iterdir()) == []


def test_when_one_is_asked_to_stop_all_stop_after_the_same_step(both: tuple[Path, list[dict[str, Any]]]) -> None:
    out, (first, second) = both
    assert 0 < first["stopped"] == second["stopped"] < 800
    assert (out / "stopped-0" / "checkpoint.pt").exists()


def test_each_draws_rows_of_its_own_from_what_one_would_draw() -> None:
    one, parts = Draw(3), [Draw(3, Ranks(rank, 3)) for rank in range(3)]
    assert torch.equal(torch.cat([part.normal(2, 5) for part in parts]), one.normal(6, 5))
    assert torch.equal(torch.cat([part.rows(torch.ones(50), 4) for part in parts]), one.rows(torch.ones(50), 12))
    assert torch.equal(torch.cat([part.uniform(1) for part in parts]), one.uniform(3))


@pytest.mark.parametrize(("batch", "count"), [(10, 4), (4, 4)])
def test_a_batch_that_cannot_be_shared_out_is_refused(batch: int, count: int) -> None:
    with pytest.raises(BadInput, match=f"batch: {batch} cannot be shared by {count} processes"):
        Trainer(replace(RANKED, batch=batch), garments(), ranks=Ranks(0, count))
