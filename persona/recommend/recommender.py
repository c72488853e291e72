"""The service itself: one request in, ranked and generated results with reasons out. Every door calls this."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.arms import DEFAULT, Split, arms_of
from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, NotFound, OutOfDate
from persona.gan import GarmentModel
from persona.gan.edit import walk
from persona.gan.invert import Inverter
from persona.gan.model import Code
from persona.metrics import ANSWERS, EVENTS
from persona.recommend.catalogue import Catalogue, load_table
from persona.recommend.dressing import Dresser
from persona.recommend.garments import Atelier, Garment, Wish
from persona.recommend.list_types import SimilarItems, SimilarUsers
from persona.recommend.makeup import MakeupModels, MakeupStudio, open_models
from persona.recommend.memo import Memo
from persona.recommend.person import Person, check_known, identity, person_of, stored_person
from persona.recommend.ranking import Standing, candidates, rank, stand
from persona.recommend.reading import Beside, known_of, read_person
from persona.recommend.restoration import Restorer
from persona.recommend.seeds import derive, digest
from persona.recommend.similar import check_may_be_compared, nearest_users, similar_items
from persona.recommend.style_regions import RegionFinder
from persona.recommend.styles import StyleModels, StyleStudio
from persona.recommend.styles import open_models as open_style_models
from persona.recommend.tally import FILE as TALLY
from persona.recommend.tally import Ledger
from persona.recommend.types import (
    SCORE_DIGITS,
    ColdStart,
    GeneratedItem,
    Plan,
    Recommendation,
    RecommendationRequest,
    picture_url,
)
from persona.recommend.variations import Tailor, VariationRequest, Variations
from persona.settings import Settings
from persona.store import Store
from persona.store.events import EventsAdded
from persona.store.records import Category, Event, Item, ModelVersion, Reason
from persona.taste.companions import Companions
from persona.taste.model import TasteModel
from persona.taste.reasons import Causes
from persona.taste.table import FACET_CODES, Floats, ItemTable

KEPT_CAUSES = 256  # people whose reasons are remembered, up to 64 KiB each
KEPT_GENERATIONS = 50_000  # liked pictures whose content vectors are remembered, a third of a KiB each
LOOK_EVERY = 10.0  # seconds between looks for newly imported items
VISUAL, TASTE, GENERATOR, INVERTER = "visual-64", "taste-garment", "garment-64", "inverter-64"  # model folders


class Recommender:
    """Answers requests from the store, the pictures and three models. Safe to share between threads.

    In an A/B split there is one for each arm. They share everything but the taste model, the generator and what works
    with those, and any of them can be asked: it has the user's own arm answer.

    The catalogue, its popularity and co-occurrence are a snapshot; `refresh` takes a new one, and so does, within
    seconds, a change in the number of items or of the co-occurrence file by another process. Profiles and events are
    read anew for every answer, so a new event changes the next one.
    """

    def __init__(
        self,
        store: Store,
        pictures: Pictures,
        visual: VisualNetwork,
        taste: TasteModel,
        generator: GarmentModel,
        inverter: Inverter | None = None,
        tally: Path | None = None,
        makeup: MakeupModels | None = None,
        styles: StyleModels | None = None,
        arm: str = DEFAULT,
        others: Mapping[str, tuple[TasteModel, GarmentModel]] | None = None,
        split: Split | None = None,
    ) -> None:
        """tally: file in which co-occurrence counts are kept, where the taste model was fused with them.

        arm: whose models these are; others: those of the other arms; split: the users between them.
        """
        self.store, self.pictures = store, pictures
        self._visual, self._inverter = visual, inverter
        self._arms, self._split = {arm: self}, split or Split({arm: 1.0})
        self._equip(arm, taste, generator)
        self._catalogue: Catalogue
        self._counted = 0
        self._ledger = Ledger(store, taste.config.fusion, tally)
        self.makeup = MakeupStudio(store, makeup, lambda: self.table)
        self.restorer = Restorer(store, styles.signer if styles else None)
        regions = RegionFinder(self.makeup.detector)
        self.styles = StyleStudio(store, pictures, styles or StyleModels(visual=visual), regions)
        self._refreshing, self._looked = threading.Lock(), time.monotonic()
        for name, models in (others or {}).items():
            self._arms[name] = copy(self)
            self._arms[name]._equip(name, *models)
        self.refresh()

    def _equip(self, arm: str, taste: TasteModel, generator: GarmentModel) -> None:
        """Become an arm with these models. Raises OutOfDate if they do not fit together."""
        _check_one_space(self._visual, taste, generator)
        self.arm, self._taste, self._generator = arm, taste, generator
        self._atelier = Atelier(generator, self._visual, taste, self.pictures, self.store)
        self._dresser = Dresser(self._atelier, self.pictures, self.store)
        self._tailor = Tailor(self._atelier, self._visual, self._inverter, self.store)
        self._generations: dict[str, tuple[Floats, int]] = {}
        self._causes: Memo[tuple[Hashable, ...], Causes] = Memo(KEPT_CAUSES)

    @classmethod
    def open(cls, settings: Settings) -> Recommender:
        """Open the store and load the models. Content vectors that items lack are made now, with a progress bar.

        Raises OutOfDate for a database before a migration and for models that do not fit together, NotFound for a model
        folder that is not there.
        """
        store, device = Store.open(settings.url), settings.torch_device
        visual = VisualNetwork.load(settings.models / VISUAL).to(device)
        arms = arms_of(settings)
        tastes = {name: TasteModel.load(settings.models / name) for name in {arm.taste for arm in arms.values()}}
        drawn_by = {arm.generator for arm in arms.values()}
        generators = {name: GarmentModel.load(settings.models / name, device) for name in drawn_by}
        models = {name: (tastes[arm.taste], generators[arm.generator]) for name, arm in arms.items()}
        loaded = [(visual.version, "visual"), *((taste.version, "taste") for taste in tastes.values())]
        _register(store, settings.models, [*loaded, *((one.version, "gan") for one in generators.values())])
        inverter = Inverter.load(folder, device) if (folder := settings.models / INVERTER).exists() else None
        makeup, styles = open_models(settings), open_style_models(settings, visual)
        tally, pictures = settings.home / TALLY, Pictures(settings.pictures)
        # the counts are kept as the first arm's model needs them, so one that is fused with them goes first
        first = min(models, key=lambda name: models[name][0].config.fusion.neutral)
        taste, generator = models.pop(first)
        split = Split({name: arm.share for name, arm in arms.items()})
        return cls(
            store, pictures, visual, taste, generator, inverter, tally, makeup, styles, first, models, split
        )  # fmt: skip

    @property
    def table(self) -> ItemTable:
        """The catalogue as it was last read."""
        return self._catalogue.table

    @property
    def counted(self) -> tuple[int, int] | None:
        """Users and pairs of items that co-occurrence rests on, as last read; None where the model does not use it."""
        return None if self._catalogue.companions is None else self._ledger.size

    def refresh(self) -> None:
        """Read the catalogue, its popularity and what was done since; answers under way are finished on the old one.

        Of styles whose consent has ended since, what was learnt is erased.
        """
        self.styles.retire_ended()
        with self._refreshing:
            counted, tastes = self.store.count_items("garment"), {arm._taste for arm in self._arms.values()}
            table, segments = load_table(self.store, self.pictures, self._visual), self.store.segment_popularity()
            self._ledger.refresh()
            self._show({taste: Catalogue.of(table, taste, segments) for taste in tastes})
            for arm in self._arms.values():
                arm._counted = counted

    def _show(self, catalogues: Mapping[TasteModel, Catalogue]) -> None:
        """Answer from these catalogues, one for each taste model, and the co-occurrence counts as they are now."""
        counts = self._ledger.companions(next(iter(catalogues.values())).table.index)
        now = {taste: replace(one, companions=_fused(counts, taste)) for taste, one in catalogues.items()}
        for arm in self._arms.values():
            arm._catalogue = now[arm._taste]

    def recommend(self, request: RecommendationRequest) -> Recommendation:
        """Answer a request. The same user, watermark, models and seed give the same answer.

        Of an inline user nothing is stored but the pictures made for the answer, each with a generation of nobody's, so
        that they can be shown and liked. Raises NotFound for an unknown user, BadInput for an inline history on things
        that do not exist.
        """
        arm = self._arms[self._split.of(identity(request))]
        person = person_of(request, self.store)
        if request.validate_only:
            return arm._plan(request, person)
        answer = arm._answer(request, person)
        ANSWERS.labels(arm.arm, request.mode, answer.cold_start).inc()
        return answer

    def _answer(self, request: RecommendationRequest, person: Person) -> Recommendation:
        standing = self._stand(request, person)
        items = rank(standing) if request.mode != "generate" else ()
        made = self._make(standing) if request.mode != "retrieve" else []
        choice = self._dresser.dress(standing, made) if request.outfit else None
        return Recommendation(
            items=items,
            generated=_generated(made, standing, self._generator.version),
            outfit=self._dresser.lay_out(choice, standing) if choice else None,
            **self._head(request, person, standing.reading.cold_start),
        )

    def _plan(self, request: RecommendationRequest, person: Person) -> Recommendation:
        """What would be done, after everything is checked that could be refused."""
        catalogue, beside = self._around(request, person)
        allowed = candidates(request, catalogue) & catalogue.without(person.last_words()[1])
        if request.category is not None:
            allowed &= catalogue.of_category(request.category)
        shown = int(allowed.sum())
        drawn = request.category in (None, *self._generator.categories) and (request.filter is None or shown > 0)
        plan = Plan(
            candidates=shown,
            items=min(shown, request.count) if request.mode != "generate" else 0,
            generate=request.generate if request.mode != "retrieve" and drawn else 0,
            outfit=request.outfit,
        )
        head = self._head(request, person, known_of(person, catalogue, beside)[1])
        return Recommendation(items=(), generated=(), plan=plan, **head)

    def _head(self, request: RecommendationRequest, person: Person, cold_start: ColdStart) -> dict[str, Any]:
        """What an answer says of itself."""
        seed, models = self._seed(request, person), (self._taste.version, self._generator.version)
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

    def add_events(self, events: Sequence[Event]) -> EventsAdded:
        """Store events as `Store.add_events` does, and count the new ones by their user's arm."""
        done = self.store.add_events(events)
        for event in {event.key: event for event in events if event.key in done.new}.values():
            attributed = "yes" if event.rec_id is not None else "no"
            EVENTS.labels(self._split.of(event.user_id), event.type, attributed).inc()
        return done

    def similar_items(self, item_id: str, count: int, category: Category | None = None) -> SimilarItems:
        """The garments nearest to one. Raises NotFound."""
        if item_id not in self.table.index:
            if self.store.get_item(item_id).domain != "garment":
                raise NotFound(f"item {item_id!r} is no garment of the catalogue")
            self.refresh()  # imported since
        found = similar_items(self._catalogue, item_id, count, category)
        return SimilarItems(item_id=item_id, taste_model=self._taste.version, items=found)

    def similar_users(self, user_id: str, count: int) -> SimilarUsers:
        """The users whose taste is nearest to one's, of those that the same model has read.

        Raises NotFound, and BadInput for a user who may not be compared.
        """
        person = stored_person(self.store, user_id)
        check_may_be_compared(person.profile)
        arm = self._arms[self._split.of(user_id)]
        vector = arm._stand(RecommendationRequest(user_id=user_id, explain=False), person).reading.vector
        compared, found = nearest_users(self.store, arm._taste.version, user_id, vector, count)
        return SimilarUsers(user_id=user_id, taste_model=arm._taste.version, compared=compared, users=tuple(found))

    def vary(self, request: VariationRequest) -> Variations:
        """Garments after a user's own photo, which is not stored; see `Tailor.vary`. By an arm the inverter fits."""
        wanted = self._inverter.generator if self._inverter else None
        arm = next((arm for arm in self._arms.values() if arm._generator.version == wanted), self)
        return arm._tailor.vary(request)

    def walk(self, start: RecommendationRequest, end: RecommendationRequest, frames: int) -> NDArray[np.uint8]:
        """Pictures uint8 (frames, size, size, 4) from one person's taste to another's, or between a person's moods.

        The ends are the first garments that the two requests would be given. Nothing is stored. Raises as `recommend`,
        and BadInput for fewer than two frames and for a category that the generator cannot draw.
        """
        return walk(self._generator, self._first(start), self._first(end), frames)

    def _first(self, request: RecommendationRequest) -> Code:
        person = person_of(request, self.store)
        wishes = self._wishes(self._stand(request.model_copy(update={"explain": False}), person), 1)
        if not wishes:
            raise BadInput("category", f"{request.category!r} is none that the generator can draw; choose another")
        return wishes[0].code

    def erase(self, user_id: str, actor: str = "command", request_id: str | None = None) -> None:
        """Erase a user: profile, events, vectors, generations, counts, and pictures that nobody else's refer to.

        actor, request_id: for the audit log, who asked for it. Raises NotFound.
        """
        with self._refreshing:
            with self._ledger.erasing(user_id):
                pictures = self.store.delete_user(user_id, actor, request_id)
            self._show({arm._taste: arm._catalogue for arm in self._arms.values()})
        for arm in self._arms.values():
            arm._generations = {}
            arm._causes.clear()
            arm._atelier.forget()
        for picture in pictures:
            self.pictures.remove(picture)

    def _stand(self, request: RecommendationRequest, person: Person) -> Standing:
        catalogue, beside = self._around(request, person)
        reading = read_person(person, catalogue, self._taste, self.store, beside)
        wanted = request.explain and not reading.nothing_known
        key = (catalogue.number, *reading.key)
        causes = self._causes.get(key, lambda: reading.causes(self._taste, catalogue)) if wanted else None
        return stand(request, reading, catalogue, self._seed(request, person), causes)

    def _around(self, request: RecommendationRequest, person: Person) -> tuple[Catalogue, Beside]:
        """What a person's events speak of. Raises BadInput for events of the request on what does not exist."""
        beside = Beside(self._generations_of(person), self._styles_of(person))
        catalogue = self._catalogue_for(person, beside)
        check_known(request, (catalogue.table.index, beside.styles), beside.generations)
        return catalogue, beside

    def _seed(self, request: RecommendationRequest, person: Person) -> int:
        if request.seed is not None:
            return request.seed
        return derive(person.name, person.watermark, self._taste.version, self._generator.version)

    def _make(self, standing: Standing) -> list[Garment]:
        """Garments for the person's taste modes, stored, best first."""
        wishes = self._wishes(standing, standing.request.generate)
        drawn = sorted(self._atelier.draw(wishes), key=lambda garment: -standing.score(garment.vector))
        return self._atelier.keep(drawn, standing.reading.person.user_id, _reasons(drawn, standing))

    def _wishes(self, standing: Standing, count: int) -> list[Wish]:
        catalogue, request, seed = standing.catalogue, standing.request, derive(standing.seed, "modes")
        allowed, among = standing.drawable, None
        if request.filter is not None or request.context is not None:
            among = {catalogue.table.items[row].category for row in np.flatnonzero(allowed)}
        interests = standing.reading.interests(self._taste, catalogue)
        return self._atelier.wishes(interests, catalogue, allowed, count, seed, request.category, among)

    def _catalogue_for(self, person: Person, beside: Beside) -> Catalogue:
        """The snapshot; a new one at once when the person did something with an item that was imported since.

        Otherwise an import shows up by the number of items, and counts by their file, looked at every now and then,
        without anybody waiting.
        """
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._looked = time.monotonic()
            behind = self._ledger.overtaken or self.store.count_items("garment") != self._counted
            if behind and not self._refreshing.locked():
                threading.Thread(target=self.refresh, name="persona-refresh", daemon=True).start()
        unknown = [name for name in self._unlisted(person) if name not in beside.styles]
        if unknown and self._imported_since(unknown[-1]):
            self.refresh()
        return self._catalogue

    def _unlisted(self, person: Person) -> list[str]:
        """Ids of items that a person did something with and that the table has not: styles, or imported since."""
        known = self.table.index
        return [event.item_id for event in person.events if event.item_id and event.item_id not in known]

    def _styles_of(self, person: Person) -> dict[str, tuple[Floats, Item]]:
        """Content vector and item of the styles in force that a person did something with: read anew for each answer,
        since consent can end at any time."""
        return self.store.style_features(set(self._unlisted(person)), self._visual.version)

    def _imported_since(self, item_id: str) -> bool:
        try:
            return self.store.get_item(item_id).domain == "garment"
        except NotFound:
            return False

    def _generations_of(self, person: Person) -> dict[str, tuple[Floats, int]]:
        """Content vector and category of the generated pictures that a person did something with."""
        names = [event.generation_id for event in person.events if event.generation_id]
        if len(self._generations) > KEPT_GENERATIONS:
            self._generations = {}
        known = self._generations
        new = self.store.generation_features({name for name in names if name not in known})
        for name, feature in new.items():
            known[name] = feature, FACET_CODES["category"][self.store.get_generation(name).category]
        return {name: known[name] for name in names if name in known}


