"""Answers by one taste model and one generator: a person read, ranked for, drawn for and dressed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, NotFound, OutOfDate
from persona.gan import GarmentModel
from persona.gan.invert import Inverter
from persona.gan.model import Code
from persona.recommend.beside import Beside, BesideReader, unlisted
from persona.recommend.catalogue import Catalogue
from persona.recommend.drawing import Drawer
from persona.recommend.dressing import Dresser
from persona.recommend.garments import Atelier, Garment, Wish
from persona.recommend.person import Person, check_known, inline_person, person_of, stored_person
from persona.recommend.ranking import Standing, narrowed, rank, stand
from persona.recommend.reading import Reading, known_of, read_person
from persona.recommend.remembered import Remembered
from persona.recommend.seeds import derive, digest
from persona.recommend.types import (
    SCORE_DIGITS,
    ColdStart,
    GeneratedItem,
    Plan,
    RankedItem,
    Recommendation,
    RecommendationRequest,
    picture_url,
)
from persona.recommend.variations import Tailor
from persona.settings import Settings
from persona.store import Store
from persona.store.records import Reason
from persona.taste.model import TasteModel


@dataclass(frozen=True)
class Begun:
    """An answer whose garments are still to be drawn. items: its real ones; wishes: what the garments are made from."""

    items: tuple[RankedItem, ...]
    wishes: list[Wish]


class Answerer:
    """One arm of the service. Safe to share between threads.

    People are remembered, but every answer looks first whether anything stored about them has changed. catalogue: the
    snapshot that is answered from; whoever owns this sets it. renew: takes a new one, when somebody did something with
    an item that was imported since.
    """

    catalogue: Catalogue

    def __init__(
        self,
        arm: str,
        store: Store,
        pictures: Pictures,
        taste: TasteModel,
        drawer: Drawer,
        *,
        inverter: Inverter | None,
        readings: Remembered,
        settings: Settings | None,
        renew: Callable[[], None],
    ) -> None:
        """drawer, readings: other arms may use them too. Raises OutOfDate if the models do not fit together."""
        generator, visual = drawer.generator, drawer.visual
        _check_one_space(visual, taste, generator)
        self.arm, self.taste, self.generator = arm, taste, generator
        self._store, self._renew = store, renew
        self.atelier = Atelier(drawer, taste, pictures, store, settings)
        self.tailor = Tailor(self.atelier, visual, inverter, store)
        self.dresser = Dresser(self.atelier, pictures, store)
        self._beside, self._readings = BesideReader(store, visual.version), readings

    def answer(self, request: RecommendationRequest) -> Recommendation:
        """Answer a request; see `Recommender.recommend`."""
        standing = self.stand(request)
        begun = self.begin(standing)
        drawn = best_first(self.atelier.draw(begun.wishes), standing)
        reasons = reasons_of(drawn, standing)
        made = self.atelier.keep(drawn, standing.reading.person.user_id, reasons)
        choice = self.dresser.dress(standing, made) if request.outfit else None
        return Recommendation(
            items=begun.items,
            generated=generated(made, reasons, standing, self.generator.version),
            outfit=self.dresser.lay_out(choice, standing) if choice else None,
            **self._head(request, standing.reading.person, standing.reading.cold_start),
        )

    def begin(self, standing: Standing) -> Begun:
        """Everything of an answer that comes before its garments are drawn."""
        request = standing.request
        items = rank(standing) if request.mode != "generate" else ()
        return Begun(items, self._wishes(standing, request.generate) if request.mode != "retrieve" else [])

    def plan(self, request: RecommendationRequest) -> Recommendation:
        """What would be done, after everything is checked that could be refused."""
        person = person_of(request, self._store)
        beside = self._around(request, person)
        catalogue = self.catalogue
        allowed = narrowed(request, catalogue.shown & catalogue.without(person.last_words[1]), catalogue)
        if request.category is not None:
            allowed = allowed & catalogue.of_category(request.category)
        shown = int(allowed.sum())
        drawn = request.category in (None, *self.generator.categories) and (request.filter is None or shown > 0)
        plan = Plan(
            candidates=shown,
            items=min(shown, request.count) if request.mode != "generate" else 0,
            generate=request.generate if request.mode != "retrieve" and drawn else 0,
            outfit=request.outfit,
        )
        head = self._head(request, person, known_of(person, catalogue, beside)[1])
        return Recommendation(items=(), generated=(), plan=plan, **head)

    def stand(self, request: RecommendationRequest) -> Standing:
        """Where every item stands for who asks. Raises NotFound and BadInput as `answer`."""
        reading = self._reading(request)
        return stand(request, reading, self._seed(request, reading.person))

    def stand_for(self, person: Person, request: RecommendationRequest) -> Standing:
        """As `stand`, for a person who was read already: nothing is remembered, and nothing stored. What they did with
        items that the catalogue has not (yet) does not count."""
        beside = self._beside.read(person, self.catalogue.table.index)
        reading = read_person(person, self.catalogue, self.taste, None, beside)
        return stand(request, reading, self._seed(request, person))

    def stand_again(self, standing: Standing, request: RecommendationRequest) -> Standing:
        """Where every item stands for the same person in another request, which has no session of its own."""
        return stand(request, standing.reading, self._seed(request, standing.reading.person))

    def first(self, request: RecommendationRequest) -> Code:
        """What the generator would draw first for a request. Raises BadInput for a category that it cannot draw."""
        wishes = self._wishes(self.stand(request.model_copy(update={"explain": False})), 1)
        if not wishes:
            raise BadInput("category", f"{request.category!r} is none that the generator can draw; choose another")
        return wishes[0].code

    def forget(self, origins: Sequence[tuple[str, int]]) -> None:
        """Drop all that is remembered of people, and what was drawn from these digests and seeds."""
        self._beside.forget()
        self._readings.clear()
        self.atelier.forget(origins)

    def _reading(self, request: RecommendationRequest) -> Reading:
        if request.user_id is None:
            person = inline_person(request)
            return self._remembered((None, person.name), lambda: person, request)
        user_id = request.user_id  # the stamp before the rest: what is committed in between is another key's
        known = user_id, self._store.user_stamp(user_id)
        stored = request.model_copy(update={"session": None})  # of which nothing is checked against what is stored
        reading = self._remembered(known, lambda: stored_person(self._store, user_id), stored)
        return self._read(reading.person.during(request.session), request)[0] if request.session else reading

    def _remembered(
        self, about: tuple[Hashable, ...], find: Callable[[], Person], request: RecommendationRequest
    ) -> Reading:
        """A person's reading: the remembered one, where nothing that it came from has changed since."""
        reading = self._readings.find((*about, self.catalogue.number))
        if reading is None:
            reading, settled = self._read(find(), request)
            if settled:
                self._readings.keep((*about, reading.catalogue.number), reading)
        return reading

    def _read(self, person: Person, request: RecommendationRequest) -> tuple[Reading, bool]:
        """A person's reading, and whether only a new event or profile could change it: not so while it names styles,
        which end by time, or what is in no table yet."""
        beside = self._around(request, person)
        reading = read_person(person, self.catalogue, self.taste, self._store, beside)
        things = (event.generation_id for event in person.events if event.generation_id)
        listed = not unlisted(person, reading.catalogue.table.index)
        return reading, listed and all(thing in beside.generations for thing in things)

    def _around(self, request: RecommendationRequest, person: Person) -> Beside:
        """What a person's events speak of. Raises BadInput for events of the request on what does not exist."""
        beside = self._beside.read(person, self.catalogue.table.index)
        unknown = [name for name in unlisted(person, self.catalogue.table.index) if name not in beside.styles]
        if unknown and self._imported_since(unknown[-1]):
            self._renew()
        check_known(request, (self.catalogue.table.index, beside.styles), beside.generations)
        return beside

    def _imported_since(self, item_id: str) -> bool:
        try:
            return self._store.get_item(item_id).domain == "garment"
        except NotFound:
            return False

    def _wishes(self, standing: Standing, count: int) -> list[Wish]:
        catalogue, request, seed = standing.catalogue, standing.request, derive(standing.seed, "modes")
        allowed, among = standing.drawable, None
        if request.filter is not None or request.context is not None:
            among = {catalogue.table.items[row].category for row in np.flatnonzero(allowed)}
        interests = standing.reading.interests
        return self.atelier.wishes(interests, catalogue, allowed, count, seed, request.category, among)

    def _seed(self, request: RecommendationRequest, person: Person) -> int:
        if request.seed is not None:
            return request.seed
        return derive(person.name, person.watermark, self.taste.version, self.generator.version)

    def _head(self, request: RecommendationRequest, person: Person, cold_start: ColdStart) -> dict[str, Any]:
        """What an answer says of itself."""
        seed, models = self._seed(request, person), (self.taste.version, self.generator.version)
        asked = request.model_dump(mode="json", exclude={"profile", "history", "session", "seed"})
        return {
            "rec_id": f"r-{digest(asked, person.name, person.watermark, models, seed)[:32]}",
            "arm": self.arm,
            "user_id": person.user_id,
            "taste_model": models[0],
            "generator_model": models[1],
            "watermark": person.watermark,
            "seed": seed,
            "cold_start": cold_start,
        }


