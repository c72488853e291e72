"""What pages that work on photos share: files of a form, pictures inside the page, and what may run there.

They work without JavaScript: one form posts, and the answer is the page again. `static/live.js` posts the same form in
the background and puts the answer's parts in place. Nothing of a photo is stored: pictures come inside the page.
"""

from __future__ import annotations

import base64
from typing import Any

import cv2
from flask import render_template, request
from werkzeug.wrappers import Response

from persona.catalog.pictures import Bytes, shrunk
from persona.errors import BadInput, OutOfDate
from persona.recommend.photos import LabelledPicture
from persona.serve.security import HEADERS

CSP = HEADERS["Content-Security-Policy"].replace("script-src 'none'", "script-src 'self'; img-src 'self' data: blob:")
PREVIEW = 1280  # pixels of a side


def number_in(name: str, text: str | None) -> float | int | None:
    """A number as it stands in a form. Raises BadInput."""
    if text is None:
        return None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise BadInput(name, f"{text[:32]!r} is no number") from None


def sent(name: str) -> bytes:
    """A file of the form, as often as it is asked for; empty where there is none."""
    file = request.files.get(name)
    if file is None:
        return b""
    file.stream.seek(0)
    return file.read()


def smaller(photo: Bytes) -> Bytes:
    """A picture (h, w, 3 or 4) as large as a page shows it."""
    return shrunk(photo, PREVIEW)


def plain(photo: Bytes) -> bytes:
    """A photo (h, w, 3) as JPEG, with nothing said of it: it is the person's own, as they sent it."""
    return bytes(cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1])


def inside(content: bytes, kind: str) -> str:
    """A picture's file as an address that stands for itself."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def download(result: LabelledPicture, name: str) -> Response:
    """The result's file, for the person to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.png"', "Cache-Control": "no-store"}
    return Response(result.file("png"), mimetype="image/png", headers=headers)


def said_of(problem: BadInput | OutOfDate | None) -> str:
    """What is wrong, for people: without the name that programs have for the field."""
    if not isinstance(problem, BadInput):
        return str(problem or "")
    name = problem.field.split(".")[0].split("_")[0].rstrip("s")
    return f"{'Your photo' if name == 'photo' else f'The {name}'}: {problem.message}"


def page_of(template: str, status: int = 200, **shown: Any) -> Response:
    """The page of a template, which nobody on the way may keep."""
    answer = Response(render_template(template, **shown), status, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = CSP
    answer.headers["Cache-Control"] = "no-store"
    return answer
