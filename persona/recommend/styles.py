"""Styles as a service: a picture and a style in, the picture in that style out; styles learnt, listed, retired.

Photos and references are opened, read and forgotten: they are in memory only, and nothing of them is logged or stored.
Of a named style vectors are kept, a swatch that the model draws, and what was agreed. Whether a style may still be used
is the store's to say, each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from persona.batcher import Places
from persona.catalog.cutout import centred
from persona.catalog.pictures import Bytes, Pictures, on_white, unpremultiply
from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, NotFound, OutOfDate
from persona.recommend.credentials import Signer, open_signer
from persona.recommend.keeping import drop
from persona.recommend.photos import WAITING, LabelledPicture, check_photo_consent, check_rights, open_rgba, stated
from persona.recommend.provenance import Label, SourceType, read_label
from persona.recommend.style_regions import RegionFinder
from persona.recommend.style_types import (
    BY_RULE,
    LABEL,
    LearnRequest,
    ListedStyle,
    Method,
    Region,
    Styled,
    StyleRequest,
    listed,
)
from persona.recommend.swatch import draw_swatch
from persona.recommend.types import picture_url
from persona.settings import Settings
from persona.store import Agreement, NamedStyle, Store
from persona.style.art import paint
from persona.style.drape import Drape, lay
from persona.style.model import StyleModel, blend
from persona.style.picture import Floats, changed, check, strips
from persona.style.tile import tile_of

AT_ONCE = 1  # pictures that are worked on at the same time: memory stays bounded, and one takes all cores anyway
STYLE, VISUAL = "style", "visual-64"  # model folders
MADE = Label("trainedAlgorithmicMedia", LABEL)


@dataclass(frozen=True)
class StyledPicture(LabelledPicture):
    """A picture in a style, and what was done. Premultiplied uint8 (h, w, 4), before and after."""

    done: Styled


@dataclass(frozen=True)
class StyleModels:
    """What a studio works with; None where it is not there. visual: by which a learnt style counts in taste."""

    style: StyleModel | None = None
    visual: VisualNetwork | None = None
    signer: Signer | None = None


@dataclass(frozen=True)
class _Opened:
    """A picture, premultiplied, and what of it counts: region float32 (h, w)."""

    rgba: Bytes = field(repr=False)
    region: Floats = field(repr=False)
    named: Region
    label: Label | None = None
    people: int | None = None


def open_models(settings: Settings, visual: VisualNetwork | None = None) -> StyleModels:
    """Load what there is of the model folders, and the signer. Raises as `modelfolder.read` and `open_signer`."""
    folder = settings.models
    if visual is None and (folder / VISUAL).exists():
        visual = VisualNetwork.load(folder / VISUAL)
    style = StyleModel.load(folder / STYLE) if (folder / STYLE).exists() else None
    return StyleModels(style, visual, open_signer(settings))


class StyleStudio:
    """Answers requests for styles. Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        pictures: Pictures,
        models: StyleModels | None = None,
        regions: RegionFinder | None = None,
    ) -> None:
        """models: None to do without. regions: None for one of its own."""
        self._store, self._pictures, self._models = store, pictures, models or StyleModels()
        self._regions = regions or RegionFinder()
        self._places = Places("style", AT_ONCE, WAITING)

    def apply(self, request: StyleRequest, vector: Floats | None = None) -> StyledPicture:
        """Put a style on a picture. vector: of the request's references, where it is at hand, as in a series.

        Raises BadInput (with a code) for what is no usable picture or reference, for a user who does not allow photos
        and for a style whose consent ended (no_consent), NotFound for an unknown user, item or style, and OutOfDate
        without a model, for a style that another one learnt, and where a photo may show somebody and faces cannot be
        looked for.
        """
        check_photo_consent(self._store, request.user_id)
        with self._places.taken():
            source = self._source(request)
            if request.method == "pattern":
                return self._result(request, source, self._patterned(request, source), "algorithmicallyEnhanced")
            if request.method == "art":
                return self._result(request, source, _painted(request, source), "algorithmicallyEnhanced")
            model = self._need_model()
            vector = self.vector(request) if vector is None else vector
            styled = model.apply(source.rgba, vector, request.controls, source.region)
            return self._result(request, source, styled, "compositeWithTrainedAlgorithmicMedia", model.version)

    def vector(self, request: StyleRequest) -> Floats:
        """The style vector (d,) of a request's references, blended by their weights. Raises as `apply`."""
        model = self._need_model()
        named = [self._named(name, model) for name in request.styles]
        read = [model.read(one.rgba, one.region) for one in self._references(request)]
        return blend([*named, *read], request.weights or [1.0] * len(named + read))

    def learn(self, request: LearnRequest) -> ListedStyle:
        """Learn a named style. Raises BadInput (no_consent) without consent or after its end, and as `apply`; Conflict
        for a name that is taken."""
        if request.origin == "person" and not request.consent:
            why = "a person's style is learnt only if they agreed: state it, or name a work by origin"
            raise BadInput("consent", why, "no_consent")
        check_photo_consent(self._store, request.owner)
        model, visual = self._need_model(), self._need_visual()
        with self._places.taken():
            seen = self._sent(request.references, request.reference_region)
            vectors = [model.read(one.rgba, one.region) for one in seen]
            weights = request.weights or (1.0,) * len(seen)
            content = visual.features(np.stack([_square(one) for one in seen]))
            swatch = self._pictures.put(draw_swatch(model, blend(vectors, weights)))
        style = _style(request, weights, model.version, swatch)
        try:
            self._store.put_style(style, np.stack(vectors), visual.version, np.average(content, 0, weights))
        except BaseException:
            drop(self._store, self._pictures, swatch)
            raise
        return self._listed(style)

    def listed(self) -> tuple[ListedStyle, ...]:
        """The styles in force."""
        return tuple(self._listed(style) for style in self._store.styles())

    def retire(self, name: str) -> None:
        """End a style: gone at once, what was learnt erased, likes of it count no more. Raises NotFound."""
        for picture in self._store.retire_style(name):
            self._pictures.remove(picture)

    def retire_ended(self) -> None:
        """Erase what was learnt of styles whose consent has ended since."""
        for picture in self._store.retire_ended_styles():
            self._pictures.remove(picture)

    def _patterned(self, request: StyleRequest, source: _Opened) -> Bytes:
        """With a tile of the one reference laid on it. What no tile can be taken from is named by its field."""
        (reference,) = self._references(request)
        try:
            tile = tile_of(reference.rgba, reference.region, seed=request.seed)
        except BadInput as error:
            field = "references.0" if request.references else "reference_items.0"
            raise BadInput(field, error.message, error.code) from error
        drape = Drape(scale=request.scale, rotation=request.rotation, strength=request.strength)
        return lay(source.rgba, tile, drape, source.region)

    def _source(self, request: StyleRequest) -> _Opened:
        if request.photo is not None:
            check_rights(request.photo_rights)
            return self._photo(request.photo, request.method, request.region)
        if request.item_id is not None:
            return self._stored(request.item_id, "item_id", request.region)
        assert request.generation_id is not None  # the request has one of the three
        rgba = self._kept(self._store.get_generation(request.generation_id).picture, "generation_id")
        return _opened(rgba, request.region, MADE, "generation_id")

    def _photo(self, content: bytes, method: Method, wanted: Region | None) -> _Opened:
        """The picture that was sent to be styled."""
        if method == "art" and wanted == "all":
            rgba = open_rgba(content, "photo")
            return _Opened(rgba, check(rgba, None, "photo"), "all", read_label(content))
        usual: Region = "all" if method == "art" else "garment"
        return self._opened(content, wanted, usual, "clothes" if method == "pattern" else "all", "photo")

    def _stored(self, item_id: str, field: str, region: Region | None = None) -> _Opened:
        """A garment of the catalogue, which was cut out of its photo when it was imported."""
        item = self._store.get_item(item_id)
        if item.domain != "garment" or item.picture is None:
            raise BadInput(field, f"{item_id!r} is no garment with a picture: choose another", "no_photo")
        rgba = self._kept(item.picture, field)
        if item.rights.generated:
            return _opened(rgba, region, MADE, field)
        found = self._regions.find(rgba, region, usual="garment", of_person="clothes", field=field, cut=True)
        return _Opened(rgba, check(rgba, found.region, field), found.named, people=found.people)

    def _kept(self, picture: str, field: str) -> Bytes:
        try:
            return self._pictures.get(picture)
        except (OSError, NotFound):
            raise BadInput(field, "its picture's file is lost or damaged: choose another", "no_photo") from None

    def _opened(self, content: bytes, wanted: Region | None, usual: Region, of_person: Region, field: str) -> _Opened:
        """A picture that was sent, with its region; see `RegionFinder.find`."""
        rgba = open_rgba(content, field)
        check(rgba, None, field)
        found = self._regions.find(rgba, wanted, usual=usual, of_person=of_person, field=field)
        return _Opened(rgba, check(rgba, found.region, field), found.named, read_label(content), found.people)

    def _references(self, request: StyleRequest) -> list[_Opened]:
        """The pictures that the style is taken from."""
        stored = [self._stored(item, f"reference_items.{n}") for n, item in enumerate(request.reference_items)]
        if request.references:
            check_rights(request.reference_rights, "reference_rights")
        return stored + self._sent(request.references, request.reference_region)

    def _sent(self, references: Sequence[bytes], region: Region | None) -> list[_Opened]:
        return [self._opened(one, region, "all", "all", f"references.{n}") for n, one in enumerate(references)]

    def _named(self, name: str, model: StyleModel) -> Floats:
        style = self._store.get_style(name)
        if style.model != model.version:
            raise OutOfDate(f"style {name!r} was learnt by {style.model}, this is {model.version}: learn it anew")
        return blend(list(self._store.style_vectors(name)), style.weights)

    def _need_model(self) -> StyleModel:
        if self._models.style is None:
            raise OutOfDate(f"{STYLE}: no such model folder in PERSONA_MODELS; run `persona train style`")
        return self._models.style

    def _need_visual(self) -> VisualNetwork:
        if self._models.visual is None:
            raise OutOfDate(f"{VISUAL}: no such model folder in PERSONA_MODELS; run `persona train visual`")
        return self._models.visual

    def _listed(self, style: NamedStyle) -> ListedStyle:
        usable = self._models.style is not None and style.model == self._models.style.version
        return listed(style, picture_url(style.picture) if style.picture else None, usable)

    def _result(
        self, request: StyleRequest, source: _Opened, styled: Bytes, kind: SourceType, model: str | None = None
    ) -> StyledPicture:
        label = _label(kind, model, source)
        done = Styled(
            **stated(styled, label, self._models.signer),
            method=request.method, region=source.named, controls=request.controls, model=model,
            covered=round(float((source.region > 0).mean()), 4), people=source.people,
        )  # fmt: skip
        return StyledPicture(source.rgba, styled, label, self._models.signer, done)


