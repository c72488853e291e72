"""Multipart bodies: fields and files of a form, held in memory only, on the routes that take photos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from flask import Request, abort
from pydantic import BaseModel

from persona.errors import BadInput

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_UPLOAD = 16 * 1024 * 1024  # bytes of a body with photos; every other body is bounded by security.MAX_BODY
MOST_PARTS = 64
MEDIA_TYPE = "multipart/form-data"


def takes_photos(path: str) -> bool:
    """Whether photos are sent to this address."""
    return path.startswith(("/v1/makeup/", "/makeup", "/v1/style/", "/v1/styles", "/style"))


class UploadRequest(Request):
    """A request whose files never touch a disk: werkzeug's own would write large ones to a temporary file."""

    def __init__(self, environ: WSGIEnvironment, *more: Any, **named: Any) -> None:
        super().__init__(environ, *more, **named)
        self.max_form_parts = MOST_PARTS
        if takes_photos(self.path):
            self.max_content_length = MAX_UPLOAD  # checked before the body is read, and while it is

    def _get_file_stream(self, *sizes: Any, **names: Any) -> BytesIO:
        return BytesIO()


def read_form(request: Request, model: type[BaseModel]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A form's fields as JSON values (see `from_texts`), and its files.

    In place of a file its field holds its own name, to be found among the files; in place of several, their names.
    Raises BadInput for a field that stands twice and for a body that is no form, 413 and 415.
    """
    if request.mimetype != MEDIA_TYPE or "boundary" not in request.mimetype_params:
        abort(415)
    texts = {name: _only(name, request.form.getlist(name)) for name in request.form}
    sent = {name: [part.read() for part in request.files.getlist(name)] for name in request.files}
    wanted = files_of(model)
    bare = len(request.mimetype_params["boundary"]) + 8  # of a form without parts: dashes on both sides, line ends
    if not texts and not sent and (request.content_length or 0) > bare:
        raise BadInput("body", "holds no part that can be read: send the fields and files of a form")
    for name in [name for name in texts if name in sent]:
        raise BadInput(name, "stands twice: send it once")
    for name in [name for name in sent if name not in wanted]:  # a client may give any part a file name
        texts[name] = _text(name, _only(name, sent.pop(name)))
    for name in [name for name in texts if name in wanted and texts[name]]:
        raise BadInput(name, "is a file: send it as a part with a file name", "no_photo")
    stated = from_texts(model, {name: text for name, text in texts.items() if name not in wanted})
    files: dict[str, bytes] = {}
    for name, contents in sent.items():
        if wanted[name]:
            named = {f"{name}.{number}": content for number, content in enumerate(contents)}
        else:
            named = {name: _only(name, contents)}
        files |= {one: content for one, content in named.items() if content}  # a browser sends an empty one for none
        if found := [one for one in named if one in files]:
            stated[name] = found if wanted[name] else name
    return stated, files


def from_texts(model: type[BaseModel], texts: Mapping[str, str]) -> dict[str, Any]:
    """Texts as JSON values of a model's fields: words stay words, the rest is read as JSON."""
    schema = model.model_json_schema()
    words = {name for name, field in schema.get("properties", {}).items() if _is_word(field, schema)}
    return {name: text if name in words else _value(text) for name, text in texts.items()}


def _only(name: str, values: list[Any]) -> Any:
    if len(values) > 1:
        raise BadInput(name, "stands twice: send it once")
    return values[0]


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadInput(name, "is no text: send it as UTF-8") from None


def files_of(model: type[BaseModel]) -> dict[str, bool]:
    """The fields of a model that are files, and whether there may be several of each."""
    properties = model.model_json_schema().get("properties", {})
    found = {name: _is_file(field) or is_files(field) for name, field in properties.items()}
    return {name: is_files(properties[name]) for name, file in found.items() if file}


def is_files(field: Mapping[str, Any]) -> bool:
    """Whether a field of a JSON schema is a list of files."""
    return field.get("type") == "array" and _is_file(field.get("items", {}))


def _is_file(field: Mapping[str, Any]) -> bool:
    return field.get("format") == "binary" or any(_is_file(part) for part in field.get("anyOf", ()))


def _is_word(field: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether a field holds text, be it any or one of some words."""
    if "$ref" in field:
        return _is_word(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)
    return field.get("type") == "string" or any(_is_word(part, schema) for part in field.get("anyOf", ()))


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text  # validation then says what was wanted in its place


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
