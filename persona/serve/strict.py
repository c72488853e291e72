"""Requests read exactly as the OpenAPI document describes them: JSON, or forms with files; no silent conversions."""

from __future__ import annotations

import json
from typing import Any

from apiflask.schema_adapters import registry
from apiflask.schema_adapters.pydantic import PydanticAdapter
from flask import Request, abort
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict

from persona.errors import BadInput
from persona.recommend.photo_types import FILES
from persona.serve.problems import InvalidRequest
from persona.serve.tokens import check_own
from persona.serve.uploads import from_texts, read_form


class StrictAdapter(PydanticAdapter):
    """Validates bodies as strict JSON ("1" is no number, 1 is no date) and says where each error is."""

    def validate_input(self, request: Request, location: str, **kwargs: Any) -> BaseModel:
        """The request's body, path or query as a model.

        Raises InvalidRequest, BadInput (a NUL) and 403 (an end user who names another), 413, 415.
        """
        found = self._read(request, location)
        check_own(found)
        return found

    def _read(self, request: Request, location: str) -> BaseModel:
        try:
            if location == "path":
                return self.model_class.model_validate(request.view_args or {})
            if location == "query":
                return self._valid(from_texts(self.model_class, _once(request.args)))
            if location == "files":
                return self._valid(*read_form(request, self.model_class))
            return self.model_class.model_validate_json(_json(request), strict=True)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False)
            raise InvalidRequest(found, in_path=location == "path") from None

    def _valid(self, stated: dict[str, Any], files: dict[str, bytes] | None = None) -> BaseModel:
        """What stood in a form or an address, validated as the same in JSON would be."""
        body = _nul_free(json.dumps(stated).encode())
        return self.model_class.model_validate_json(body, strict=True, context={FILES: files or {}})


def register() -> None:
    """Let APIFlask validate pydantic models with StrictAdapter."""
    registry.register("pydantic", StrictAdapter)


def _json(request: Request) -> bytes:
    if request.mimetype != "application/json":
        abort(415)
    return _nul_free(request.get_data(cache=False))


def _nul_free(body: bytes) -> bytes:
    if b"\\u0000" in body and _holds_nul(_loose(body)):
        raise BadInput("body", "holds the character NUL, which a database cannot store; remove it")
    return body


def _once(arguments: MultiDict[str, str]) -> dict[str, str]:
    """The arguments of an address. Raises BadInput for one that stands twice."""
    for name, values in arguments.lists():
        if len(values) > 1:
            raise BadInput(name, "stands twice in the address: send it once")
    return arguments.to_dict()


def _loose(body: bytes) -> Any:
    """The body as Python reads JSON; None where it cannot (validation then says what is wrong with it)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_holds_nul(part) for part in value)
    return isinstance(value, str) and "\0" in value