def _label(kind: SourceType, model: str | None, source: _Opened) -> Label:
    """What the result says of itself: that AI had a part in it only where it had, here or in the source."""
    label = Label(kind).after(source.label)
    words = LABEL if model else BY_RULE if label.source == kind else f"{BY_RULE}; what it shows was made with AI"
    return Label(label.source, words)


def _painted(request: StyleRequest, source: _Opened) -> Bytes:
    assert request.art is not None  # the request has a kind with this method
    painted = paint(on_white(source.rgba), request.art, request.detail, request.seed)
    result = source.rgba.copy()
    for rows in strips(result):
        straight = unpremultiply(source.rgba[rows])[..., :3]
        change = (painted[rows].astype(np.float32) - straight) / np.float32(255)
        result[rows] = changed(source.rgba[rows], source.region[rows], request.strength * change)
    return result


def _opened(rgba: Bytes, wanted: Region | None, label: Label | None, field: str) -> _Opened:
    """A garment that was generated, all of it. Raises BadInput of the field it stands in."""
    if wanted in ("clothes", "background"):
        raise BadInput("region", f"{wanted} goes with photos of people, and this is a garment: leave it out", "no_face")
    return _Opened(rgba, check(rgba, None, field), wanted or "garment", label)


def _square(seen: _Opened) -> Bytes:
    """What counts of a reference as catalogue pictures show garments, for the visual network."""
    return centred(unpremultiply(seen.rgba)[..., :3], seen.region)


def _style(request: LearnRequest, weights: tuple[float, ...], model: str, swatch: str) -> NamedStyle:
    now = datetime.now(UTC)
    agreement = Agreement(
        licence=request.licence, source=request.source, consent=request.consent, given_at=request.given_at or now,
        until=request.until,
    )  # fmt: skip
    return NamedStyle(
        id=request.name, title=request.title, origin=request.origin, agreement=agreement, owner=request.owner,
        model=model, weights=weights, picture=swatch, learnt_at=now,
    )  # fmt: skip
