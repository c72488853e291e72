"""Answers that several routes give alike: models as JSON, and pictures of people that nobody on the way may keep."""

from __future__ import annotations

import base64
from typing import Any

from flask import Response, request
from pydantic import BaseModel

from persona.recommend.photos import LabelledPicture
from persona.recommend.provenance import Format, media_type


def as_json(model: BaseModel, status: int = 200) -> Response:
    """A model as JSON that is not stored on its way."""
    return Response(model.model_dump_json(), status, mimetype="application/json", headers={"Cache-Control": "no-store"})


def as_picture(
    result: LabelledPicture, done: BaseModel, format: Format, answer: type[BaseModel], name: str
) -> Response:
    """JSON of the kind `answer`, what was done with the picture in it; or the picture alone where that is asked for.

    name: of the file that a browser keeps, without its ending.
    """
    kind, content = media_type(format), result.file(format)
    if request.accept_mimetypes.best_match(["application/json", kind]) == kind:
        given = Response(content, mimetype=kind)
        given.headers["Content-Disposition"] = f'attachment; filename="{name}.{format}"'
    else:
        stated: dict[str, Any] = {**dict(done), "media_type": kind, "picture": base64.b64encode(content).decode()}
        given = as_json(answer.model_validate(stated))
    given.headers["Vary"] = "Accept"
    given.headers["Cache-Control"] = "no-store"
    return given
