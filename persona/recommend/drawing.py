"""Draws for many at once: pictures from the generator and content vectors from the visual network, in batches.

The bits of a picture depend on how many are drawn at once, not on which. So every pass has one of a few fixed sizes
that were seen to agree, filled up where fewer are wanted: a wish gives the same picture, whatever it is drawn with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from persona.batcher import Batcher
from persona.catalog.measure import measure_all
from persona.catalog.visual import VisualNetwork
from persona.gan import GarmentModel
from persona.gan.model import Code, render
from persona.metrics import GENERATED
from persona.recommend.seeds import derive
from persona.recommend.shelf import Drawn
from persona.settings import Settings
from persona.taste.table import Floats
from persona.turns import prompt

SMALLEST = 4  # pictures to a pass, where their bits agree with the largest one's; fewer never do, on the CPUs seen
TRIED = 4  # passes of the largest size by which agreement is judged


class Wanted(NamedTuple):
    """code: of one picture. patterned: whether its pattern is to be measured, too, which takes four times as long as to
    draw it."""

    code: Code
    patterned: bool = False


class Drawer:
    """One generator, and what reads its pictures, in a thread of their own. Safe to share between threads.

    The reading is done there too: other threads that compute would only take Python's lock from the models.
    """

    def __init__(self, generator: GarmentModel, visual: VisualNetwork, settings: Settings | None = None) -> None:
        """settings: its batch_most (`largest`), batch_wait_ms and queue_most count; None for their defaults."""
        chosen = settings or Settings.model_construct()
        self.generator, self.visual, self.largest = generator, visual, chosen.batch_most
        self._batcher: Batcher[Wanted, Drawn] = Batcher(
            "draw", self._draw, batch=self.largest, wait=chosen.batch_wait_ms / 1000, most=chosen.queue_most
        )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Pictures to a pass: sizes that draw the same bits here, the largest last. Tried out at first use."""
        return _agreeing_sizes(self.generator, self.visual, self.largest)

    @property
    def healthy(self) -> bool:
        """Whether neither model hangs."""
        return self._batcher.healthy

    def warm(self) -> None:
        """Have both models do something, as they will do it."""
        names, prior = self.generator.categories, self.generator.prior
        self.draw([Wanted(Code.of(prior.sample(0, 1, 0), names[:1], [0]))])

    def draw(self, wanted: Sequence[Wanted]) -> list[Drawn]:
        """Pictures, with what is read from them. Raises as `Batcher.results`."""
        return self._batcher.results(wanted)

    def close(self) -> None:
        """Finish what was accepted, and stop."""
        self._batcher.close()

    def _draw(self, wanted: Sequence[Wanted]) -> list[Drawn]:
        GENERATED.labels(self.generator.version).inc(len(wanted))
        with prompt():
            pictures, features = in_passes(self.generator, self.visual, [one.code for one in wanted], self.sizes)
            measured = measure_all(list(pictures), [one.patterned for one in wanted])
        return list(map(Drawn, pictures, features, measured))


def in_passes(
    generator: GarmentModel, visual: VisualNetwork, codes: Sequence[Code], sizes: Sequence[int]
) -> tuple[NDArray[np.uint8], Floats]:
    """Pictures uint8 (n, size, size, 4) of codes of one picture each, and their content vectors float32 (n, 64).

    sizes: pictures to a pass, the largest last.
    """
    pictures = by_passes(codes, sizes, lambda part: render(generator, _joined(part)))
    return pictures, by_passes(list(pictures), sizes, lambda part: visual.features(np.stack(part)))


def by_passes(values: Sequence, sizes: Sequence[int], work: Callable[[Sequence], NDArray]) -> NDArray:
    """Results for values, one or more, (n, ...), by passes of one of these sizes, filled up with the last one."""
    largest, results = sizes[-1], []
    for start in range(0, len(values), largest):
        part = list(values[start : start + largest])
        size = next(size for size in sizes if size >= len(part))
        results.append(work(part + part[-1:] * (size - len(part)))[: len(part)])
    return np.concatenate(results)


def _joined(codes: Sequence[Code]) -> Code:
    return Code(
        np.concatenate([code.z for code in codes]),
        np.concatenate([code.condition for code in codes]),
        tuple(name for code in codes for name in code.category),
    )


def _agreeing_sizes(generator: GarmentModel, visual: VisualNetwork, largest: int) -> tuple[int, ...]:
    """Sizes of passes, the largest last. A smaller one is among them where it gave the same bits for every trial."""
    if largest <= SMALLEST:
        return (largest,)
    count, names = TRIED * largest, generator.categories
    kinds = [n % len(names) for n in range(count)]
    conditions = np.concatenate([generator.prior.sample(kind, 1, derive(n, "trial")) for n, kind in enumerate(kinds)])
    code = Code.of(conditions, [names[kind] for kind in kinds], range(count))
    codes = [code[n : n + 1] for n in range(count)]
    trials = (in_passes(generator, visual, codes, [size]) for size in (largest, SMALLEST))
    (pictures, features), (same, alike) = trials
    agree = np.array_equal(pictures, same) and np.array_equal(features, alike)
    return (SMALLEST, largest) if agree else (largest,)
