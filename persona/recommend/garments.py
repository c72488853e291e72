"""Garments made for one person: taste modes to pictures, and what is read from the pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from persona.catalog.measure import Measures, style_of
from persona.catalog.pictures import Pictures
from persona.errors import NotFound
from persona.gan import condition_digest
from persona.gan.model import Code
from persona.metrics import CACHE
from persona.recommend.catalogue import Catalogue, Mask
from persona.recommend.drawing import Drawer, Wanted, by_passes
from persona.recommend.keeping import Keeper
from persona.recommend.memo import Memo
from persona.recommend.seeds import derive, digest
from persona.recommend.shelf import Drawn, Shelf, drawn_folder
from persona.settings import Settings
from persona.store import Store
from persona.store.records import Category, Generation, Reason
from persona.taste.interests import Interests
from persona.taste.model import TasteModel
from persona.taste.modes import NEAREST, TEMPERATURE, Mode, interest_modes
from persona.taste.table import FACET_CODES, Floats, attributes_of, codes_of
from persona.turns import resting

READ_AT_ONCE = 8  # garments that the taste model reads in a pass
KEPT_DRAWN = 512  # garments remembered, 16 KiB each: the same request again draws nothing anew


@dataclass(frozen=True)
class Wish:
    """What a garment is made from: condition float32 (64,), category and seed. z: (64,), where it is not the seed's."""

    condition: Floats
    category: Category
    seed: int
    z: Floats | None = None

    @property
    def digest(self) -> str:
        """sha256 of the condition, the category, and the z where it has its own."""
        made_from = self.condition if self.z is None else np.concatenate([self.condition, self.z])
        return condition_digest(made_from, self.category)

    @property
    def code(self) -> Code:
        """What the generator draws it from."""
        if self.z is None:
            return Code.of(self.condition[None], [self.category], [self.seed])
        return Code(self.z[None], self.condition[None], (self.category,))


@dataclass(frozen=True)
class Garment:
    """A drawn garment: its picture, what it was made from, and what is measured on the picture.

    feature: content vector (64,); vector: the taste model's item vector (d,). The two are read from the picture, not
    copied from the wish. id and picture (sha256) are given when it is stored.
    """

    rgba: NDArray[np.uint8]
    wish: Wish
    measures: Measures
    feature: Floats
    vector: Floats
    id: str = ""
    picture: str = ""


