"""The API of makeup: photos in by multipart forms, made-up photos, advice, analyses out; looks to choose and keep."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, FileSchema
from flask import Response, url_for
from pydantic import Field

from persona.makeup.analysis import Monk, Shape
from persona.makeup.chart import SIDES
from persona.makeup.look import REGIONS, Look, Region, Share
from persona.recommend.makeup import MadeUpPhoto
from persona.recommend.makeup_types import (
    RED_LIPS,
    AdviceAnswer,
    AdviseRequest,
    Analysis,
    AnalyzeRequest,
    ApplyRequest,
    ListedLooks,
    MadeLooks,
    MadeUpAnswer,
    MakeLooksRequest,
    Painting,
    SavedLook,
    Strength,
    TransferRequest,
)
from persona.recommend.provenance import Format
from persona.serve import strict
from persona.serve.answers import as_json, as_picture
from persona.serve.api import UserPath
from persona.serve.service import service
from persona.store.records import Identifier, Record

CHART_SIDE = 512  # pixels
_APPLY = {"photo": "@me.jpg", "photo_rights": "own", "look_id": "look-classic-red", "regions": {"lips": 0.6}}
_TRANSFER = {"photo": "@me.jpg", "photo_rights": "own", "reference": "@friend.jpg", "reference_rights": "consented"}
_ADVISE = {"tone": 5, "shape": "oval", "occasion": "evening", "products": "@shades.csv"}
_ANALYZE = {"photo": "@me.jpg", "photo_rights": "own"}

strict.register()
makeup = APIBlueprint("makeup", __name__, url_prefix="/v1", tag="Makeup")


class LooksQuery(Record):
    """Whose looks, and for which skin."""

    user_id: Identifier | None = Field(default=None, description="a stored user, whose saved looks come first")
    tone: Monk | None = Field(default=None, description="Monk skin tone that the shades are for; left out: the user's")


class ChartQuery(Record):
    """A drawn face and what it wears, each region as strongly as is said of it."""

    shape: Shape | None = Field(default=None, description="of the face; left out: oval")
    tone: Monk | None = Field(default=None, description="Monk skin tone; left out: 5")
    look: Identifier | None = Field(default=None, description="a look's id; left out: a bare face")
    user_id: Identifier | None = Field(default=None, description="needed for a look that this user saved")
    side: int = Field(default=CHART_SIDE, ge=SIDES[0], le=SIDES[1], description="pixels")
    strength: Strength = 1.0
    skin: Share | None = None
    contour: Share | None = None
    highlight: Share | None = None
    cheeks: Share | None = None
    brows: Share | None = None
    crease: Share | None = None
    lids: Share | None = None
    liner: Share | None = None
    lip_liner: Share | None = None
    lips: Share | None = None

    @property
    def painting(self) -> Painting:
        """How strongly the look is put on."""
        said = {region: getattr(self, region) for region in REGIONS}
        regions: dict[Region, float] = {region: share for region, share in said.items() if share is not None}
        return Painting(strength=self.strength, regions=regions)


class LookPath(UserPath):
    """Names a look that a user saved."""

    look_id: Identifier = Field(description="from `/v1/users/{user_id}/looks`")


@makeup.post("/makeup/apply")
@makeup.input(ApplyRequest, location="files", arg_name="wanted", example=_APPLY)
@makeup.output(MadeUpAnswer, description="the photo, made up")
def apply_makeup(wanted: ApplyRequest) -> Response:
    """Put a look on a photo

    The photo is not stored. Outside the makeup every pixel of a png or webp is as it was; EXIF does not come back. The
    file says in its metadata that a model helped. With `Accept: image/*` the picture comes alone.
    """
    return _made_up(service().recommender.makeup.apply(wanted), wanted.format)


@makeup.post("/makeup/transfer")
@makeup.input(TransferRequest, location="files", arg_name="wanted", example=_TRANSFER)
@makeup.output(MadeUpAnswer, description="the photo, made up as the person on the reference is")
def transfer_makeup(wanted: TransferRequest) -> Response:
    """Put the look of another photo on a photo

    The look is read relative to that person's own skin and lips, and comes back as a description that can be edited
    and sent to `/v1/makeup/apply`. Neither photo is stored.
    """
    return _made_up(service().recommender.makeup.transfer(wanted), wanted.format)


@makeup.post("/makeup/advise")
@makeup.input(AdviseRequest, location="files", arg_name="wanted", example=_ADVISE)
@makeup.output(AdviceAnswer, description="whole schemes, best first")
def advise_makeup(wanted: AdviseRequest) -> Response:
    """Which looks suit somebody, and why

    By a photo, by what they say of themselves, or both; their own word counts first. Everything may be left out: what
    is not known is said under `uncertain`.
    """
    return as_json(service().recommender.makeup.advise(wanted))


@makeup.post("/makeup/analyze")
@makeup.input(AnalyzeRequest, location="files", arg_name="wanted", example=_ANALYZE)
@makeup.output(Analysis, description="what was read of the face")
def analyze_face(wanted: AnalyzeRequest) -> Response:
    """Read skin tone and face shape of a photo

    The photo is not stored. What the light does not allow to tell is null, with the range that it may be in.
    """
    return as_json(service().recommender.makeup.analyze(wanted))


@makeup.get("/makeup/looks")
@makeup.input(LooksQuery, location="query", arg_name="query")
@makeup.output(ListedLooks, description="the looks")
def list_looks(query: LooksQuery) -> Response:
    """Looks to choose from

    Those that ship, in the shades for a skin tone, after those that the user saved.
    """
    studio = service().recommender.makeup
    looks = studio.looks.listed(query.user_id, query.tone or studio.tone_of(query.user_id), _charts(query))
    return as_json(ListedLooks(looks=looks))


@makeup.post("/makeup/looks")
@makeup.input(MakeLooksRequest, arg_name="wanted", example={"user_id": "u1", "count": 4, "occasion": "evening"})
@makeup.output(MadeLooks, description="the looks")
def make_looks(wanted: MakeLooksRequest) -> Response:
    """Have looks made for one person's taste

    By a model that learnt from varied looks. Nothing is stored; a look that is liked can be saved.
    """
    return as_json(service().recommender.makeup.made_for(wanted))


@makeup.get("/makeup/chart")
@makeup.input(ChartQuery, location="query", arg_name="query")
@makeup.output(FileSchema(), content_type="image/webp", description="the picture")
def draw_chart(query: ChartQuery) -> Response:
    """A look on a drawn face

    The face chart of makeup artists, for a face shape and a skin tone. It is nobody's face.
    """
    chart = service().recommender.makeup.chart(
        query.look, query.user_id, query.shape, query.tone, query.side, query.painting
    )
    answer = Response(chart, mimetype="image/webp")
    saved = query.user_id is not None
    answer.headers["Cache-Control"] = "private, no-cache" if saved else "public, max-age=3600"
    return answer


@makeup.post("/users/<user_id>/looks")
@makeup.input(UserPath, location="path", arg_name="path")
@makeup.input(Look, arg_name="look", example=RED_LIPS)
@makeup.output(SavedLook, status_code=201, description="the look was saved")
def save_look(user_id: str, path: UserPath, look: Look) -> Response:
    """Save a look for a user

    Looks can be saved; faces cannot. It is erased with its user.
    """
    saved = SavedLook(look_id=service().recommender.makeup.looks.save(user_id, look), look=look)
    return as_json(saved, 201)


@makeup.get("/users/<user_id>/looks")
@makeup.input(UserPath, location="path", arg_name="path")
@makeup.output(ListedLooks, description="the looks that the user saved")
def saved_looks(user_id: str, path: UserPath) -> Response:
    """The looks that a user saved"""
    studio = service().recommender.makeup
    tone = studio.tone_of(user_id)
    looks = studio.looks.listed(user_id, tone, _charts(LooksQuery(user_id=user_id, tone=tone)))
    return as_json(ListedLooks(looks=tuple(look for look in looks if look.saved)))


@makeup.delete("/users/<user_id>/looks/<look_id>")
@makeup.input(LookPath, location="path", arg_name="path")
@makeup.doc(responses={204: "the look is gone"})
def delete_look(user_id: str, look_id: str, path: LookPath) -> Response:
    """Erase a look that a user saved"""
    service().recommender.makeup.looks.delete(user_id, look_id)
    return Response(status=204)


def _charts(query: LooksQuery) -> str:
    """Address of a look's chart, with {} for its id."""
    said: dict[str, Any] = query.model_dump(exclude_none=True)
    address = url_for("makeup.draw_chart", **said)
    return f"{address}{'&' if said else '?'}look={{}}"


def _made_up(result: MadeUpPhoto, format: Format) -> Response:
    return as_picture(result, result.done, format, MadeUpAnswer, "made-up")
