"""The catalogue in memory: items as arrays, their vectors, and masks of what may be shown when."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from persona.catalog.pictures import Pictures
from persona.catalog.visual import DIMENSIONS, VisualNetwork
from persona.errors import NotFound
from persona.recommend.filters import Columns
from persona.store import Store
from persona.store.records import SEASONS, Item, Season
from persona.taste.companions import Companions
from persona.taste.model import TasteModel
from persona.taste.segments import segment_popularity
from persona.taste.table import FACET_CODES, Floats, ItemTable

BATCH = 128  # pictures read and stored at once
PICTURE_SIDE = 128  # pixels; the visual network reads half of it
_SHOW_PROGRESS_FROM = 4 * BATCH
_DEAREST = float(np.finfo(np.float32).max)  # that a table's price can be

Mask = NDArray[np.bool_]
log = logging.getLogger(__name__)
_numbers = itertools.count()


@dataclass(frozen=True)
class Catalogue:
    """A snapshot of all n garments, inactive ones too, since histories name them. Never changed: replaced whole.

    vectors: float32 (n, d) of the taste model; mean: (d,), theirs; prior: (n,), what popularity adds to each score.
    shown: bool (n,), may be recommended; pictured: bool (n,), has a picture that can be laid out; generated: bool (n,),
    a model made its picture; licences: of the picture, the items under each. companions: what is taken together, None
    where that does not count. segments: the prior within each age band that has enough users to tell. number: of the
    snapshot, another for each.
    """

    table: ItemTable
    vectors: Floats
    mean: Floats
    prior: Floats
    shown: Mask
    pictured: Mask
    seasons: dict[Season, Mask] = field(repr=False)
    generated: Mask
    licences: dict[str, Mask] = field(repr=False)
    companions: Companions | None = field(default=None, repr=False)
    segments: dict[str, Floats] = field(default_factory=dict, repr=False)
    number: int = field(default_factory=_numbers.__next__)

    @classmethod
    def of(
        cls, table: ItemTable, taste: TasteModel, segments: Mapping[str, Mapping[str, float]] | None = None
    ) -> Catalogue:
        """The snapshot of a table under a taste model. segments: as `Store.popularity`.

        Raises OutOfDate if the table and the model do not fit.
        """
        vectors = taste.item_vectors(table)
        mean = vectors.mean(0) if len(vectors) else np.zeros(vectors.shape[1], np.float32)
        shown = np.array([item.active for item in table.items], bool)
        pictured = np.array([bool(item.picture and not item.cutout_failed) for item in table.items], bool)
        seasons = {
            season: np.array([not item.seasons or season in item.seasons for item in table.items], bool)
            for season in SEASONS
        }
        generated = np.array([item.rights.generated for item in table.items], bool)
        under = np.array([item.rights.licence for item in table.items], object)
        licences = {licence: np.asarray(under == licence) for licence in set(under.tolist())}
        return cls(
            table, vectors, mean, taste.prior(table), shown, pictured, seasons, generated, licences,  # type: ignore[arg-type]
            segments=_priors(segments or {}, table, taste),
        )  # fmt: skip

    @cached_property
    def columns(self) -> Columns:
        """The items' fields, for conditions on them."""
        return Columns(self.table)

    def with_companions(self, companions: Companions | None) -> Catalogue:
        """Another snapshot of the same items, with what is taken together counted anew."""
        return replace(self, companions=companions, number=next(_numbers))

    def of_category(self, category: str) -> Mask:
        """Items of a category, bool (n,)."""
        return np.asarray(self.table.category == FACET_CODES["category"][category])

    def priced(self, least: float | None, most: float | None) -> Mask:
        """Items that cost from least to most, bool (n,); with a bound given, none without a price."""
        price, mask = self.table.price, np.ones(len(self.table), bool)
        if least is not None:
            mask &= price >= min(least, _DEAREST)  # false for nan
        if most is not None:
            mask &= price <= min(most, _DEAREST)
        return mask

    def under(self, licences: Sequence[str]) -> Mask:
        """Items whose picture is under one of the licences, bool (n,)."""
        none = np.zeros(len(self.table), bool)
        return np.asarray(np.logical_or.reduce([self.licences.get(licence, none) for licence in licences]))

    def without(self, ids: Sequence[str] | set[str]) -> Mask:
        """Items that are not among these ids, bool (n,)."""
        mask = np.ones(len(self.table), bool)
        mask[[self.table.index[name] for name in ids if name in self.table.index]] = False
        return mask


def load_table(store: Store, pictures: Pictures, visual: VisualNetwork, popularity: Mapping[str, float]) -> ItemTable:
    """Read all garments. popularity: by item, as `Store.popularity`.

    Content vectors that the store has not for this visual network are made and stored. An item whose picture's file is
    lost or damaged is ranked without it.
    """
    items = store.items(active=None)
    known = dict(zip(*store.item_vectors(visual.version), strict=True))
    present = {item.id for item in items if item.picture and item.picture in pictures}
    known |= _make_vectors(store, pictures, visual, [i for i in items if i.id in present and i.id not in known])
    items = [item if item.id in present and item.id in known else _without_picture(item) for item in items]
    blank = np.zeros(DIMENSIONS, np.float32)  # without a picture: the average garment's, told by its attributes alone
    features = np.array([known.get(item.id, blank) for item in items], np.float32).reshape(-1, DIMENSIONS)
    return ItemTable.of(items, features, popularity, visual.version)


def _priors(segments: Mapping[str, Mapping[str, float]], table: ItemTable, taste: TasteModel) -> dict[str, Floats]:
    """What popularity within each segment adds to each score, (n,)."""
    counts = {name: table.with_popularity(popularity).popularity for name, popularity in segments.items()}
    drawn = {name: segment_popularity(own, table.popularity) for name, own in counts.items()}
    return {name: taste.prior(table.with_popularity(popularity)) for name, popularity in drawn.items()}


def _make_vectors(
    store: Store, pictures: Pictures, visual: VisualNetwork, items: Sequence[Item]
) -> dict[str, NDArray[np.float32]]:
    made: dict[str, NDArray[np.float32]] = {}
    quiet = len(items) < _SHOW_PROGRESS_FROM
    with tqdm(total=len(items), desc="item vectors", unit="item", disable=quiet) as progress:
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            read = {item.id: rgba for item in batch if (rgba := _picture(item, pictures)) is not None}
            if read:
                vectors = visual.features(np.stack(list(read.values())))
                store.put_item_vectors(visual.version, list(read), vectors)
                made.update(zip(read, vectors))
            progress.update(len(batch))
    return made


def _picture(item: Item, pictures: Pictures) -> NDArray[np.uint8] | None:
    """An item's picture on the common side; None where the file cannot be decoded."""
    try:
        rgba = pictures.get(item.picture or "")
    except (OSError, NotFound):
        return None
    if rgba.shape[:2] == (PICTURE_SIDE, PICTURE_SIDE):
        return rgba
    return np.asarray(cv2.resize(rgba, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _without_picture(item: Item) -> Item:
    if item.picture is not None:
        log.warning("item %s is shown without its picture, whose file is lost or damaged: import it again", item.id)
    return item.model_copy(update={"picture": None})
