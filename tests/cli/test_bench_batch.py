"""What `persona bench batch` makes of what it sees."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from persona.cli.bench_batch import steady
from persona.cli.bench_company import Companies, peak_mb
from persona.cli.bench_company import Filled as Company
from persona.cli.bench_raw import OpenRaw
from persona.errors import Unavailable
from persona.settings import load_settings


def test_a_rate_counts_while_every_worker_works() -> None:
    assert steady([5.0, 6.0, 7.0, 8.0], [400, 10, 20, 30], workers=1) == pytest.approx(60 / 3)  # starting is no drawing
    ends = [5.0, 5.5, 7.0, 7.5, 9.0, 20.0]  # the last shard was made while the other worker had none left
    assert steady(ends, [100, 100, 20, 21, 22, 23], workers=2) == pytest.approx((20 + 21 + 22) / 3.5)


def test_the_generator_alone_says_what_it_drew(tmp_path: Path) -> None:
    make = OpenRaw(batch=2, threads=torch.get_num_threads(), passes=3)(tmp_path, load_settings())
    assert (make(7).shard, make(7).pictures) == (7, 6)


@pytest.mark.slow
def test_a_run_that_fails_is_no_measurement(tmp_path: Path) -> None:
    missing = Company(tmp_path, f"sqlite:///{tmp_path / 'none.db'}", 0.0)
    with pytest.raises(Unavailable, match="ended with status 2"):
        peak_mb(Companies(), missing)
