"""The random numbers of a run: one stream, from which every process draws a whole batch and takes its own rows."""

from __future__ import annotations

import torch
from torch import Tensor

from persona.gan.ranks import ALONE, Ranks


class Draw:
    """Random numbers on the CPU, so that a run repeats on any device. n: rows of this process."""

    def __init__(self, seed: int, ranks: Ranks = ALONE) -> None:
        self.seed, self.ranks = seed, ranks
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, n: int, *shape: int) -> Tensor:
        """(n, *shape) of mean 0 and deviation 1."""
        return self._own(torch.randn(n * self.ranks.count, *shape, generator=self.generator))

    def uniform(self, n: int, *shape: int) -> Tensor:
        """(n, *shape) from 0 to 1."""
        return self._own(torch.rand(n * self.ranks.count, *shape, generator=self.generator))

    def rows(self, weights: Tensor, n: int) -> Tensor:
        """n indices, int64, with replacement, in proportion to the weights."""
        return self._own(torch.multinomial(weights, n * self.ranks.count, True, generator=self.generator))

    def skip(self, times: int) -> None:
        """Go on with another stream, of a number of its own; the same numbers would lead to the same place."""
        self.generator.manual_seed((self.seed + 1_000_003 * times) % 2**63)

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn.chunk(self.ranks.count)[self.ranks.rank] if self.ranks.count > 1 else drawn