def _reasons(garments: Sequence[Garment], standing: Standing) -> list[tuple[Reason, ...]]:
    return standing.reasons(np.stack([garment.vector for garment in garments])) if garments else []


def _generated(garments: Sequence[Garment], standing: Standing, model: str) -> tuple[GeneratedItem, ...]:
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
            reasons=reasons,
            url=picture_url(garment.picture),
        )
        for place, (garment, reasons) in enumerate(zip(garments, _reasons(garments, standing)))
    )


def _fused(counts: Companions | None, taste: TasteModel) -> Companions | None:
    """The counts, weighed as this taste model was fused with them; None for one that was not."""
    fusion = taste.config.fusion
    return None if counts is None or fusion.neutral else replace(counts, fusion=fusion)


def _register(store: Store, models: Path, loaded: Sequence[tuple[str, str]]) -> None:
    """Enter the loaded models, (name@version, kind), in the store's register where they are not in it yet."""
    known = {(model.name, model.version) for model in store.models()}
    for full_name, kind in loaded:
        name, _, version = full_name.partition("@")
        if (name, version) not in known:
            metrics = json.loads((models / name / "metrics.json").read_text())
            now = datetime.now(UTC)
            store.put_model(ModelVersion(name=name, version=version, kind=kind, metrics=metrics, registered_at=now))


def _check_one_space(visual: VisualNetwork, taste: TasteModel, generator: GarmentModel) -> None:
    """The taste model and the generator must both have been trained on content vectors of this visual network."""
    trained_on = {TASTE: taste.config.feature_version, GENERATOR: generator.visual}
    for name, version in trained_on.items():
        if version and version != visual.version:
            raise OutOfDate(
                f"{name}: was trained on content vectors of {version}, {VISUAL} is {visual.version}; train it again "
                "(`persona train`), or put back the visual network that it was trained on"
            )
