"""A user's catalogue as the last batch made it, told by what is known now."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from persona.errors import NotFound
from persona.recommend.entries import Kind, ShownEntry, UserCatalogue
from persona.recommend.person import stored_person
from persona.recommend.recommender import Recommender
from persona.recommend.types import picture_url


def pushed_catalogue(recommender: Recommender, user_id: str, kind: Kind | None = None) -> UserCatalogue:
    """What `persona batch push` stored for a user. kind: only entries of it.

    Left out is what the user refused since, what is no longer in the catalogue, and outfits with such a piece. Raises
    NotFound for an unknown user, one who refuses personalisation, and one for whom nothing was pushed.
    """
    person = stored_person(recommender.store, user_id)
    if not person.personal:
        raise NotFound(f"user {user_id!r} refuses personalisation, so there is no catalogue")
    stored = recommender.store.user_catalogue(user_id)
    if stored is None:
        raise NotFound(f"user {user_id!r} has no catalogue yet: `persona batch run`, then `persona batch push`")
    refused = person.last_words[1]
    entries = tuple(
        ShownEntry.model_validate({**entry, "url": picture_url(entry["picture"]) if entry.get("picture") else None})
        for entry in stored.entries
        if kind in (None, entry["kind"]) and _is_there(entry, refused, recommender)
    )
    return UserCatalogue(user_id=user_id, made_at=stored.made_at, entries=entries)


def _is_there(entry: dict[str, Any], refused: Set[str], recommender: Recommender) -> bool:
    """Whether an entry, or a piece of an outfit, and all its pieces can still be shown."""
    item, made, picture = (entry.get(name) for name in ("item_id", "generation_id", "picture"))
    if item in refused or made in refused:
        return False
    if item is not None:
        place = recommender.table.index.get(item)
        if place is None or not recommender.table.items[place].active:
            return False
    elif picture is not None and picture not in recommender.pictures:  # too old, and swept away
        return False
    return all(_is_there(piece, refused, recommender) for piece in entry.get("detail", {}).get("pieces", ()))
