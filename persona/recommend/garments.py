"""Garments made for one person: taste modes to pictures, and what is read from the pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from persona.catalog.measure import Measures, measure, style_of
from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.gan import GarmentModel, condition_digest
from persona.gan.model import Code, render
from persona.recommend.catalogue import Catalogue, Mask
from persona.recommend.keeping import keep
from persona.recommend.memo import Memo
from persona.recommend.seeds import derive, digest
from persona.store import Store
from persona.store.records import Category, Generation, Item, Reason, Rights
from persona.taste.interests import Interests
from persona.taste.model import TasteModel
from persona.taste.modes import NEAREST, TEMPERATURE, Mode, interest_modes
from persona.taste.table import FACET_CODES, Floats, attributes_of, facet_codes

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
        self, generator: GarmentModel, visual: VisualNetwork, taste: TasteModel, pictures: Pictures, store: Store
    ) -> None:
        self.generator = generator
        self._visual, self._taste, self._pictures, self._store = visual, taste, pictures, store
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
        return [self._drawn.get((wish.digest, wish.seed), partial(self._draw, wish)) for wish in wishes]

    def keep(
        self, garments: Sequence[Garment], user_id: str | None, reasons: Sequence[tuple[Reason, ...]]
    ) -> list[Garment]:
        """Store the pictures, and a generation for each that is not stored yet. Returns them with id and picture."""
        kept = [self._named(garment, user_id) for garment in garments]
        known = self._store.generation_features([garment.id for garment in kept])
        new = [(self._generation(g, user_id, why), g.feature) for g, why in zip(kept, reasons) if g.id not in known]
        if new:
            keep(self._store, self._pictures, [row for row, _ in new], np.stack([feature for _, feature in new]))
        return kept

    def forget(self) -> None:
        """Drop what is remembered in memory; it is drawn again when it is asked for."""
        self._drawn.clear()
        self._put.clear()

    def _named(self, garment: Garment, user_id: str | None) -> Garment:
        put = partial(self._pictures.put, garment.rgba)
        picture = self._put.get((garment.wish.digest, garment.wish.seed), put)
        if picture not in self._pictures:  # erased since, with another user
            picture = put()
        made = digest(user_id, self.generator.version, garment.wish.digest, garment.wish.seed, picture)
        return replace(garment, id=f"g-{made[:32]}", picture=picture)

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

    def _draw(self, wish: Wish) -> Garment:
        """One by one: in a batch of another size sums differ in the last digit, so a pixel, so the whole sha256."""
        rgba = render(self.generator, wish.code)[0]
        measures, feature = measure(rgba), self._visual.features(rgba[None])
        codes = np.array([facet_codes(_as_item(wish, measures))], np.int64)
        return Garment(rgba, wish, measures, feature[0], self._taste.vectors_of(feature, attributes_of(codes))[0])


def _as_item(wish: Wish, measures: Measures) -> Item:
    """The item that a garment would be, if it were one: what the taste model reads of it besides the picture."""
    rights = Rights(licence="generated", source="persona", generated=True)
    return Item(
        id="generated",
        category=wish.category,
        colour=measures.colour,
        pattern=measures.pattern,
        style=style_of(wish.category),
        rights=rights,
    )