def best_first(garments: Sequence[Garment], standing: Standing) -> list[Garment]:
    """Garments in the order of their scores for a person."""
    return sorted(garments, key=lambda garment: -standing.score(garment.vector))


def reasons_of(garments: Sequence[Garment], standing: Standing) -> list[tuple[Reason, ...]]:
    """Reasons for each garment."""
    return standing.reasons(np.stack([garment.vector for garment in garments])) if garments else []


def generated(
    garments: Sequence[Garment], reasons: Sequence[tuple[Reason, ...]], standing: Standing, model: str
) -> tuple[GeneratedItem, ...]:
    """Garments that have their ids, best first, as an answer tells of them. model: version of the generator."""
    return tuple(
        GeneratedItem(
            generation_id=garment.id,
            rank=place + 1,
            score=round(standing.score(garment.vector), SCORE_DIGITS),
            category=garment.wish.category,
            colour=garment.measures.colour,
            picture=garment.picture,
            seed=garment.wish.seed,
            model=model,
            condition_digest=garment.wish.digest,
            reasons=why,
            url=picture_url(garment.picture),
        )
        for place, (garment, why) in enumerate(zip(garments, reasons))
    )


def _check_one_space(visual: VisualNetwork, taste: TasteModel, generator: GarmentModel) -> None:
    """The taste model and the generator must both have been trained on content vectors of this visual network."""
    trained_on = {taste.version: taste.config.feature_version, generator.version: generator.visual}
    for full_name, version in trained_on.items():
        if version and version != visual.version:
            raise OutOfDate(
                f"{full_name.partition('@')[0]}: was trained on content vectors of {version}, and the visual network "
                f"is {visual.version}; train it again (`persona train`), or put back the one that it was trained on"
            )
