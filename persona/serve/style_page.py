"""The page `/style`: a garment, a reference, and the garment in the reference's style beside it.

See `photo_pages` for how such a page works. Nothing of what is sent is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import cv2
from apiflask import APIBlueprint
from flask import request
from werkzeug.wrappers import Response

from persona.catalog.pictures import Bytes, on_white
from persona.errors import BadInput, NotFound, OutOfDate
from persona.recommend import Recommender
from persona.recommend.provenance import encode
from persona.recommend.style_types import REGIONS, ListedStyle, StyleRequest
from persona.recommend.styles import StyledPicture
from persona.recommend.types import picture_url
from persona.serve import people
from persona.serve.gallery import valid
from persona.serve.photo_pages import download, inside, number_in, page_of, plain, said_of, sent, smaller
from persona.serve.security import check_form
from persona.serve.service import service
from persona.store.records import Item
from persona.style.art import ArtKind
from persona.style.prints import PRINTS, draw_print

MOST = 18  # garments to choose from, spread over the catalogue
KEEPS = ("nothing", "colour", "luminance")
STYLE, ITEM, PRINT = "style:", "item:", "print:"  # what a chosen reference is
METHODS = ("transfer", "pattern", *get_args(ArtKind))
SWATCH = 128  # pixels of a print

page = APIBlueprint("style_page", __name__, enable_openapi=False)


@dataclass(frozen=True)
class Choices:
    """What the form says, and what there is to choose from."""

    garments: tuple[Item, ...]
    styles: tuple[ListedStyle, ...]
    garment: str
    reference: str
    strength: float
    keep: str
    method: str
    region: str
    scale: float
    rotation: float


@dataclass(frozen=True)
class Shown:
    """What the page shows beside the form. Pictures are addresses that a browser can show as they stand."""

    before: str | None = None
    after: str | None = None
    label: str = ""
    problem: BadInput | NotFound | OutOfDate | None = None


@page.get("/style")
def style_page() -> Response:
    """The first garment in the style that is chosen, and the form."""
    return _shown(_choices(request.args), form=False)


@page.post("/style")
def put_on() -> Response:
    """What the form asks for: the style on the garment, or the file."""
    check_form()
    return _shown(_choices(request.form), form=True)


def _choices(said: Any) -> Choices:
    recommender = service().recommender
    garments, styles = _spread(recommender), recommender.styles.listed()
    usable = [f"{STYLE}{style.name}" for style in styles if style.usable]
    usable += [f"{ITEM}{item.id}" for item in garments[:0:-1]]  # from the last one: unlike the first garment
    usable += [f"{PRINT}{kind}" for kind in PRINTS]
    return Choices(
        garments=garments,
        styles=styles,
        garment=said.get("garment") or (garments[0].id if garments else ""),
        reference=said.get("like") or next(iter(usable), ""),
        strength=_number("strength", said, 1),
        keep=_one_of("keep", said, KEEPS),
        method=_one_of("method", said, METHODS),
        region=_one_of("region", said, ("", *REGIONS)),
        scale=_number("scale", said, 3),
        rotation=_number("rotation", said, 0),
    )


def _one_of(name: str, said: Any, known: tuple[str, ...]) -> str:
    """What is chosen; the first one where nothing is."""
    found: str = said.get(name, known[0])
    if found not in known:
        raise BadInput(name, f"{found[:32]!r} is none: choose from {', '.join(filter(None, known))}")
    return found


@cache
def _print(kind: str) -> bytes:
    """One of our own prints, as a PNG. Raises BadInput for what is none."""
    return bytes(cv2.imencode(".png", draw_print(kind, SWATCH)[..., ::-1])[1])


def _number(name: str, said: Any, usual: float) -> float:
    found = number_in(name, said.get(name) or None)
    return usual if found is None else float(found)


def _spread(recommender: Recommender) -> tuple[Item, ...]:
    """Garments of the catalogue with a picture, evenly taken."""
    pictured = [item for item in recommender.table.items if item.picture and item.active and not item.cutout_failed]
    return tuple(pictured[:: max(1, len(pictured) // MOST)][:MOST])


def _shown(choices: Choices, *, form: bool) -> Response:
    try:
        wanted = valid(StyleRequest, _asked(choices))
        result = service().recommender.styles.apply(wanted)
    except (BadInput, NotFound, OutOfDate) as problem:
        status = 422 if isinstance(problem, BadInput) else 404 if isinstance(problem, NotFound) else 503
        return _page(choices, Shown(before=_address(choices), problem=problem), status if form else 200)
    if form and request.form.get("do") == "save":
        return download(result, "styled")
    return _page(choices, _result(result))


def _asked(choices: Choices) -> dict[str, Any]:
    """The request that the form makes: a photo comes before a garment that is chosen, a file before a reference."""
    asked: dict[str, Any] = {"strength": choices.strength, "region": choices.region or None}
    if photo := sent("photo"):
        asked |= {"photo": photo, "photo_rights": request.form.get("photo_rights")}
    else:
        asked["item_id"] = choices.garment
    if choices.method in get_args(ArtKind):
        return asked | {"method": "art", "art": choices.method}
    if choices.method == "pattern":
        asked |= {"method": "pattern", "scale": choices.scale, "rotation": choices.rotation}
    elif choices.keep != KEEPS[0]:
        asked[f"keep_{choices.keep}"] = True
    return asked | _liked(choices)


def _liked(choices: Choices) -> dict[str, Any]:
    """The reference that is asked for."""
    asked: dict[str, Any] = {}
    if reference := sent("reference"):
        asked |= {"references": (reference,), "reference_rights": request.form.get("reference_rights")}
    elif choices.reference.startswith(PRINT):
        drawn = _print(choices.reference.removeprefix(PRINT))
        asked |= {"references": (drawn,), "reference_rights": "own", "reference_region": "print"}
    elif choices.reference.startswith(STYLE):
        asked["styles"] = (choices.reference.removeprefix(STYLE),)
    elif choices.reference:
        asked["reference_items"] = (choices.reference.removeprefix(ITEM),)
    return asked


def _result(result: StyledPicture) -> Shown:
    before, after = smaller(result.before), smaller(result.after)
    return Shown(_plain(before), inside(encode(after, "webp", result.label), "webp"), result.done.label)


def _plain(picture: Bytes) -> str:
    return inside(plain(on_white(picture)), "jpeg")


def _address(choices: Choices) -> str | None:
    """The garment that is chosen, where it is one of the catalogue."""
    found = next((item for item in choices.garments if item.id == choices.garment), None)
    return picture_url(found.picture) if found is not None and found.picture and not sent("photo") else None


def _page(choices: Choices, shown: Shown, status: int = 200) -> Response:
    problem = shown.problem
    return page_of(
        "style.html",
        status,
        choices=choices,
        shown=shown,
        trouble=str(problem) if isinstance(problem, NotFound) else said_of(problem),
        keeps=KEEPS,
        methods=METHODS,
        regions=REGIONS,
        prints={kind: inside(_print(kind), "png") for kind in PRINTS},
        print_prefix=PRINT,
        style_prefix=STYLE,
        item_prefix=ITEM,
        title_of=people.title,
    )
