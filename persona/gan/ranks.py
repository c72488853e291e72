"""Several processes that train one model (`torchrun`): each shows its share of every batch, and all stay equal.

Gradients are averaged by hand, because a wrapper such as DistributedDataParallel does not see the second-order
gradients of the penalties. Batch norm takes its statistics over all shares, and random numbers are drawn for the
whole batch by everybody (`persona.gan.draw`): a run is the same on any number of processes, but for rounding and for
the terms that pair the pictures of a batch with each other, which pair within a share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from persona.errors import BadInput

PATIENCE = timedelta(hours=2)  # the others wait while the first imports a catalogue
MOMENTUM = 0.1  # of batch norm; torch's own default


@dataclass(frozen=True)
class Ranks:
    """This process's number among `count`. The first one leads: it alone writes and prints."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Pictures of a batch that one process shows. Raises BadInput where they cannot be shared out evenly."""
        if batch % self.count or batch < 2 * self.count:
            raise BadInput(
                "batch", f"{batch} cannot be shared by {self.count} processes; wanted a multiple, at least 2 each"
            )
        return batch // self.count

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(mean.view(gradient.shape))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in one of the processes; all have to ask."""
        if self.count == 1:
            return flag
        told = torch.tensor(float(flag), device=device)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return bool(told)

    def wait(self) -> None:
        """Return when all the processes have come here."""
        if self.count > 1:
            dist.barrier()

    def share_statistics(self, module: nn.Module) -> None:
        """Let the batch norms within take their statistics over the shares of all processes, in place."""
        if self.count == 1:
            return
        for layer in list(module.modules()):
            for name, child in layer.named_children():
                if type(child) is nn.BatchNorm2d:
                    setattr(layer, name, SharedBatchNorm(child.num_features, self.count))


ALONE = Ranks()


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm without affine part over the shares of all processes; torch's SyncBatchNorm is for GPUs only."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__(channels, momentum=MOMENTUM, affine=False)
        self.count = count
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w), normalised; in training every process has to call it."""
        if not self.training:
            return super().forward(x)
        wide, n = x.float(), self.count * x.numel() // x.shape[1]
        sums = _SumOfAll.apply(torch.stack([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3))])) / n
        mean = sums[0]
        variance = (sums[1] - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, MOMENTUM)
            self.running_var.lerp_(variance * n / (n - 1), MOMENTUM)
        gain = (variance + self.eps).rsqrt()
        return ((wide - mean[:, None, None]) * gain[:, None, None]).to(x.dtype)


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """This process among those that torchrun started (alone, where it did not), and the device it computes on."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(), torch.device(device)
        return
    place = torch.device(device)
    if place.type == "cuda":
        place = torch.device("cuda", local := int(os.environ["LOCAL_RANK"]))
        if local >= torch.cuda.device_count():
            raise BadInput("--nproc-per-node", f"more than this machine's {torch.cuda.device_count()} graphics cards")
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(dist.get_rank(), count), place
    finally:
        dist.destroy_process_group()
