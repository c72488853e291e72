"""The generator alone, behind the door that the batch's workers have: what their rate is held against."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from persona.batch.types import Make, ShardRecord
from persona.gan import GarmentModel, sample
from persona.settings import Settings

BATCHES = (4, 8, 16, 32, 64)
BATCHES_CUDA = (64, 256)
_REPEATS = 5


@dataclass(frozen=True)
class OpenRaw:
    """Opens what draws `passes` passes of so many pictures for a shard, with so many threads, and keeps none of them.

    A `persona.batch.types.Open`.
    """

    batch: int
    threads: int
    passes: int

    def __call__(self, out: Path, settings: Settings) -> Make:
        """Load the generator."""
        import torch

        torch.set_num_threads(self.threads)
        model = _load(settings)

        def make(shard: int) -> ShardRecord:
            for turn in range(self.passes):
                _draw(model, self.batch, shard + turn)
            drawn = self.batch * self.passes
            return ShardRecord(shard=shard, users=0, rows=0, pictures=drawn, bytes=0, left_out=0, files=())

        return make


def best_batch(settings: Settings) -> int:
    """The number of pictures to a pass with which one thread draws the most."""
    import torch

    torch.set_num_threads(1)
    model = _load(settings)
    rates = {size: _rate(model, size) for size in (BATCHES_CUDA if model.device.type == "cuda" else BATCHES)}
    return max(rates, key=lambda size: rates[size])


def _load(settings: Settings) -> GarmentModel:
    from persona.settings import Arm

    return GarmentModel.load(settings.models / Arm().generator, settings.torch_device)


def _rate(model: GarmentModel, size: int) -> float:
    taken = []
    for turn in range(_REPEATS + 1):
        began = time.perf_counter()
        _draw(model, size, turn)
        taken.append(time.perf_counter() - began)
    return size / statistics.median(taken[1:])


def _draw(model: GarmentModel, batch: int, seed: int) -> None:
    sample(model, model.prior.sample(0, batch, seed=seed), [model.categories[0]] * batch, range(batch))
