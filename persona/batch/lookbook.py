"""One user's catalogue as a page of its own: pictures inside, no script, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from persona.batch.reading import Catalogues
from persona.catalog.pictures import Pictures
from persona.errors import NotFound
from persona.makeup.look import Look
from persona.recommend.entries import Entry, Kind

TITLES: dict[Kind, str] = {
    "item": "From the catalogue", "garment": "Garments made for you", "outfit": "Outfits", "look": "Makeup",
}  # fmt: skip
_REGIONS = {"lip_liner": "lip liner"}


@dataclass(frozen=True)
class Part:
    """A piece of an outfit, or a product of a look with its colour `#rrggbb`."""

    text: str
    colour: str = ""


@dataclass(frozen=True)
class Card:
    """An entry as it is shown. data: its picture as a `data:` address, None where there is none."""

    entry: Entry
    title: str
    data: str | None
    parts: tuple[Part, ...]

    @property
    def alt(self) -> str:
        """What the picture shows, for who cannot see it."""
        made = "generated picture" if self.entry.generated else "photo"
        shows = {"outfit": "an outfit laid out flat", "look": "the look on a drawn face"}.get(self.entry.kind)
        return f"{self.title}: {shows}, {made}" if shows else f"{self.title}, {made}"


@dataclass(frozen=True)
class Section:
    """The cards of one kind."""

    kind: Kind
    title: str
    cards: tuple[Card, ...]


def lookbook(catalogues: Catalogues, user_id: str, pictures: Pictures) -> str:
    """A user's catalogue as HTML. pictures: of real items. Raises NotFound for a user who has none."""
    read = _Read(catalogues, user_id, pictures)
    by_kind = groupby(catalogues.entries(user_id), key=lambda entry: entry.kind)
    sections = [Section(kind, TITLES[kind], tuple(map(read.card, entries))) for kind, entries in by_kind]
    loader = Environment(
        loader=PackageLoader("persona.batch"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = loader.get_template("lookbook.html")
    return template.render(user_id=user_id, sections=sections, versions=catalogues.manifest.versions)


@dataclass(frozen=True)
class _Read:
    """Makes cards of a user's entries."""

    catalogues: Catalogues
    user_id: str
    pictures: Pictures

    def card(self, entry: Entry) -> Card:
        return Card(entry, title_of(entry), self._data(entry), tuple(_parts(entry)))

    def _data(self, entry: Entry) -> str | None:
        if entry.picture is None:
            return None
        try:
            content = picture_of(self.catalogues, self.user_id, entry, self.pictures)
        except NotFound:  # of a real item: taken away since
            return None
        return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def picture_of(catalogues: Catalogues, user_id: str, entry: Entry, pictures: Pictures) -> bytes:
    """The file of an entry's picture. pictures: of real items. Raises NotFound."""
    assert entry.picture is not None
    if entry.kind == "item":
        return pictures.open_bytes(entry.picture)
    return catalogues.picture(entry.picture, user_id)


def title_of(entry: Entry) -> str:
    """What to call an entry."""
    if entry.title:
        return entry.title
    if entry.kind == "outfit":
        return f"Outfit {entry.rank}"
    return f"{entry.colour or ''} {entry.category}".strip() + (" look" if entry.kind == "look" else "")


def _parts(entry: Entry) -> Iterator[Part]:
    for piece in entry.detail.get("pieces", ()):
        yield Part(_piece(piece))
    if look := entry.detail.get("look"):
        for product in Look.model_validate(look).products:
            words = _REGIONS.get(product.region, product.region), product.finish, product.placement
            yield Part(", ".join(word.replace("_", " ") for word in words if word), product.hex)


def _piece(piece: dict[str, Any]) -> str:
    made = " (generated)" if piece.get("generated") else ""
    return f"{piece.get('colour') or ''} {piece.get('category', piece['slot'])}".strip() + made
