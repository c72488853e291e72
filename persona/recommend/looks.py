"""The named looks as items of the store, each with its picture on the face chart."""

from __future__ import annotations

import numpy as np

from persona.catalog.pictures import Bytes, Pictures
from persona.makeup import tastes
from persona.makeup.named import NamedLook, named_looks
from persona.makeup.showing import draw_look
from persona.recommend.keeping import drop
from persona.store import ImportReport, Item, Rights, Store

MONK = 5  # that an item's look and picture are for; `named_look(item.id).on(monk)` gives any other
SIDE = 384  # pixels of the picture
RIGHTS = Rights(licence="Apache-2.0", source="drawn by persona on its own face chart", generated=True)


def import_looks(store: Store, pictures: Pictures, *, anew: bool = True) -> ImportReport:
    """Store the named looks; those that are there already are drawn again, or left as they are unless anew.

    Of a look whose picture changed, the picture before is removed where nothing else refers to it.
    """
    report, known = ImportReport(), {item.id: item for item in store.looks()}
    for named in named_looks():
        before = known.get(named.id)
        old = before.picture if before is not None else None
        report.read += 1
        report.added += before is None
        report.updated_or_duplicate += before is not None
        if not anew and old and old in pictures and before == look_item(named, old):
            continue
        store.put_items([look_item(named, pictures.put(_opaque(draw_look(named, "oval", MONK, SIDE))))])
        if old:
            drop(store, pictures, old)
    return report


def look_item(named: NamedLook, picture: str | None) -> Item:
    """A named look as an item. picture: the sha256 of its picture."""
    item = tastes.look_item(named.id, named.on(MONK), named.style)
    return item.model_copy(update={"picture": picture, "rights": RIGHTS})


def _opaque(rgb: Bytes) -> Bytes:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
