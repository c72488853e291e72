"""Stores what was made for a user, unless the user was erased meanwhile: then nothing of it stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona.batcher import Batcher
from persona.caller import CALLER
from persona.catalog.pictures import Pictures
from persona.errors import BadInput, Busy, NotFound
from persona.store import Store
from persona.store.records import Generation
from persona.taste.table import Floats

TOGETHER = 64  # requests whose generations are stored in one transaction
WAIT = 0.02  # seconds for others to come, at most, and only while they do
MOST_WAITING = 8192  # requests; more than are ever let in


@dataclass(frozen=True)
class _Made:
    """One request's generations, with their content vectors (n, 64)."""

    generations: tuple[Generation, ...]
    features: Floats


class Keeper:
    """Stores generations; those of requests that come at the same time in one transaction, since a commit waits for
    the disk once, however much is in it. Safe to share between threads."""

    def __init__(self, store: Store, pictures: Pictures) -> None:
        self._store, self._pictures = store, pictures
        self._batcher: Batcher[_Made, None] = Batcher("keep", self._keep, batch=TOGETHER, wait=WAIT, most=MOST_WAITING)

    def keep(self, generations: Sequence[Generation], features: Floats) -> None:
        """Store one user's generations, whose pictures are stored already, with their content vectors (n, 64).

        Those that are stored already stay as they are. Raises NotFound if the user is no longer there; pictures that
        nobody else refers to are removed before. No deadline counts here: half done it would leave pictures behind.
        """
        before = CALLER.set(replace(CALLER.get(), deadline=None))
        try:
            self._batcher.results([_Made(tuple(generations), features)])
        except (BadInput, Busy) as error:
            for picture in {generation.picture for generation in generations}:
                drop(self._store, self._pictures, picture)
            if isinstance(error, Busy):
                raise
            raise NotFound(f"user_id: user {generations[0].user_id!r} was erased while the answer was made") from error
        finally:
            CALLER.reset(before)

    def close(self) -> None:
        """Finish what was accepted, and stop."""
        self._batcher.close()

    def _keep(self, made: Sequence[_Made]) -> list[None]:
        ids = {generation.id for one in made for generation in one.generations}
        known = self._store.generation_features(ids)
        new = {g.id: (g, feature) for one in made for g, feature in zip(one.generations, one.features)}
        rows = [pair for name, pair in new.items() if name not in known]
        if rows:
            self._store.add_generations([row for row, _ in rows], np.stack([feature for _, feature in rows]))
        return [None] * len(made)


def drop(store: Store, pictures: Pictures, picture: str) -> None:
    """Remove a picture's file (by its sha256) unless an item or a generation still refers to it."""
    if store.generation_of_picture(picture) is None and store.item_of_picture(picture) is None:
        pictures.remove(picture)
