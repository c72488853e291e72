"""The page `/makeup`: a drawn face until a photo is given, then the photo, before and after.

See `photo_pages` for how such a page works. Nothing of a photo is stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import cv2
import numpy as np
from apiflask import APIBlueprint
from flask import flash, redirect, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from persona.errors import BadInput, OutOfDate
from persona.makeup.analysis import Shape, Undertone
from persona.makeup.look import REGIONS, Look
from persona.makeup.monk import MONK
from persona.makeup.photo import open_photo
from persona.recommend.lookbook import USUAL_TONE
from persona.recommend.makeup import USUAL_SHAPE, MadeUpPhoto, MakeupStudio
from persona.recommend.makeup_types import (
    AdviceAnswer,
    AdviseRequest,
    ApplyRequest,
    ListedLook,
    MadeLooks,
    MadeUp,
    MakeLooksRequest,
    Painting,
    SeveralFaces,
    TransferRequest,
)
from persona.recommend.photos import MOST_PIXELS
from persona.recommend.provenance import encode
from persona.serve import people
from persona.serve.gallery import valid
from persona.serve.photo_pages import download, inside, number_in, page_of, plain, said_of, sent, smaller
from persona.serve.security import check_form
from persona.serve.service import service
from persona.store.records import OCCASIONS, SEASONS, Profile, Traits

CHART, SCHEME, THUMBNAIL = 640, 384, 192  # pixels of a side
MADE = 4  # looks at once
OWN = "own"  # the choice of a look that is none of the list: advised, read from a reference, or edited
NAMES = {"lip_liner": "lip liner", "skin": "foundation", "liner": "eyeliner", "lids": "eyeshadow"}
SHAPES, UNDERTONES = get_args(Shape), get_args(Undertone)

page = APIBlueprint("makeup_page", __name__, enable_openapi=False)


@dataclass(frozen=True)
class Choices:
    """What the form says: whom it is for, which look, how strongly."""

    user: Profile | None
    tone: int | None
    shape: Shape | None
    undertone: Undertone | None
    occasion: str | None
    season: str | None
    look_id: str
    look: Look
    painting: Painting
    looks: tuple[ListedLook, ...]


@dataclass(frozen=True)
class Shown:
    """What the page shows beside the form. Pictures are addresses that a browser can show as they stand."""

    after: str
    before: str | None = None
    done: MadeUp | None = None
    advice: AdviceAnswer | None = None
    made: MadeLooks | None = None
    charts: tuple[str, ...] = field(default=())
    problem: BadInput | OutOfDate | None = None
    size: tuple[int, int] = (CHART, CHART)


@page.get("/makeup")
def makeup_page() -> Response:
    """The drawn face with a look on it, and the form."""
    studio = service().recommender.makeup
    choices = _choices(studio, request.args)
    return _page(studio, choices, _chart(studio, choices))


@page.post("/makeup")
def make_up() -> Response:
    """What the form asks for: a look on the photo, one read from a reference, advice, the file, or to keep the look."""
    check_form()
    studio, form = service().recommender.makeup, request.form
    choices = _choices(studio, form)
    what = form.get("do", "apply")
    try:
        if what == "keep":
            return _keep(studio, choices)
        if what == "advise":
            return _page(studio, choices, _advice(studio, choices))
        if what == "make":
            return _page(studio, choices, _made(studio, choices))
        if what in ("save", "transfer") and not sent("photo"):
            raise BadInput("photo", "is missing: choose yours first", "no_photo")
        if not sent("photo"):
            return _page(studio, choices, _chart(studio, choices))
        result = _transfer(studio, choices) if what == "transfer" else _apply(studio, choices)
        if what == "save":
            return download(result, "made-up")
        worn = replace(choices, look=result.done.look, look_id=OWN) if what == "transfer" else choices
        return _page(studio, worn, _result(result))
    except (BadInput, OutOfDate) as problem:
        return _page(studio, choices, _problem(studio, choices, problem), 422 if isinstance(problem, BadInput) else 503)


def _choices(studio: MakeupStudio, said: Any) -> Choices:
    given = {name: said[name].strip() for name in said if said[name].strip()}
    user = studio.user(given["user"]) if "user" in given else None
    known = user.traits if user else Traits()
    stated: Any = {name: given.get(name) for name in ("tone", "shape", "undertone", "occasion", "season")}
    person = valid(AdviseRequest, {**stated, "tone": number_in("tone", given.get("tone"))})
    tone = person.tone or known.skin_tone
    looks = studio.looks.listed(user.id if user else None, tone, "{}")
    look_id = given.get("look") or looks[0].look_id
    regions = {region: number_in(region, given[region]) for region in REGIONS if region in given}
    painting = valid(Painting, {"strength": number_in("strength", given.get("strength", "1")), "regions": regions})
    return Choices(
        user=user,
        tone=tone,
        shape=person.shape or known.face_shape,
        undertone=person.undertone or known.undertone,
        occasion=person.occasion,
        season=person.season,
        look_id=look_id,
        look=_look(look_id, given, looks),
        painting=painting,
        looks=looks,
    )


def _look(look_id: str, given: dict[str, str], looks: tuple[ListedLook, ...]) -> Look:
    """The look that is chosen: of the list, or the one that the form carries along."""
    if "wear" in given or look_id == OWN:
        text = given.get("wear") or given.get("own_look", "")
        try:
            return Look.model_validate_json(text)
        except ValidationError as error:
            raise BadInput("own_look", f"{error.errors()[0]['msg']}: choose a look of the list") from error
    found = next((look.look for look in looks if look.look_id == look_id), None)
    if found is None:
        raise BadInput("look", f"there is no look {look_id[:64]!r}: choose one of the list")
    return found


def _asked(choices: Choices) -> dict[str, Any]:
    """A request's fields about the photo. A stored user is left out: the box that was ticked speaks for the photo."""
    if choices.user is not None and choices.user.consents.get("photos") is False:
        raise BadInput("user_id", f"{people.name_of(choices.user.id)} has refused the use of photos", "no_consent")
    if request.form.get("photo_rights") != "own":
        message = "tick the box that says that the photo is yours to use like this"
        raise BadInput("photo_rights", message, "no_consent")
    face = number_in("face", request.form.get("face") or None)
    person = {"tone": choices.tone, "shape": choices.shape, "undertone": choices.undertone}
    return {"photo": sent("photo"), "photo_rights": "own", "face": face, **person, **dict(choices.painting)}


