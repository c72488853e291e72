"""Looks to choose from: those that ship, in the shades for a skin, those of the store, and what users saved.

A saved look is an item that belongs to its user and is erased with them. It says nothing of the face that wore it.
"""

from __future__ import annotations

from uuid import uuid4

from persona.errors import BadInput, NotFound
from persona.makeup.analysis import Monk
from persona.makeup.look import Lab, Look
from persona.makeup.named import named_looks
from persona.recommend.makeup_types import ListedLook
from persona.store import Store
from persona.store.records import Item, Rights

MOST_SAVED = 200  # looks of one user
USUAL_TONE: Monk = 5  # where nobody said a tone
_RIGHTS = Rights(licence="private", source="saved by its user")


class Lookbook:
    """The looks of a store, and those that ship, which need not be in it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, look_id: str, user_id: str | None = None, tone: Monk | None = None, skin: Lab | None = None) -> Look:
        """A look by its id: one that ships, in the shades for this skin, one of the store, or one that this user saved.

        tone: of the Monk scale; skin: measured colour, CIELAB. Raises NotFound.
        """
        found = next((look for name, look, _ in self._all(user_id, tone, skin) if name == look_id), None)
        if found is None:
            whose = f" and user {user_id!r} saved none" if user_id else "; a saved one is found with its user_id"
            raise NotFound(f"look_id: there is no look {look_id!r}{whose}: see /v1/makeup/looks")
        return found

    def shared(self, tone: Monk | None = None, skin: Lab | None = None) -> list[tuple[str, Look]]:
        """The looks that are everybody's, in the shades for this skin where they have such."""
        return [(name, look) for name, look, saved in self._all(None, tone, skin) if not saved]

    def listed(self, user_id: str | None, tone: Monk | None, chart: str) -> tuple[ListedLook, ...]:
        """Every look that this user may choose, their own first. chart: its picture's address, with {} for its id.

        Raises NotFound for an unknown user.
        """
        return tuple(
            ListedLook(
                look_id=name,
                title=look.title,
                saved=saved,
                occasions=look.occasions,
                seasons=look.seasons,
                look=look,
                chart=chart.format(name),
            )
            for name, look, saved in self._all(user_id, tone)
        )

    def save(self, user_id: str, look: Look) -> str:
        """Keep a look for a user; its id. Raises NotFound for an unknown user, BadInput where they have too many."""
        saved = [name for name, _, own in self._all(user_id) if own]
        if len(saved) >= MOST_SAVED:
            raise BadInput("products", f"user {user_id!r} has saved {MOST_SAVED} looks, the most that are kept")
        item = Item.model_validate(
            {
                "id": f"saved-{uuid4().hex}",
                "domain": "look",
                "category": look.occasions[0] if look.occasions else "everyday",
                "title": look.title,
                "look": look.model_dump(mode="json"),
                "seasons": look.seasons,
                "owner": user_id,
                "rights": _RIGHTS,
            }
        )
        self._store.put_items([item])
        return item.id

    def delete(self, user_id: str, look_id: str) -> None:
        """Forget a look that a user saved. Raises NotFound."""
        self._store.get_user(user_id)
        self._store.delete_look(look_id, user_id)

    def _all(
        self, user_id: str | None, tone: Monk | None = None, skin: Lab | None = None
    ) -> list[tuple[str, Look, bool]]:
        """Id, look and whether this user saved it: the user's own first."""
        if user_id is not None:
            self._store.get_user(user_id)
        shipped = [(one.id, one.on(tone or USUAL_TONE, skin), False) for one in named_looks()]
        known = {name for name, _, _ in shipped}
        items = [item for item in self._store.looks(user_id) if item.id not in known]
        stored = [(item.id, Look.model_validate(item.look), item.owner is not None) for item in items]
        own = [one for one in stored if one[2]]
        return own + shipped + [one for one in stored if not one[2]]
