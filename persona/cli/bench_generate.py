"""How fast the shipped generator draws, and how near that is to what the processor can multiply."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from persona.cli.threads import set_threads
from persona.gan import GarmentModel, sample
from persona.settings import load_settings

BATCHES = (1, 4, 16, 64)
SECONDS = 3.0  # of repetitions for each batch size, after one that warms up
_SIDE = 1536  # of the matrices whose product tells what the processor can do

Measured = tuple[dict[str, Any], dict[str, str]]


def measure() -> Measured:
    """Pictures a second by batch size, GFLOP a picture, matmul GFLOP/s, and the best batch's share of that limit."""
    settings = load_settings()
    set_threads(settings)
    model = GarmentModel.load(settings.models / "garment-64")
    per_second = {str(n): n / _median_seconds(partial(_draw, model, n)) for n in BATCHES}
    with FlopCounterMode(display=False) as counter:
        _draw(model, 16)
    gflops = counter.get_total_flops() / 16 / 1e9
    limit = _matmul_gflops()
    values: dict[str, Any] = {
        "pictures_per_s": per_second,
        "gflops_per_picture": gflops,
        "matmul_gflops_per_s": limit,
        "share_of_limit": max(per_second.values()) * gflops / limit,
        "threads": torch.get_num_threads(),
        "model": model.version,
    }
    return values, {}


def _draw(model: GarmentModel, batch: int) -> None:
    conditions = np.zeros((batch, 64), np.float32)
    sample(model, conditions, [model.categories[0]] * batch, list(range(batch)))


def _matmul_gflops() -> float:
    a, b = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
    return 2 * _SIDE**3 / 1e9 / _median_seconds(partial(torch.mm, a, b))


def _median_seconds(act: Callable[[], object]) -> float:
    """Median time of an act, repeated for SECONDS and at least three times."""
    act()
    times: list[float] = []
    while sum(times) < SECONDS or len(times) < 3:
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
