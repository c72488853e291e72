"""A contact sheet: many users' pictures on one, a row for each user, to see at a glance what a run made."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from persona.batch.lookbook import picture_of
from persona.batch.reading import Catalogues
from persona.catalog.pictures import Pictures
from persona.errors import NotFound
from persona.recommend.entries import Entry
from persona.recommend.provenance import Format, Label, encode

PAPER, INK, SOFT = (253, 252, 250), (29, 27, 24), (101, 95, 85)
SIDE, GAP, NAME = 112, 8, 18  # pixels
LABEL = Label("compositeWithTrainedAlgorithmicMedia", "Contact sheet with pictures made with AI by persona")


def sheet(
    catalogues: Catalogues, user_ids: Iterable[str], pictures: Pictures, across: int = 12, format: Format = "webp"
) -> bytes:
    """A file with the first pictures of each user, as many as go across; generated ones say so.

    pictures: of real items. Raises NotFound for a user who has no catalogue.
    """
    rows = [(name, [entry for entry in catalogues.entries(name) if entry.picture]) for name in user_ids]
    widest = max((min(len(entries), across) for _, entries in rows), default=0)
    size = GAP + max(widest, 2) * (SIDE + GAP), GAP + len(rows) * (SIDE + 2 * NAME + GAP)
    page = Image.new("RGB", size, PAPER)
    for number, (user_id, entries) in enumerate(rows):
        _row(page, GAP + number * (SIDE + 2 * NAME + GAP), user_id, _evenly(entries, across), catalogues, pictures)
    return encode(np.asarray(page), format, LABEL)


def some_users(catalogues: Catalogues, count: int) -> list[str]:
    """The first users of a directory, in the order of their shards."""
    found: list[str] = []
    for shard in catalogues.shards():
        for user_id, _ in shard.users(["kind"]):
            if len(found) == count:
                return found
            found.append(user_id)
    return found


def _evenly(entries: list[Entry], most: int) -> list[Entry]:
    """The best of each kind in turn until there are enough, in the order of the entries."""
    chosen = sorted(range(len(entries)), key=lambda place: entries[place].rank)[:most]
    return [entries[place] for place in sorted(chosen)]


def _row(
    page: Image.Image, top: int, user_id: str, entries: list[Entry], catalogues: Catalogues, pictures: Pictures
) -> None:
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=12)
    draw.text((GAP, top), user_id, INK, font)
    for number, entry in enumerate(entries):
        left = GAP + number * (SIDE + GAP)
        if (picture := _picture(catalogues, user_id, entry, pictures)) is not None:
            page.paste(picture, (left + (SIDE - picture.width) // 2, top + NAME + (SIDE - picture.height) // 2))
        words = f"{entry.kind}{', generated' if entry.generated else ''}"
        draw.text((left, top + NAME + SIDE), words, SOFT, ImageFont.load_default(size=10))


def _picture(catalogues: Catalogues, user_id: str, entry: Entry, pictures: Pictures) -> Image.Image | None:
    """As large as the others, on paper; None where it is gone."""
    try:
        content = picture_of(catalogues, user_id, entry, pictures)
    except NotFound:
        return None
    with Image.open(io.BytesIO(content)) as image:
        rgba = image.convert("RGBA")
    rgba = ImageOps.contain(rgba, (SIDE, SIDE))
    ground = Image.new("RGBA", rgba.size, (*PAPER, 255))
    return Image.alpha_composite(ground, rgba).convert("RGB")
