"""The API of styles: pictures in by multipart forms, pictures in a style out; named styles learnt, listed, retired."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, url_for
from pydantic import Field

from persona.recommend.restoration import RestoredAnswer, RestoreRequest
from persona.recommend.style_types import (
    LearnRequest,
    ListedStyle,
    ListedStyles,
    StyledAnswer,
    StyleRequest,
)
from persona.serve import strict
from persona.serve.access import audit
from persona.serve.answers import as_json, as_picture
from persona.serve.service import service
from persona.store.records import Identifier, Record

_APPLY = {"photo": "@jacket.jpg", "photo_rights": "own", "references": ["@print.png"], "reference_rights": "own",
          "strength": 0.8}  # fmt: skip
_LEARN = {"name": "style-mia", "references": ["@look1.jpg", "@look2.jpg"], "consent": True, "source": "Mia herself",
          "licence": "by agreement of 2026-05-04", "until": "2100-01-01T00:00:00Z"}  # fmt: skip

_RESTORE = {"photo": "@jacket.png", "photo_rights": "own", "mask": "@stain.png"}

strict.register()
styles = APIBlueprint("styles", __name__, url_prefix="/v1", tag="Styles")


class StylePath(Record):
    """Names a style."""

    style_id: Identifier = Field(description="its name, from `/v1/styles`")


@styles.post("/style/apply")
@styles.input(StyleRequest, location="files", arg_name="wanted", example=_APPLY)
@styles.output(StyledAnswer, description="the picture, in the style")
def apply_style(wanted: StyleRequest) -> Response:
    """Put the style of references on a garment or a photo

    The picture is a photo, an item of the catalogue or a generated garment; the references are pictures, items, named
    styles, or several of them. Nothing is stored. Transparency and all pixels outside the region of a png or webp are
    as they were; EXIF does not come back. The file says in its metadata that a model helped. With `Accept: image/*`
    the picture comes alone.
    """
    made = service().recommender.styles.apply(wanted)
    return as_picture(made, made.done, wanted.format, StyledAnswer, "styled")


@styles.post("/style/restore")
@styles.input(RestoreRequest, location="files", arg_name="wanted", example=_RESTORE)
@styles.output(RestoredAnswer, description="the picture, restored")
def restore_picture(wanted: RestoreRequest) -> Response:
    """Fill what is damaged on a picture of a garment

    The mask says what: a stain, a tear, a price tag. It is filled in the garment's own style; what was lost and shows
    nowhere else, like a button, does not come back. All pixels outside the mask of a png or webp are as they were.
    """
    made = service().recommender.restorer.apply(wanted)
    return as_picture(made, made.done, wanted.format, RestoredAnswer, "restored")


@styles.get("/styles")
@styles.output(ListedStyles, description="the styles")
def list_styles() -> Response:
    """The named styles in force

    One whose consent has ended, or was withdrawn, is not among them.
    """
    return as_json(ListedStyles(styles=service().recommender.styles.listed()))


@styles.post("/styles")
@styles.input(LearnRequest, location="files", arg_name="wanted", example=_LEARN)
@styles.output(ListedStyle, status_code=201, description="the style was learnt")
def learn_style(wanted: LearnRequest) -> Response:
    """Learn a style from references, and give it a name

    A person's style needs their consent. The references are not kept: only vectors are, and what was agreed. Its name
    is an item's id: users like it by `/v1/events`, which enters their taste in garments.
    """
    learnt = service().recommender.styles.learn(wanted)
    answer = as_json(learnt, 201)
    answer.headers["Location"] = url_for("styles.list_styles")
    return answer


@styles.delete("/styles/<style_id>")
@styles.input(StylePath, location="path", arg_name="path")
@styles.doc(responses={204: "the style is gone"})
def retire_style(style_id: str, path: StylePath) -> Response:
    """Retire a style

    It is gone at once: what was learnt and its swatch are erased, and likes of it count no more.
    """
    recommender = service().recommender
    recommender.styles.retire(style_id)
    audit(recommender.store, "style.retire")
    return Response(status=204)
