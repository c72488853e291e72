"""What a personalised catalogue is made of: one entry for each thing chosen or made for a user, from either door."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from persona.recommend.types import Seed
from persona.store.records import Identifier, ItemCategory, Reason, Record, Sha256

Kind = Literal["item", "garment", "outfit", "look"]


class Entry(Record):
    """One thing for one user: a real item, a generated garment, an outfit or a makeup look."""

    kind: Kind = Field(description="item: of the catalogue; the others were made for this user")
    rank: Annotated[int, Field(ge=1)] = Field(description="1 is best of its kind")
    item_id: Identifier | None = Field(default=None, description="of an item, else null")
    generation_id: Identifier | None = Field(
        default=None, description="of a garment or an outfit: name it in an event to like or dislike it"
    )
    picture: Sha256 | None = Field(default=None, description="sha256 of the picture file")
    score: float = Field(description="higher fits better; items and garments are on one scale")
    category: ItemCategory = Field(description="what it is; of a look, what it is for")
    colour: str | None = Field(default=None, description="name of the main colour")
    title: str = Field(default="", description="for people")
    generated: bool = Field(description="the picture was made by a model: label it so wherever shown")
    licence: str = Field(description="of the picture", examples=["CC0-1.0", "generated"])
    reasons: tuple[Reason, ...] = Field(default=(), description="why it is here, heaviest first")
    seed: Seed = Field(description="that it came from: the same models and seed give the same again")
    model: str = Field(description="version of what chose or made it")
    condition_digest: Sha256 | None = Field(default=None, description="sha256 of the condition it was generated from")
    detail: dict[str, Any] = Field(
        default={}, description="of an outfit its `pieces` and `harmony`, of a look its description (`look`)"
    )


class ShownEntry(Entry):
    """An entry with the address of its picture."""

    url: str | None = Field(default=None, description="where the picture is", examples=["/i/5f0c...e1.webp"])


class UserCatalogue(Record):
    """What the last batch made for a user, but for what they refused since and what is no longer to be had."""

    user_id: Identifier
    made_at: datetime = Field(description="when the batch that made it was pushed")
    entries: tuple[ShownEntry, ...] = Field(description="by kind, best first; ranks are those of the batch")
