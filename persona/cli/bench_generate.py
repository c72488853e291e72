"""How fast a generator draws, and how near that is to what the processor, and the GPU if there is one, can multiply."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from persona.cli.threads import set_threads
from persona.gan import GarmentModel, sample
from persona.settings import load_settings

BATCHES = (1, 8, 64)
BATCHES_CUDA = (*BATCHES, 256)
SECONDS = 12.0  # of repetitions in all, after one that warms up
MATMULS = {"cpu": (1536, torch.float32), "cuda": (8192, torch.bfloat16)}  # side of the matrices, and what they hold

Measured = tuple[dict[str, Any], dict[str, str]]


def measure(name: str) -> Measured:
    """Pictures a second by batch size, GFLOP a picture, matmul GFLOP/s, and the best batch's share of that limit.

    name: of a model folder in the settings' models. Without a GPU its two figures are None, with the reason.
    """
    settings = load_settings()
    set_threads(settings)
    folder = settings.models / name
    model = GarmentModel.load(folder)
    values = speeds(model, BATCHES, SECONDS) | {"threads": torch.get_num_threads(), "model": model.version}
    if not torch.cuda.is_available():
        return values, dict.fromkeys(("gpu_pictures_per_s", "gpu_share_of_bf16_limit"), "no GPU here")
    on_gpu = speeds(GarmentModel.load(folder, "cuda"), BATCHES_CUDA, SECONDS)
    names = {"pictures_per_s": "gpu_pictures_per_s", "share_of_limit": "gpu_share_of_bf16_limit"}
    return values | {names.get(key, f"gpu_{key}"): value for key, value in on_gpu.items()}, {}


def speeds(model: GarmentModel, batches: Sequence[int], seconds: float) -> dict[str, Any]:
    """Figures of a model where it lives, by `sample` from seeds to uint8 pictures in memory: see `measure`.

    The limit is float32 products on a CPU, which draws in float32, and bfloat16 ones on a GPU, which draws in float16.
    """
    side, dtype = MATMULS[model.device.type]
    a, b = torch.rand(2, side, side, dtype=dtype, device=model.device)
    acts = {n: partial(_draw, model, n) for n in batches} | {0: lambda: _finish(a @ b)}
    took = median_seconds(acts, seconds)
    per_second = {str(n): n / took[n] for n in batches}
    gflops, limit = _gflops(model), 2 * side**3 / 1e9 / took[0]
    return {
        "pictures_per_s": per_second,
        "gflops_per_picture": gflops,
        "matmul_gflops_per_s": limit,
        "share_of_limit": max(per_second.values()) * gflops / limit,
        "precision": str(model.precision).removeprefix("torch."),
    }


def median_seconds(acts: Mapping[int, Callable[[], object]], seconds: float) -> dict[int, float]:
    """Median time of each act. They take turns, at least three, so that a slow minute is every one's alike."""
    times: dict[int, list[float]] = {name: [] for name in acts}
    for act in acts.values():
        act()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends or min(map(len, times.values())) < 3:
        for name, act in acts.items():
            began = time.perf_counter()
            act()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in times.items()}


def _draw(model: GarmentModel, batch: int) -> None:
    sample(model, model.prior.sample(0, batch, seed=0), [model.categories[0]] * batch, range(batch))


def _gflops(model: GarmentModel) -> float:
    with FlopCounterMode(display=False) as counter:
        _draw(model, 8)
    return counter.get_total_flops() / 8 / 1e9


def _finish(product: torch.Tensor) -> None:
    if product.is_cuda:
        torch.cuda.synchronize()
