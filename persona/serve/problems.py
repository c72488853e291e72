"""Errors as HTTP answers: `application/problem+json` (RFC 9457) for programs, a page for a person with a browser."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from apiflask import APIFlask, HTTPError
from flask import Response, current_app, g, render_template, request
from pydantic import Field
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException

from persona.errors import (
    BadInput,
    Busy,
    Conflict,
    NoRoom,
    NotFound,
    OutOfDate,
    PersonaError,
    TooLate,
    Unavailable,
    Underway,
)
from persona.recommend.makeup_types import FoundFace, SeveralFaces
from persona.serve.uploads import takes_photos
from persona.store.records import Record

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "2"  # seconds, with every 503
_MACHINE_PATHS = ("/v1/", "/i/", "/static/", "/livez", "/readyz", "/metrics", "/openapi.json")
_STATUS: tuple[tuple[type[PersonaError], int], ...] = (
    (BadInput, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Busy, 429),
    (OutOfDate, 503),
    (Unavailable, 503),
    (TooLate, 504),
    (NoRoom, 507),
)
_CONSENTS = {("photo_rights",), ("reference_rights",), ("consent",)}  # fields by which the use of a photo is allowed
_REMEDIES = {
    "missing": "is missing: add it",
    "extra_forbidden": "is no known field: leave it out or check its spelling",
}
_PASSED_ON = ("allow", "retry-after", "www-authenticate")  # headers of an error
_DETAILS = {
    404: "There is nothing at this address: see /docs for the addresses that exist.",
    405: "This address does not take {method}: see the Allow header for the methods that it takes.",
    413: "The body is larger than {most}: split it into several requests, or send a smaller picture.",
    415: "Send the body as {wanted}, and say so in the header Content-Type.",
    429: "You ask more often than one key or user may: see the header Retry-After for when to go on.",
}


class InvalidField(Record):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body, as a URI fragment", examples=["#/count"])
    detail: str = Field(description="what is wrong with it and what to do")


class Problem(Record):
    """Why a request was not done (RFC 9457). Nothing was changed by it."""

    type: str = Field(default="about:blank", description="the status code says it all")
    title: str = Field(description="short, the same for every problem of this status", examples=["Not Found"])
    status: Annotated[int, Field(ge=400, le=599)] = Field(description="the HTTP status code")
    detail: str = Field(description="what happened and what to do", examples=["user 'u1': no such user"])
    code: str = Field(
        default="",
        description="tells problems of one status apart, where programs may care",
        examples=["several_faces"],
    )
    errors: tuple[InvalidField, ...] = Field(default=(), description="each field that is wrong, where it is known")
    faces: tuple[FoundFace, ...] = Field(default=(), description="with `several_faces`: where they are, to choose one")
    request_id: str = Field(default="", description="of the header X-Request-Id: by it the server's log tells more")


class NotReady(Exception):
    """The models are still loading, or could not be loaded: answered with 503 and Retry-After."""


class InvalidRequest(Exception):
    """A request that does not fit its schema. errors: as pydantic found them, in the body or in the path."""

    def __init__(self, errors: Sequence[ErrorDetails], in_path: bool = False) -> None:
        super().__init__(f"{len(errors)} invalid fields")
        self.in_path = in_path
        self.malformed = any(error["type"] == "json_invalid" for error in errors)
        self.code = "no_consent" if any(error["loc"] in _CONSENTS for error in errors) else ""
        self.errors = [InvalidField(pointer=pointer(error["loc"]), detail=_explain(error)) for error in errors[:100]]


def register(app: APIFlask) -> None:
    """Answer every error of the application through this module."""
    app.register_error_handler(PersonaError, _persona_error)
    app.register_error_handler(NotReady, lambda error: _answer(503, str(error), headers={"Retry-After": RETRY_AFTER}))
    app.register_error_handler(InvalidRequest, _invalid_request)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(HTTPError, lambda error: _answer(error.status_code, error.message or ""))
    app.register_error_handler(Exception, _unexpected)


def pointer(path: Sequence[str | int]) -> str:
    """JSON pointer, as a URI fragment, to the place that pydantic calls `loc`."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path if step != "[key]"]
    return "#" + "".join(f"/{step}" for step in steps)


def _explain(error: ErrorDetails) -> str:
    name = ".".join(str(step) for step in error["loc"] if step != "[key]") or "body"
    message = _REMEDIES.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return f"{name} {message}" if error["type"] in _REMEDIES else f"{name}: {message}"


def _persona_error(error: PersonaError) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    if isinstance(error, Busy | Underway):
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if not isinstance(error, BadInput):
        return _answer(status, str(error), headers=headers)
    steps = re.findall(r"[^.\[\]]+", error.field)  # events[3].item_id or events.3.item_id
    faces = error.faces if isinstance(error, SeveralFaces) else ()
    wrong = [InvalidField(pointer=pointer(steps), detail=str(error))]
    return _answer(status, str(error), wrong, code=error.code, faces=faces)


def _invalid_request(error: InvalidRequest) -> Response:
    if error.malformed:
        return _answer(400, f"The body is not valid JSON. {error.errors[0].detail}")
    if error.in_path:  # nothing can have that name, and nothing can be given it
        return _answer(422 if request.method == "PUT" else 404, error.errors[0].detail)
    more = f" (and {len(error.errors) - 1} more, see errors)" if len(error.errors) > 1 else ""
    return _answer(422, error.errors[0].detail + more, error.errors, code=error.code)


def _http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    detail = _DETAILS.get(status, error.description or "").format(method=request.method, most=_most(), wanted=_wanted())
    headers = {name: value for name, value in error.get_headers() if name.lower() in _PASSED_ON}
    return _answer(status, detail, headers=headers)


def _unexpected(error: Exception) -> Response:
    """A bug of ours: the traceback goes to the log, under a reference that the answer names."""
    reference = g.get("request_id") or uuid.uuid4().hex
    current_app.logger.error("unexpected error, reference %s", reference, exc_info=error)
    return _answer(500, f"Something went wrong here, not in your request. In the server's log: reference {reference}.")


def _answer(
    status: int,
    detail: str,
    errors: Sequence[InvalidField] = (),
    headers: dict[str, str] | None = None,
    code: str = "",
    faces: tuple[FoundFace, ...] = (),
) -> Response:
    title = HTTPStatus(status).phrase
    said: Any = {
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": g.get("request_id", ""),
    }
    problem = Problem(**said, errors=tuple(errors), faces=faces)
    if _wants_page():
        return Response(render_template("problem.html", problem=problem), status, headers, mimetype="text/html")
    return Response(problem.model_dump_json(), status, headers, content_type=MEDIA_TYPE)


def _most() -> str:
    return f"{(request.max_content_length or 0) / 2**20:g} MiB"


def _wanted() -> str:
    return "multipart/form-data" if takes_photos(request.path) else "JSON (application/json)"


def _wants_page() -> bool:
    if request.path.startswith(_MACHINE_PATHS):
        return False
    accepted: Any = request.accept_mimetypes
    return accepted.best_match([MEDIA_TYPE, "application/json", "text/html"]) == "text/html"