def _apply(studio: MakeupStudio, choices: Choices) -> MadeUpPhoto:
    shipped = choices.look_id != OWN and "wear" not in request.form
    saved = any(look.saved and look.look_id == choices.look_id for look in choices.looks)
    named = {"look_id": choices.look_id} if shipped and not saved else {"look": choices.look}
    return studio.apply(valid(ApplyRequest, {**_asked(choices), **named}))


def _transfer(studio: MakeupStudio, choices: Choices) -> MadeUpPhoto:
    reference = sent("reference")
    if not reference:
        raise BadInput("reference", "is missing: choose the photo whose look you want", "no_photo")
    if request.form.get("reference_rights") != "consented":
        raise BadInput("reference_rights", "tick the box: whoever is on the reference has to agree", "no_consent")
    asked = {**_asked(choices), "reference": reference, "reference_rights": "consented"}
    return studio.transfer(valid(TransferRequest, asked))


def _advice(studio: MakeupStudio, choices: Choices) -> Shown:
    """Advice by the photo where there is one, with each scheme on a drawn face."""
    person = {"tone": choices.tone, "shape": choices.shape, "undertone": choices.undertone}
    asked: dict[str, Any] = {**person, "occasion": choices.occasion, "season": choices.season}
    if choices.user is not None and not sent("photo"):
        asked["user_id"] = choices.user.id
    if sent("photo"):
        about = _asked(choices)
        asked |= {name: about[name] for name in ("photo", "photo_rights", "face")}
    if products := sent("products"):
        asked["products"] = products
    advice = studio.advise(valid(AdviseRequest, asked))
    shape, tone = advice.analysis.shape.shape or USUAL_SHAPE, advice.analysis.skin.monk or choices.tone or USUAL_TONE
    if "photo" in asked:
        charts = tuple(_worn(studio, asked, scheme.look) for scheme in advice.schemes)
    else:
        charts = tuple(_drawn(studio, scheme.look, shape, tone, SCHEME, Painting()) for scheme in advice.schemes)
    return replace(_chart(studio, choices), advice=advice, charts=charts)


def _made(studio: MakeupStudio, choices: Choices) -> Shown:
    """Looks that the generator makes for this person's taste, others at every press, on the drawn face."""
    person = {"user_id": choices.user.id if choices.user else None, "tone": choices.tone, "occasion": choices.occasion}
    seed = secrets.randbelow(2**31)
    made = studio.made_for(valid(MakeLooksRequest, {**person, "count": MADE, "seed": seed}))
    shape, tone = choices.shape or USUAL_SHAPE, choices.tone or USUAL_TONE
    charts = tuple(_drawn(studio, one.look, shape, tone, SCHEME, Painting()) for one in made.looks)
    return replace(_chart(studio, choices), made=made, charts=charts)


