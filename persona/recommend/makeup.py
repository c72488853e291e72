"""Makeup as a service: a photo and a look in, the photo made up out; advice, analysis, transfer. Every door calls it.

A photo is opened, read, painted on and forgotten: it is in memory only, nowhere logged, and nothing of it is stored.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from persona.batcher import Places
from persona.errors import BadInput, OutOfDate
from persona.makeup.advice import advise
from persona.makeup.analysis import FaceAnalysis, Monk, Shape, SkinTone, analyse
from persona.makeup.chart import draw_chart
from persona.makeup.detector import open_detector
from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.look import REGIONS, Look
from persona.makeup.lookgan import LookGenerator
from persona.makeup.monk import monk_lab
from persona.makeup.photo import open_photo
from persona.makeup.products import ProductTable
from persona.makeup.quality import check, counted
from persona.makeup.read import LookReader
from persona.makeup.render import apply
from persona.makeup.skin import read_skin
from persona.makeup.tastes import PersonalLook
from persona.makeup.transfer import transfer
from persona.recommend.credentials import Signer, open_signer
from persona.recommend.look_taste import LookShelf, LookTaste
from persona.recommend.lookbook import USUAL_TONE, Lookbook
from persona.recommend.makeup_types import (
    AdviceAnswer,
    AdviseRequest,
    Analysis,
    AnalyzeRequest,
    ApplyRequest,
    FoundFace,
    MadeLook,
    MadeLooks,
    MadeUp,
    MakeLooksRequest,
    Painting,
    PhotoRequest,
    SeveralFaces,
    Stated,
    TransferRequest,
)
from persona.recommend.memo import Memo
from persona.recommend.photos import (
    AT_ONCE,
    MOST_PIXELS,
    WAITING,
    LabelledPicture,
    check_photo_consent,
    check_rights,
    stated,
)
from persona.recommend.provenance import Label, SourceType, read_label
from persona.recommend.seeds import derive
from persona.settings import Settings
from persona.store import Store
from persona.store.records import Event, Profile, Traits
from persona.taste.model import TasteModel
from persona.taste.table import DIMENSIONS, ItemTable

USUAL_SHAPE: Shape = "oval"
READER, TASTE, GENERATOR = "look-reader", "taste-look", "look-gan"  # model folders
KEPT_CHARTS = 512  # of some 20 KB


@dataclass(frozen=True)
class MadeUpPhoto(LabelledPicture):
    """A photo made up, and what was done."""

    done: MadeUp


@dataclass(frozen=True)
class _Opened:
    """A photo with the one face that is worked on, and all that were found."""

    photo: Bytes = field(repr=False)
    face: Face
    found: FoundFace
    faces: tuple[FoundFace, ...]
    label: Label | None


@dataclass(frozen=True)
class MakeupModels:
    """What a studio works with; None where it is not there.

    reader: of looks in photos; taste: over looks, and generator: of looks for a taste; signer: of results; detector: of
    faces, where it is not this installation's own.
    """

    reader: LookReader | None = None
    taste: TasteModel | None = None
    generator: LookGenerator | None = None
    signer: Signer | None = None
    detector: LandmarkDetector | None = None


def open_models(settings: Settings) -> MakeupModels:
    """Load what there is of the model folders, and the signer. Raises as `modelfolder.read` and `open_signer`."""
    device, folder = settings.torch_device, settings.models
    return MakeupModels(
        reader=LookReader.load(folder / READER) if (folder / READER).exists() else None,
        taste=TasteModel.load(folder / TASTE) if (folder / TASTE).exists() else None,
        generator=LookGenerator.load(folder / GENERATOR, device) if (folder / GENERATOR).exists() else None,
        signer=open_signer(settings),
    )


class MakeupStudio:
    """Answers requests for makeup. Safe to share between threads."""

    def __init__(
        self, store: Store, models: MakeupModels | None = None, garments: Callable[[], ItemTable] | None = None
    ) -> None:
        """models: None to do without. garments: the catalogue's table, to which a taste in looks leans."""
        self.looks = Lookbook(store)
        self._store, self._models = store, models or MakeupModels()
        self._detector, taste = self._models.detector, self._models.taste
        no_garments = ItemTable.of([], np.zeros((0, DIMENSIONS), np.float32), {}, "")
        leans_to = garments or (lambda: no_garments)
        self._taste = None if taste is None else LookTaste(store, taste, self._models.generator, leans_to)
        self._places = Places("makeup", AT_ONCE, WAITING)
        self._charts: Memo[tuple[Look, Shape, Monk, int, str], bytes] = Memo(KEPT_CHARTS)

    def apply(self, request: ApplyRequest) -> MadeUpPhoto:
        """Put a look on a photo.

        Raises BadInput (with a code) for what is no usable photo and for a user who does not allow photos, NotFound for
        an unknown user or look, OutOfDate where faces cannot be read here, saying what to install.
        """
        traits = self._traits(request)
        with self._opened(request) as opened:
            skin, look = None, request.look
            if look is None and request.look_id is not None:
                skin = read_skin(opened.photo, opened.face, traits)
                look = self.looks.find(request.look_id, request.user_id, *_tone_of(skin))
            assert look is not None  # the request has one of the two
            painted = apply(opened.photo, opened.face, look, request.strengths(look))
            named = {"look_id": request.look_id, "skin": skin}
            return self._result(opened, painted, look, request, "algorithmicallyEnhanced", **named)

    def transfer(self, request: TransferRequest) -> MadeUpPhoto:
        """Put the look of a reference on a photo. Raises as `apply`; OutOfDate without a reader."""
        if self._models.reader is None:
            raise OutOfDate(f"{READER}: no such model folder in PERSONA_MODELS; run `persona train reader`")
        with self._opened(request) as opened:
            seen = self._open(request.reference, request.reference_face, "reference", "reference_face")
            regions = [region for region in REGIONS if request.regions.get(region, 1.0) > 0]
            strengths = {region: request.strength * request.regions.get(region, 1.0) for region in REGIONS}
            photo, face = opened.photo, opened.face
            painted, look = transfer(photo, face, seen.photo, seen.face, self._models.reader, strengths, regions)
            return self._result(opened, painted, look, request, "compositeWithTrainedAlgorithmicMedia")

    def made_for(self, request: MakeLooksRequest) -> MadeLooks:
        """Looks made for one person by the look generator.

        Raises NotFound for an unknown user, BadInput for an inline history on what does not exist, and OutOfDate where
        the models are not there.
        """
        taste = self._need_taste()
        tone = self._traits(request).skin_tone or USUAL_TONE
        seed = request.seed if request.seed is not None else derive(request.user_id or "anybody", "looks")
        person = request.user_id, request.profile, request.history
        model, made = taste.made_for(*person, request.count, seed, request.occasion, monk_lab(tone))
        return MadeLooks(model=model, seed=seed, looks=_made_looks(made))

    @property
    def version(self) -> str | None:
        """Of the models that make looks for a person's taste; None where they are not there."""
        return None if self._taste is None else self._taste.version

    def look_shelf(self) -> LookShelf:
        """The looks that tastes are read over, as they are now. Raises OutOfDate where the models are not there."""
        return self._need_taste().shelf()

    def made_with_scores(
        self, profile: Profile, events: Sequence[Event], shelf: LookShelf, count: int, seed: int
    ) -> tuple[MadeLooks, list[float]]:
        """What `made_for` makes for a stored user who was read already, and how much they like each look, in its order.

        events: their last LONGEST_MEMORY of all kinds. Raises OutOfDate where the models are not there.
        """
        skin = monk_lab(profile.traits.skin_tone or USUAL_TONE)
        model, made, scores = self._need_taste().made_with_scores(profile, events, shelf, count, seed, skin)
        return MadeLooks(model=model, seed=seed, looks=_made_looks(made)), scores

    def analyze(self, request: AnalyzeRequest) -> Analysis:
        """Read skin tone and face shape of a photo; the person's own word first. Raises as `apply`."""
        traits = self._traits(request)
        with self._opened(request) as opened:
            read = analyse(opened.photo, opened.face, traits)
            height, width = opened.photo.shape[:2]
            return Analysis(
                skin=read.skin, shape=read.shape, width=width, height=height, face=opened.found, faces=opened.faces
            )

    def advise(self, request: AdviseRequest) -> AdviceAnswer:
        """Whole schemes for a person, by a photo or by their own word. Raises as `apply`."""
        traits = self._traits(request)
        products = _products(request.products) if request.products is not None else None
        analysis, found = self._read(request, traits)
        person = request.user_id, request.profile, request.history
        liked = self._taste.scores(*person) if self._taste is not None else {}
        advice = advise(
            analysis,
            self.looks.shared(*_tone_of(analysis.skin)),
            occasion=request.occasion,
            season=request.season,
            taste=liked,
            products=products,
            count=request.count,
        )
        return AdviceAnswer(
            schemes=advice.schemes, uncertain=advice.uncertain, analysis=analysis, tasted=bool(liked), face=found
        )

    def chart(
        self,
        look_id: str | None,
        user_id: str | None,
        shape: Shape | None,
        tone: Monk | None,
        side: int,
        painting: Painting,
    ) -> bytes:
        """A look on the drawn face of a shape and tone, as a WebP file; without an id: the bare face. Raises NotFound.

        user_id: who saved the look, where it is a saved one.
        """
        shape, tone = shape or USUAL_SHAPE, tone or USUAL_TONE
        look = self.looks.find(look_id, user_id, tone) if look_id is not None else Look()
        return self.chart_of(look, shape, tone, side, painting)

    def chart_of(self, look: Look, shape: Shape, tone: Monk, side: int, painting: Painting) -> bytes:
        """The same of a look that is given."""
        key = (look, shape, tone, side, painting.model_dump_json())

        def draw() -> bytes:
            chart = draw_chart(shape, tone, side)
            painted = apply(chart.picture, chart.face, look, painting.strengths(look))
            file = io.BytesIO()
            Image.fromarray(painted).save(file, "WEBP", quality=90)
            return file.getvalue()

        return self._charts.get(key, draw)

    def detector(self) -> LandmarkDetector:
        """Who finds faces here, for others who need one too. Raises OutOfDate as `open_detector`."""
        if self._detector is None:
            self._detector = open_detector()
        return self._detector

    def user(self, user_id: str) -> Profile:
        """A stored user. Raises NotFound."""
        return self._store.get_user(user_id)

    def tone_of(self, user_id: str | None) -> Monk | None:
        """The skin tone that a user stated. Raises NotFound."""
        return self._store.get_user(user_id).traits.skin_tone if user_id is not None else None

    def _read(self, request: AdviseRequest, traits: Traits) -> tuple[FaceAnalysis, FoundFace | None]:
        if request.photo is None:
            return analyse(None, None, traits), None
        check_rights(request.photo_rights)
        assert request.photo_rights is not None
        asked = AnalyzeRequest(
            photo=request.photo, photo_rights=request.photo_rights, user_id=request.user_id, face=request.face
        )
        with self._opened(asked) as opened:
            return analyse(opened.photo, opened.face, traits), opened.found

    def _traits(self, request: Stated) -> Traits:
        """What is known of the person: stated in the request, else in their stored or inline profile."""
        profile, user_id = getattr(request, "profile", None), getattr(request, "user_id", None)
        if profile is not None:
            return request.traits(profile.traits)
        return request.traits(self._store.get_user(user_id).traits if user_id is not None else Traits())

    @contextmanager
    def _opened(self, request: PhotoRequest) -> Iterator[_Opened]:
        """The photo of a request with its face, for as long as it is worked on."""
        check_photo_consent(self._store, request.user_id)
        with self._places.taken():
            yield self._open(request.photo, request.face, "photo", "face")

    def _open(self, content: bytes, choose: int | None, field: str, field_of_face: str) -> _Opened:
        label = read_label(content)
        photo = open_photo(content, max_pixels=MOST_PIXELS, field=field)
        faces = self._detect(photo)
        found = tuple(_found(number, face, photo) for number, face in enumerate(counted(faces), start=1))
        try:
            face = check(photo, faces, choose)
        except BadInput as error:
            raise _in_place(error, found, field, field_of_face) from None
        return _Opened(photo, face, found[choose - 1 if choose else 0], found, label)

    def _detect(self, photo: Bytes) -> list[Face]:
        return self.detector().detect(photo)

    def _need_taste(self) -> LookTaste:
        if self._taste is None:
            raise OutOfDate(f"{TASTE}: no such model folder in PERSONA_MODELS; run `persona train taste --domain look`")
        return self._taste

    def _result(
        self, opened: _Opened, painted: Bytes, look: Look, request: Painting, source: SourceType, **more: Any
    ) -> MadeUpPhoto:
        label = Label(source).after(opened.label)
        done = MadeUp(
            **stated(painted, label, self._models.signer),
            look=look,
            strengths=request.strengths(look),
            face=opened.found,
            **more,
        )
        return MadeUpPhoto(opened.photo, painted, label, self._models.signer, done)


