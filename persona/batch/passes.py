"""Draws what users wish for in full passes, whoever the wishes are of: the same bits as for each alone, and sooner."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from persona.gan.model import Code
from persona.metrics import GENERATED
from persona.recommend.drawing import Drawer, in_passes
from persona.recommend.garments import Wish
from persona.taste.table import Floats

Picture = tuple[NDArray[np.uint8], Floats]
"""A drawn picture, premultiplied uint8 (size, size, 4), and its content vector (64,)."""


class Wisher:
    """Somebody with wishes. drawer: whose models draw them; drawn: the pictures, in the order of the wishes."""

    def __init__(self, drawer: Drawer) -> None:
        self.drawer = drawer
        self.wishes: list[Wish] = []
        self.drawn: list[Picture] = []


W = TypeVar("W", bound=Wisher)


@dataclass
class _Line(Generic[W]):
    """What waits for one generator: users and how many of their wishes were handed out; the codes that wait."""

    drawer: Drawer
    waiting: deque[tuple[W, Wish]] = field(default_factory=deque)

    def draw(self, least: int) -> None:
        """Draw whole passes while at least so many wishes wait; the last one is filled up."""
        size = self.drawer.largest
        while len(self.waiting) >= least:
            taken = [self.waiting.popleft() for _ in range(min(size, len(self.waiting)))]
            for (user, _), picture in zip(taken, _pass(self.drawer, [wish.code for _, wish in taken]), strict=True):
                user.drawn.append(picture)


def drawn_together(users: Generator[W, None, None], most: int) -> Generator[W, None, None]:
    """Yield the users in their order, each once all its wishes are drawn. most: users held back for a full pass."""
    lines: dict[str, _Line[W]] = {}
    held: deque[W] = deque()
    with closing(users):
        for user in users:
            held.append(user)
            line = lines.setdefault(user.drawer.generator.version, _Line(user.drawer))
            line.waiting.extend((user, wish) for wish in user.wishes)
            line.draw(user.drawer.largest)
            if len(held) > most:  # the first waits for an arm of few users, whose passes fill slowly
                lines[held[0].drawer.generator.version].draw(1)
            yield from _ready(held)
        for line in lines.values():
            line.draw(1)
        yield from _ready(held)


def _ready(held: deque[W]) -> Iterator[W]:
    while held and len(held[0].drawn) == len(held[0].wishes):
        yield held.popleft()


def _pass(drawer: Drawer, codes: Sequence[Code]) -> list[Picture]:
    GENERATED.labels(drawer.generator.version).inc(len(codes))
    pictures, features = in_passes(drawer.generator, drawer.visual, codes, [drawer.largest])
    return list(zip(pictures, features))
