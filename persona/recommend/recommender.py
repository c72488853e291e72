"""The service itself: one request in, ranked and generated results with reasons out. Every door calls this."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona.arms import DEFAULT, Split, arms_of
from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.errors import NotFound
from persona.gan import GarmentModel
from persona.gan.edit import walk
from persona.gan.invert import Inverter
from persona.metrics import ANSWERS, EVENTS
from persona.recommend.answerer import Answerer
from persona.recommend.catalogue import Catalogue, load_table
from persona.recommend.crowd import Crowd
from persona.recommend.drawing import Drawer
from persona.recommend.list_types import SimilarItems, SimilarUsers
from persona.recommend.makeup import MakeupModels, MakeupStudio, open_models
from persona.recommend.person import identity
from persona.recommend.remembered import Remembered
from persona.recommend.restoration import Restorer
from persona.recommend.shown import ShownRecorder
from persona.recommend.similar import check_may_be_compared, nearest_users, similar_items
from persona.recommend.style_regions import RegionFinder
from persona.recommend.styles import StyleModels, StyleStudio
from persona.recommend.styles import open_models as open_style_models
from persona.recommend.tally import FILE as TALLY
from persona.recommend.tally import Ledger
from persona.recommend.types import Recommendation, RecommendationRequest
from persona.recommend.variations import VariationRequest, Variations
from persona.settings import Settings
from persona.store import Store
from persona.store.events import EventsAdded
from persona.store.records import Category, Event, ModelVersion
from persona.taste.companions import Companions
from persona.taste.model import TasteModel
from persona.taste.table import ItemTable

LOOK_EVERY = 10.0  # seconds between looks for newly imported items
VISUAL, INVERTER = "visual-64", "inverter-64"  # model folders; those of an arm are its settings

Models = tuple[TasteModel, GarmentModel]


class Recommender:
    """Answers requests from the store, the pictures and three models. Safe to share between threads.

    In an A/B split each arm has a taste model and a generator of its own, and a user's arm answers for them; everything
    else is shared.

    The catalogue, its popularity and co-occurrence are a snapshot; `refresh` takes a new one, and so does, within
    seconds, a change in the number of items or of the co-occurrence file by another process. People are remembered, but
    every answer looks first whether anything stored about them has changed, so a new event changes the next one,
    whichever process took it.
    """

    def __init__(
        self,
        store: Store,
        pictures: Pictures,
        visual: VisualNetwork,
        arms: Mapping[str, Models],
        *,
        split: Split | None = None,
        inverter: Inverter | None = None,
        tally: Path | None = None,
        makeup: MakeupModels | None = None,
        styles: StyleModels | None = None,
        settings: Settings | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        """arms: at least one; split: the users between them, None for equal shares. tally: file in which co-occurrence
        counts are kept, where a taste model was fused with them. settings: how models are shared between requests; None
        for the usual ones, and nothing drawn is kept on disk. crowd: what everybody did, held still; None: as it is
        whenever the catalogue is read."""
        self.store, self.pictures, self.visual = store, pictures, visual
        self._split = split or Split(dict.fromkeys(arms, 1.0))
        self._drawers = {one.version: Drawer(one, visual, settings) for _, one in arms.values()}
        readings = Remembered()
        self.arms = {
            name: Answerer(
                name, store, pictures, taste, self._drawers[generator.version],
                inverter=inverter, readings=readings, settings=settings, renew=self.refresh,
            )
            for name, (taste, generator) in arms.items()
        }  # fmt: skip
        self._inverter = inverter
        fused = [taste.config.fusion for taste, _ in arms.values()]
        held = None if crowd is None else crowd.tally
        self._crowd = crowd
        self._ledger = Ledger(store, min(fused, key=lambda fusion: fusion.neutral), tally, held)
        self.makeup = MakeupStudio(store, makeup, lambda: self.table)
        self.restorer = Restorer(store, styles.signer if styles else None)
        regions = RegionFinder(self.makeup.detector)
        self.styles = StyleStudio(store, pictures, styles or StyleModels(visual=visual), regions)
        self.shown = ShownRecorder(store)
        self._refreshing, self._looked = threading.Lock(), time.monotonic()
        self.refresh()

    @classmethod
    def open(cls, settings: Settings, crowd: Crowd | None = None) -> Recommender:
        """Open the store and load the models. Content vectors that items lack are made now, with a progress bar.

        Raises OutOfDate for a database before a migration and for models that do not fit together, NotFound for a model
        folder that is not there, BadInput for one that an arm names.
        """
        store, device = Store.open(settings.url), settings.torch_device
        visual = VisualNetwork.load(settings.models / VISUAL).to(device)
        arms = arms_of(settings)
        tastes = {name: TasteModel.load(settings.models / name) for name in {arm.taste for arm in arms.values()}}
        drawn_by = {arm.generator for arm in arms.values()}
        generators = {name: GarmentModel.load(settings.models / name, device) for name in drawn_by}
        loaded = [(visual.version, "visual"), *((taste.version, "taste") for taste in tastes.values())]
        _register(store, settings.models, [*loaded, *((one.version, "gan") for one in generators.values())])
        return cls(
            store,
            Pictures(settings.pictures),
            visual,
            {name: (tastes[arm.taste], generators[arm.generator]) for name, arm in arms.items()},
            split=Split({name: arm.share for name, arm in arms.items()}),
            inverter=Inverter.load(folder, device) if (folder := settings.models / INVERTER).exists() else None,
            tally=settings.home / TALLY,
            makeup=open_models(settings),
            styles=open_style_models(settings, visual),
            settings=settings,
            crowd=crowd,
        )

    @property
    def main(self) -> Answerer:
        """The default arm; in an A/B split the first one."""
        return self.arms.get(DEFAULT) or next(iter(self.arms.values()))

    @property
    def table(self) -> ItemTable:
        """The catalogue as it was last read."""
        return self.main.catalogue.table

    @property
    def counted(self) -> tuple[int, int] | None:
        """Users and pairs of items that co-occurrence rests on, as last read; None where no model uses it."""
        used = any(arm.catalogue.companions is not None for arm in self.arms.values())
        return self._ledger.size if used else None

    @property
    def healthy(self) -> bool:
        """Whether the models work; False while one hangs."""
        return all(drawer.healthy for drawer in self._drawers.values())

    def warm(self) -> None:
        """Use the models once, so that the first request does not wait for what first use makes."""
        for drawer in self._drawers.values():
            drawer.warm()

    def close(self) -> None:
        """Finish what is being drawn, then close the store."""
        for drawer in self._drawers.values():
            drawer.close()
        for arm in self.arms.values():
            arm.atelier.close()
        self.shown.close()
        self.store.close()

    def refresh(self) -> None:
        """Read the catalogue, its popularity and what was done since; answers under way are finished on the old one.

        Of styles whose consent has ended since, what was learnt is erased.
        """
        self.styles.retire_ended()
        with self._refreshing:
            self._counted = self.store.count_items("garment")
            popularity = self.store.popularity() if self._crowd is None else self._crowd.popularity
            table = load_table(self.store, self.pictures, self.visual, popularity.overall)
            self._ledger.refresh()
            tastes = {arm.taste for arm in self.arms.values()}
            self._show({taste: Catalogue.of(table, taste, popularity.segments) for taste in tastes})

    def crowd(self) -> Crowd:
        """What everybody did, as it is now: co-occurrence as it was last refreshed."""
        return Crowd(self.store.popularity(), self._ledger.last())

    def recommend(self, request: RecommendationRequest) -> Recommendation:
        """Answer a request. The same user, watermark, models and seed give the same answer.

        Of an inline user nothing is stored but the pictures made for the answer, each with a generation of nobody's, so
        that they can be shown and liked. Raises NotFound for an unknown user, BadInput for an inline history on things
        that do not exist.
        """
        arm = self.arm_of(identity(request))
        if request.validate_only:
            return arm.plan(request)
        answer = arm.answer(request)
        ANSWERS.labels(arm.arm, request.mode, answer.cold_start).inc()
        self.shown.note(answer)
        return answer

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
        found = similar_items(self.main.catalogue, item_id, count, category)
        return SimilarItems(item_id=item_id, taste_model=self.main.taste.version, items=found)

    def similar_users(self, user_id: str, count: int) -> SimilarUsers:
        """The users whose taste is nearest to one's, of those that the same model has read.

        Raises NotFound, and BadInput for a user who may not be compared.
        """
        check_may_be_compared(self.store.get_user(user_id))
        arm = self.arm_of(user_id)
        vector = arm.stand(RecommendationRequest(user_id=user_id, explain=False)).reading.vector
        compared, found = nearest_users(self.store, arm.taste.version, user_id, vector, count)
        return SimilarUsers(user_id=user_id, taste_model=arm.taste.version, compared=compared, users=tuple(found))

    def vary(self, request: VariationRequest) -> Variations:
        """Garments after a user's own photo, which is not stored; see `Tailor.vary`. By an arm the inverter fits."""
        wanted = self._inverter.generator if self._inverter else None
        fitting = (arm for arm in self.arms.values() if arm.generator.version == wanted)
        return next(fitting, self.main).tailor.vary(request)

    def walk(self, start: RecommendationRequest, end: RecommendationRequest, frames: int) -> NDArray[np.uint8]:
        """Pictures uint8 (frames, size, size, 4) from one person's taste to another's, or between a person's moods.

        The ends are the first garments that the two requests would be given by the main arm. Nothing is stored. Raises
        as `recommend`, and BadInput for fewer than two frames and for a category that the generator cannot draw.
        """
        return walk(self.main.generator, self.main.first(start), self.main.first(end), frames)

    def erase(self, user_id: str, actor: str = "command", request_id: str | None = None) -> None:
        """Erase a user: profile, events, vectors, generations, counts, and pictures that nobody else's refer to.

        actor, request_id: for the audit log, who asked for it. Raises NotFound.
        """
        with self._refreshing:
            origins = self.store.generation_origins(user_id)
            with self._ledger.erasing(user_id):
                pictures = self.store.delete_user(user_id, actor, request_id)
            self._show({arm.taste: arm.catalogue for arm in self.arms.values()})
        for arm in self.arms.values():
            arm.forget(origins)
        self.shown.forget()
        for picture in pictures:
            self.pictures.remove(picture)

    def arm_of(self, name: str) -> Answerer:
        """The arm that answers for a user's id, or for the digest of an inline profile."""
        self._look()
        return self.assigned(name)

    def assigned(self, name: str) -> Answerer:
        """As `arm_of`, without a look whether the catalogue has changed."""
        return self.arms[self._split.of(name)]

    def _show(self, catalogues: Mapping[TasteModel, Catalogue]) -> None:
        """Answer from these catalogues, one for each taste model, and the co-occurrence counts as they are now."""
        counts = self._ledger.companions(next(iter(catalogues.values())).table.index)
        now = {taste: one.with_companions(_fused(counts, taste)) for taste, one in catalogues.items()}
        for arm in self.arms.values():
            arm.catalogue = now[arm.taste]

    def _look(self) -> None:
        """Every now and then, without anybody waiting: an import shows up by the number of items, counts by their
        file."""
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._looked = time.monotonic()
            behind = self._ledger.overtaken or self.store.count_items("garment") != self._counted
            if behind and not self._refreshing.locked():
                threading.Thread(target=self.refresh, name="persona-refresh", daemon=True).start()


def _fused(counts: Companions | None, taste: TasteModel) -> Companions | None:
    """The counts, weighed as this taste model was fused with them; None for one that was not."""
    fusion = taste.config.fusion
    return None if counts is None or fusion.neutral else replace(counts, fusion=fusion)


def _register(store: Store, models: Path, loaded: Iterable[tuple[str, str]]) -> None:
    """Enter the loaded models, (name@version, kind), in the store's register where they are not in it yet."""
    known = {(model.name, model.version) for model in store.models()}
    for full_name, kind in loaded:
        name, _, version = full_name.partition("@")
        if (name, version) not in known:
            metrics = json.loads((models / name / "metrics.json").read_text())
            now = datetime.now(UTC)
            store.put_model(ModelVersion(name=name, version=version, kind=kind, metrics=metrics, registered_at=now))