def _made_looks(made: Sequence[PersonalLook]) -> tuple[MadeLook, ...]:
    return tuple(
        MadeLook(look=one.look, occasion=one.category, seed=one.seed, condition_digest=one.digest, like=one.like)
        for one in made
    )


def _products(content: bytes) -> ProductTable:
    """Real products of a csv file. Raises BadInput (products)."""
    try:
        return ProductTable.read(content)
    except BadInput as error:
        raise error if error.field == "products" else BadInput("products", str(error)) from error


def _found(number: int, face: Face, photo: Bytes) -> FoundFace:
    """Where a face lies, cut to the photo."""
    limits = np.array([photo.shape[1], photo.shape[0]])
    low = np.clip(np.floor(face.xy.min(0)), 0, limits).astype(int).tolist()
    high = np.clip(np.ceil(face.xy.max(0)), 0, limits).astype(int).tolist()
    return FoundFace(choose=number, box=(low[0], low[1], high[0], high[1]), confidence=round(face.confidence, 3))


def _in_place(error: BadInput, found: tuple[FoundFace, ...], photo: str, face: str) -> BadInput:
    """The same error with the names that the request has for it, and where the faces are if there are several."""
    if error.code == "several_faces":
        return SeveralFaces(face, error.message, found)
    field = {"photo": photo, "picture": photo, "face": face}.get(error.field, error.field)
    return BadInput(field, error.message, error.code)


def _tone_of(skin: SkinTone) -> tuple[Monk | None, tuple[float, float, float] | None]:
    """What shades are chosen by: the tone, and the measured colour where the light allows to trust it."""
    tone = skin.monk if skin.monk is not None else (sum(skin.monk_range) // 2 if skin.monk_range else None)
    return tone, skin.lab if skin.certain else None