def _worn(studio: MakeupStudio, asked: dict[str, Any], look: Look) -> str:
    """A look on the face of the photo, and little around it."""
    about = {name: asked[name] for name in ("photo", "photo_rights", "face")}
    made = studio.apply(valid(ApplyRequest, {**about, "look": look}))
    left, top, right, bottom = made.done.face.box
    side = min(round(1.7 * max(right - left, bottom - top)), *made.after.shape[:2])
    x, y = (left + right - side) // 2, (top + bottom - side) // 2
    x, y = min(max(x, 0), made.after.shape[1] - side), min(max(y, 0), made.after.shape[0] - side)
    part = cv2.resize(made.after[y : y + side, x : x + side], (SCHEME, SCHEME), interpolation=cv2.INTER_AREA)
    return inside(encode(np.asarray(part, np.uint8), "jpeg", made.label), "jpeg")


def _keep(studio: MakeupStudio, choices: Choices) -> Response:
    if choices.user is None:
        raise BadInput("user", "only a profile can keep looks: open this page from one")
    kept = studio.looks.save(choices.user.id, choices.look)
    flash(f"{choices.look.title or 'The look'} was saved for {people.name_of(choices.user.id)}. No photo was.")
    return redirect(url_for("makeup_page.makeup_page", user=choices.user.id, look=kept), 303)


def _result(result: MadeUpPhoto) -> Shown:
    before, after = smaller(result.before), smaller(result.after)
    return Shown(
        after=inside(encode(after, "jpeg", result.label), "jpeg"),
        before=inside(plain(before), "jpeg"),
        done=result.done,
        size=(after.shape[1], after.shape[0]),
    )


def _problem(studio: MakeupStudio, choices: Choices, problem: BadInput | OutOfDate) -> Shown:
    """The drawn face and what is wrong; where one of several faces has to be chosen, the photo itself."""
    shown = replace(_chart(studio, choices), problem=problem)
    if not isinstance(problem, SeveralFaces) or problem.field != "face":
        return shown
    photo = open_photo(sent("photo"), max_pixels=MOST_PIXELS)
    return replace(
        shown, after=inside(plain(smaller(photo)), "jpeg"), before=None, size=(photo.shape[1], photo.shape[0])
    )


def _chart(studio: MakeupStudio, choices: Choices) -> Shown:
    """The look on the drawn face of the person's shape and tone."""
    shape, tone = choices.shape or USUAL_SHAPE, choices.tone or USUAL_TONE
    bare = _drawn(studio, Look(), shape, tone, CHART, Painting())
    return Shown(after=_drawn(studio, choices.look, shape, tone, CHART, choices.painting), before=bare)


def _drawn(studio: MakeupStudio, look: Look, shape: Shape, tone: int, side: int, painting: Painting) -> str:
    return inside(studio.chart_of(look, shape, tone, side, painting), "webp")


def _page(studio: MakeupStudio, choices: Choices, shown: Shown, status: int = 200) -> Response:
    worn = [product.region for product in choices.look.products]
    return page_of(
        "makeup.html",
        status,
        choices=choices,
        shown=shown,
        trouble=_said(shown.problem),
        regions=[(region, NAMES.get(region, region), region in worn) for region in REGIONS],
        regions_named=[(region, NAMES.get(region, region)) for region in REGIONS],
        monk=MONK,
        shapes=SHAPES,
        undertones=UNDERTONES,
        occasions=OCCASIONS,
        seasons=SEASONS,
        name_of=people.name_of,
        thumbnail=lambda look: _thumbnail(choices, look),
        own=OWN,
    )


def _said(problem: BadInput | OutOfDate | None) -> str:
    if isinstance(problem, SeveralFaces) and problem.field == "face":
        return f"There are {len(problem.faces)} faces on the photo. Whose is yours?"
    return said_of(problem)


def _thumbnail(choices: Choices, look: ListedLook) -> str:
    said: dict[str, Any] = {"look": look.look_id, "shape": choices.shape or USUAL_SHAPE, "side": THUMBNAIL}
    said["tone"] = choices.tone or USUAL_TONE
    if look.saved and choices.user:
        said["user_id"] = choices.user.id
    return url_for("makeup.draw_chart", **said)
