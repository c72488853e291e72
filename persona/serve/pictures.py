"""`GET /i/{sha256}.webp`: pictures by the hash of their bytes, so whatever is fetched once never changes."""

from __future__ import annotations

from io import BytesIO

from apiflask import APIBlueprint, FileSchema
from flask import Response, send_file

from persona.errors import NotFound
from persona.serve import strict
from persona.serve.service import service
from persona.store.records import Record, Sha256

YEAR = 365 * 24 * 3600


class PicturePath(Record):
    """Names a picture."""

    sha256: Sha256


strict.register()
pictures = APIBlueprint("pictures", __name__, tag="Pictures")


@pictures.get("/i/<sha256>.webp")
@pictures.input(PicturePath, location="path")
@pictures.output(FileSchema(), content_type="image/webp", description="the picture")
def picture(sha256: str, path_data: PicturePath) -> Response:
    """A picture by its sha256

    Answers carry an ETag and may be kept for ever; `If-None-Match` is answered with 304.
    """
    try:
        content = service().recommender.pictures.open_bytes(sha256)
    except NotFound:
        raise NotFound(f"picture {sha256}: there is no such picture; it was never made, or erased") from None
    response = send_file(BytesIO(content), mimetype="image/webp", etag=sha256, max_age=YEAR, conditional=True)
    response.cache_control.immutable = True
    response.cache_control.public = True
    return response
