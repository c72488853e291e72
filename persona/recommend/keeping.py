"""Stores what was made for a user, unless the user was erased meanwhile: then nothing of it stays."""

from __future__ import annotations

from collections.abc import Sequence

from persona.catalog.pictures import Pictures
from persona.errors import BadInput, NotFound
from persona.store import Store
from persona.store.records import Generation
from persona.taste.table import Floats


def keep(store: Store, pictures: Pictures, generations: Sequence[Generation], features: Floats) -> None:
    """Store one user's generations, whose pictures are stored already, with their content vectors (n, 64).

    Raises NotFound if the user is no longer there; pictures that nobody else refers to are removed before.
    """
    try:
        store.add_generations(generations, features)
    except BadInput as error:
        for picture in {generation.picture for generation in generations}:
            drop(store, pictures, picture)
        raise NotFound(f"user_id: user {generations[0].user_id!r} was erased while the answer was made") from error


def drop(store: Store, pictures: Pictures, picture: str) -> None:
    """Remove a picture's file (by its sha256) unless an item or a generation still refers to it."""
    if store.generation_of_picture(picture) is None and store.item_of_picture(picture) is None:
        pictures.remove(picture)
