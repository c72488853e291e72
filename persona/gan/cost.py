"""What a run will cost, before it is begun: operations counted, steps timed, and where the time goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from persona.gan.networks import CONDITION, LATENT
from persona.gan.train import Trainer
from persona.memory import peak_memory

STEPS = 8  # timed or profiled at least; a whole round of the lazy penalty


def cost(trainer: Trainer) -> dict[str, float]:
    """Parameters, GFLOP a picture (a multiply-add is two), pictures a second, hours and memory; trains a few steps.

    gflop_trained: for a picture shown in training, forward, backward and penalties of both networks.
    """
    recipe, every = trainer.recipe, trainer.recipe.penalty_every
    generated = _gflop(trainer, forward=True)
    lazy, plain = _gflop(trainer), _gflop(trainer)  # the first step has the penalty
    seconds = _seconds(trainer, steps := max(STEPS, every))
    rate = steps * recipe.batch / seconds
    return {
        "parameters_generator": sum(p.numel() for p in trainer.generator.parameters()),
        "parameters_discriminator": sum(p.numel() for p in trainer.discriminator.parameters()),
        "gflop_generated": generated,
        "gflop_trained": (lazy + (every - 1) * plain) / every,
        "pictures_per_s": rate,
        "hours": recipe.images / rate / 3600,
        "memory_mib": _peak_memory(trainer.device),
    }


def profiled(trainer: Trainer, out: Path) -> str:
    """Profile some steps after a first one: a table by operator, and in `out` a trace for Perfetto."""
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (trainer.device.type == "cuda")
    trainer.step()
    with profile(activities=activities) as found:
        for _ in range(STEPS):
            trainer.step()
    if trainer.ranks.leads:
        out.mkdir(parents=True, exist_ok=True)
        found.export_chrome_trace(str(out / "trace.json.gz"))
    key = "self_cuda_time_total" if trainer.device.type == "cuda" else "self_cpu_time_total"
    return str(found.key_averages().table(sort_by=key, row_limit=20, max_name_column_width=40))


class _Counter(TorchDispatchMode):
    """Adds up floating-point operations; torch's FlopCounterMode cannot follow the gradients within a penalty."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def _gflop(trainer: Trainer, *, forward: bool = False) -> float:
    n, device = trainer.share, trainer.device
    with _Counter() as counter:
        if forward:
            z, condition = (torch.zeros(n, length, device=device) for length in (LATENT, CONDITION))
            with torch.no_grad():
                trainer.average.eval()(z, condition, torch.zeros(n, dtype=torch.int64, device=device))
        else:
            trainer.step()
    return counter.total / n / 1e9


def _seconds(trainer: Trainer, steps: int) -> float:
    wait = torch.cuda.synchronize if trainer.device.type == "cuda" else lambda: None
    wait()
    began = time.monotonic()
    for _ in range(steps):
        trainer.step()
    wait()
    return time.monotonic() - began


def _peak_memory(device: torch.device) -> float:
    """Of the graphics card, or of this process where there is none, MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return peak_memory()
