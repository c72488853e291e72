"""The service itself: one request in, ranked and generated results with reasons out. Every door calls this."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, NotFound, OutOfDate
from persona.gan import GarmentModel
from persona.gan.edit import walk
from persona.gan.invert import Inverter
from persona.gan.model import Code
from persona.recommend.catalogue import Catalogue, load_catalogue
from persona.recommend.dressing import Dresser
from persona.recommend.garments import Atelier, Garment, Wish
from persona.recommend.makeup import MakeupModels, MakeupStudio, open_models
from persona.recommend.memo import Memo
from persona.recommend.person import Person, check_known, inline_person, stored_person
from persona.recommend.ranking import Standing, rank, stand
from persona.recommend.reading import Beside, read_person
from persona.recommend.restoration import Restorer
from persona.recommend.seeds import derive, digest
from persona.recommend.style_regions import RegionFinder
from persona.recommend.styles import StyleModels, StyleStudio
from persona.recommend.styles import open_models as open_style_models
from persona.recommend.tally import FILE as TALLY
from persona.recommend.tally import Ledger
from persona.recommend.types import (
    SCORE_DIGITS,
    GeneratedItem,
    Recommendation,
    RecommendationRequest,
    picture_url,
)
from persona.recommend.variations import Tailor, VariationRequest, Variations
from persona.settings import Settings
from persona.store import Store
from persona.store.records import Item, ModelVersion, Reason
from persona.taste.model import TasteModel
from persona.taste.reasons import Causes
from persona.taste.table import FACET_CODES, Floats, ItemTable

KEPT_CAUSES = 256  # people whose reasons are remembered, up to 64 KiB each
KEPT_GENERATIONS = 50_000  # liked pictures whose content vectors are remembered, a third of a KiB each
LOOK_EVERY = 10.0  # seconds between looks for newly imported items
VISUAL, TASTE, GENERATOR, INVERTER = "visual-64", "taste-garment", "garment-64", "inverter-64"  # model folders


class Recommender:
    """Answers requests from the store, the pictures and three models. Safe to share between threads.

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
    ) -> None:
        """tally: file in which co-occurrence counts are kept, where the taste model was fused with them."""
        _check_one_space(visual, taste, generator)
        self.store, self.pictures = store, pictures
        self._visual, self._taste, self._generator = visual, taste, generator
        self._atelier = Atelier(generator, visual, taste, pictures, store)
        self._dresser = Dresser(self._atelier, pictures, store)
        self._tailor = Tailor(self._atelier, visual, inverter, store)
        self._generations: dict[str, tuple[Floats, int]] = {}
        self._causes: Memo[tuple[Hashable, ...], Causes] = Memo(KEPT_CAUSES)
        self._ledger = Ledger(store, taste.config.fusion, tally)
        self.makeup = MakeupStudio(store, makeup, lambda: self.table)
        self.restorer = Restorer(store, styles.signer if styles else None)
        regions = RegionFinder(self.makeup.detector)
        self.styles = StyleStudio(store, pictures, styles or StyleModels(visual=visual), regions)
        self._refreshing, self._looked = threading.Lock(), time.monotonic()
        self.refresh()

    @classmethod
    def open(cls, settings: Settings) -> Recommender:
        """Open the store and load the models. Content vectors that items lack are made now, with a progress bar.

        Raises OutOfDate for a database before a migration and for models that do not fit together, NotFound for a model
        folder that is not there.
        """
        store, device = Store.open(settings.url), settings.torch_device
        visual = VisualNetwork.load(settings.models / VISUAL).to(device)
        taste = TasteModel.load(settings.models / TASTE)
        generator = GarmentModel.load(settings.models / GENERATOR, device)
        _register(store, settings.models, {"visual": visual.version, "taste": taste.version, "gan": generator.version})
        inverter = Inverter.load(folder, device) if (folder := settings.models / INVERTER).exists() else None
        makeup, styles = open_models(settings), open_style_models(settings, visual)
        tally, pictures = settings.home / TALLY, Pictures(settings.pictures)
        return cls(store, pictures, visual, taste, generator, inverter, tally, makeup, styles)

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
            self._counted = self.store.count_items("garment")
            catalogue = load_catalogue(self.store, self.pictures, self._visual, self._taste)
            self._ledger.refresh()
            self._catalogue = replace(catalogue, companions=self._ledger.companions(catalogue.table.index))

    def recommend(self, request: RecommendationRequest) -> Recommendation:
        """Answer a request. The same user, watermark, models and seed give the same answer.

        Of an inline user nothing is stored but the pictures made for the answer, each with a generation of nobody's, so
        that they can be shown and liked. Raises NotFound for an unknown user, BadInput for an inline history on things
        that do not exist.
        """
        person = inline_person(request) if request.user_id is None else stored_person(self.store, request.user_id)
        standing = self._stand(request, person)
        items = rank(standing) if request.mode != "generate" else ()
        made = self._make(standing) if request.mode != "retrieve" else []
        choice = self._dresser.dress(standing, made) if request.outfit else None
        return Recommendation(
            rec_id=self._rec_id(request, standing),
            user_id=person.user_id,
            taste_model=self._taste.version,
            generator_model=self._generator.version,
            watermark=person.watermark,
            seed=standing.seed,
            items=items,
            generated=_generated(made, standing, self._generator.version),
            outfit=self._dresser.lay_out(choice, standing) if choice else None,
            cold_start=standing.reading.cold_start,
        )

    def vary(self, request: VariationRequest) -> Variations:
        """Garments after a user's own photo, which is not stored; see `Tailor.vary`."""
        return self._tailor.vary(request)

    def walk(self, start: RecommendationRequest, end: RecommendationRequest, frames: int) -> NDArray[np.uint8]:
        """Pictures uint8 (frames, size, size, 4) from one person's taste to another's, or between a person's moods.

        The ends are the first garments that the two requests would be given. Nothing is stored. Raises as `recommend`,
        and BadInput for fewer than two frames and for a category that the generator cannot draw.
        """
        return walk(self._generator, self._first(start), self._first(end), frames)

    def _first(self, request: RecommendationRequest) -> Code:
        person = inline_person(request) if request.user_id is None else stored_person(self.store, request.user_id)
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
            companions = self._ledger.companions(self.table.index)
            self._catalogue = replace(self._catalogue, companions=companions)
        self._generations = {}
        self._causes.clear()
        self._atelier.forget()
        for picture in pictures:
            self.pictures.remove(picture)

    def _stand(self, request: RecommendationRequest, person: Person) -> Standing:
        beside = Beside(self._generations_of(person), self._styles_of(person))
        catalogue = self._catalogue_for(person, beside)
        check_known(request, (catalogue.table.index, beside.styles), beside.generations)
        reading = read_person(person, catalogue, self._taste, self.store, beside)
        wanted = request.explain and not reading.nothing_known
        key = (catalogue.number, *reading.key)
        causes = self._causes.get(key, lambda: reading.causes(self._taste, catalogue)) if wanted else None
        seed = request.seed
        if seed is None:
            seed = derive(person.name, person.watermark, self._taste.version, self._generator.version)
        return stand(request, reading, catalogue, seed, causes)

    def _make(self, standing: Standing) -> list[Garment]:
        """Garments for the person's taste modes, stored, best first."""
        wishes = self._wishes(standing, standing.request.generate)
        drawn = sorted(self._atelier.draw(wishes), key=lambda garment: -standing.score(garment.vector))
        return self._atelier.keep(drawn, standing.reading.person.user_id, _reasons(drawn, standing))

    def _wishes(self, standing: Standing, count: int) -> list[Wish]:
        catalogue, category = standing.catalogue, standing.request.category
        allowed, seed = standing.allowed & catalogue.pictured, derive(standing.seed, "modes")
        interests = standing.reading.interests(self._taste, catalogue)
        return self._atelier.wishes(interests, catalogue, allowed, count, seed, category)

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

    def _rec_id(self, request: RecommendationRequest, standing: Standing) -> str:
        person, models = standing.reading.person, (self._taste.version, self._generator.version)
        asked = request.model_dump(mode="json", exclude={"profile", "history", "seed"})
        return f"r-{digest(asked, person.name, person.watermark, models, standing.seed)[:32]}"


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


def _register(store: Store, models: Path, loaded: dict[str, str]) -> None:
    """Enter the loaded models, kind to name@version, in the store's register where they are not in it yet."""
    known = {(model.name, model.version) for model in store.models()}
    for kind, full_name in loaded.items():
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