class Atelier:
    """Makes garments and stores them. Safe to share between threads."""

    def __init__(
        self,
        drawer: Drawer,
        taste: TasteModel,
        pictures: Pictures,
        store: Store,
        settings: Settings | None = None,
    ) -> None:
        """settings: where drawn garments are kept; None for nowhere."""
        generator, visual = drawer.generator, drawer.visual
        self.generator, self.drawer = generator, drawer
        self._shelf = Shelf(drawn_folder(settings), settings.cache_mb) if settings else None
        self.keeper = Keeper(store, pictures)
        self._taste, self._pictures = taste, pictures
        self._made_by = generator.version, visual.version, generator.size
        self._codes = [FACET_CODES["category"][name] for name in generator.categories]
        self._drawn: Memo[tuple[str, int], Garment] = Memo(KEPT_DRAWN)
        self._put: Memo[tuple[str, int], str] = Memo(KEPT_DRAWN)

    def wishes(
        self,
        interests: Interests,
        catalogue: Catalogue,
        allowed: Mask,
        count: int,
        seed: int,
        category: Category | None,
        among: Collection[str] | None = None,
    ) -> list[Wish]:
        """count things that a person likes, or of the category what there is where nothing is known of the person.

        interests: one vector of zeros for nothing known. allowed: bool (n,), items that the taste modes may be drawn
        from. among: categories that may be drawn where no mode can be; None: any.
        """
        modes = self.modes(interests, catalogue, allowed, count, seed, category)
        conditions = [(mode.condition, mode.category) for mode in modes] or self._stock(count, seed, category, among)
        return [
            Wish(condition, kind, derive(seed, "garment", number))  # type: ignore[arg-type]
            for number, (condition, kind) in enumerate(conditions)
        ]

    def modes(
        self,
        interests: Interests,
        catalogue: Catalogue,
        allowed: Mask,
        count: int,
        seed: int,
        category: str | None,
        temperature: float = TEMPERATURE,
    ) -> list[Mode]:
        """Taste modes over the allowed items that the generator can draw; none without such an item or a taste."""
        drawable = allowed & np.isin(catalogue.table.category, self._codes)
        if category is not None:
            drawable &= catalogue.of_category(category)
        if not drawable.any() or not interests.vectors.any() or not count:
            return []
        prior = np.where(drawable, catalogue.prior, -np.inf).astype(np.float32)
        nearest = min(NEAREST, int(drawable.sum()))
        return interest_modes(
            interests,
            catalogue.table,
            catalogue.vectors,
            count=count,
            seed=seed,
            category=category,
            prior=prior,
            nearest=nearest,
            temperature=temperature,
        )

    def draw(self, wishes: Sequence[Wish]) -> list[Garment]:
        """Garments for these wishes, in order. The same wish gives the same garment, whatever it is drawn with."""
        asked = {(wish.digest, wish.seed): wish for wish in wishes}

        def make(keys: Sequence[tuple[str, int]]) -> list[Garment]:
            return self._made([asked[key] for key in keys])

        return self._drawn.get_all([(wish.digest, wish.seed) for wish in wishes], make)

    def garments(self, wishes: Sequence[Wish], drawn: Sequence[Drawn]) -> list[Garment]:
        """What was drawn for wishes, read by the taste model in passes of one size: others differ in last digits."""
        if not wishes:
            return []
        pairs = list(zip(wishes, drawn, strict=True))
        codes = np.array([_codes_of(wish, one.measures) for wish, one in pairs], np.int64)
        features, attributes = np.stack([one.feature for one in drawn]), attributes_of(codes)

        def read(part: Sequence[int]) -> Floats:
            return self._taste.vectors_of(features[part], attributes[part])

        vectors = by_passes(range(len(pairs)), [READ_AT_ONCE], read)
        return [
            Garment(one.rgba, wish, one.measures, one.feature, vector) for (wish, one), vector in zip(pairs, vectors)
        ]

    def named(self, garment: Garment, user_id: str | None, picture: str) -> Garment:
        """The garment with the id that it has as somebody's. picture: sha256 of its file."""
        made = digest(user_id, self.generator.version, garment.wish.digest, garment.wish.seed, picture)
        return replace(garment, id=f"g-{made[:32]}", picture=picture)

    def keep(
        self, garments: Sequence[Garment], user_id: str | None, reasons: Sequence[tuple[Reason, ...]]
    ) -> list[Garment]:
        """Store the pictures, and a generation for each that is not stored yet. Returns them with id and picture."""
        kept = [self._named(garment, user_id) for garment in garments]
        rows = [self._generation(garment, user_id, why) for garment, why in zip(kept, reasons)]
        if rows:
            try:
                self.keeper.keep(rows, np.stack([garment.feature for garment in kept]))
            except NotFound:  # the user was erased meanwhile
                self.forget((garment.wish.digest, garment.wish.seed) for garment in kept)
                raise
        return kept

    def forget(self, origins: Iterable[tuple[str, int]]) -> None:
        """Drop what is remembered in memory, and on disk what was drawn from these digests and seeds."""
        self._drawn.clear()
        self._put.clear()
        if self._shelf:
            self._shelf.remove(self._name(*origin) for origin in origins)

    def close(self) -> None:
        """Store what is being stored, and no more."""
        self.keeper.close()

    def _named(self, garment: Garment, user_id: str | None) -> Garment:
        put = partial(self._stored, garment)
        picture = self._put.get((garment.wish.digest, garment.wish.seed), put)
        if picture not in self._pictures:  # erased since, with another user
            picture = put()
        return self.named(garment, user_id, picture)

    def _stored(self, garment: Garment) -> str:
        with resting():  # most of it is waiting for the disk
            return self._pictures.put(garment.rgba, quick=True)

    def _generation(self, garment: Garment, user_id: str | None, reasons: tuple[Reason, ...]) -> Generation:
        return Generation(
            id=garment.id,
            picture=garment.picture,
            user_id=user_id,
            model=self.generator.version,
            condition_digest=garment.wish.digest,
            seed=garment.wish.seed,
            category=garment.wish.category,
            reasons=reasons,
            created_at=datetime.now(UTC),
        )

    def _stock(
        self, count: int, seed: int, category: Category | None, among: Collection[str] | None
    ) -> list[tuple[Floats, str]]:
        """Conditions from the generator's own prior: what garments of a category are like, for nobody in particular."""
        names = self.generator.categories
        possible = [code for code, name in enumerate(names) if category in (None, name) and name in (among or names)]
        if not possible or (among is not None and not among):
            return []
        drawn = [
            possible[place] for place in np.random.default_rng([seed, 2]).integers(len(possible), size=count).tolist()
        ]
        prior = self.generator.prior
        return [(prior.sample(code, 1, derive(seed, "stock", n))[0], names[code]) for n, code in enumerate(drawn)]

    def _made(self, wishes: Sequence[Wish]) -> list[Garment]:
        """From the disk where they are kept there, else drawn and kept."""
        names = [self._name(wish.digest, wish.seed) for wish in wishes]
        kept = {name: garment for name in names if self._shelf and (garment := self._shelf.get(name))}
        CACHE.labels("drawn", "hit").inc(len(kept))
        CACHE.labels("drawn", "miss").inc(len(names) - len(kept))
        new = [(name, wish) for name, wish in zip(names, wishes) if name not in kept]
        # the pattern is measured of what came out of an edit, whose pattern was a wish: nearly all others are plain
        wanted = [Wanted(wish.code, wish.z is not None) for _, wish in new]
        for (name, _), drawn in zip(new, self.drawer.draw(wanted)):
            kept[name] = drawn
            if self._shelf:
                self._shelf.put(name, drawn)
        return self.garments(wishes, [kept[name] for name in names])

    def _name(self, condition: str, seed: int) -> str:
        """What a drawn garment is kept under. The digest of its condition says its category, too."""
        return digest(*self._made_by, condition, seed)


def _codes_of(wish: Wish, measures: Measures) -> tuple[int, ...]:
    """What the taste model reads of a garment besides its picture."""
    return codes_of(wish.category, measures.colour, measures.pattern, style_of(wish.category))
