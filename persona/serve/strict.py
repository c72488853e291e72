"""Requests read exactly as the OpenAPI document describes them: JSON only, no silent conversions."""

from __future__ import annotations

import json
from typing import Any

from apiflask.schema_adapters import registry
from apiflask.schema_adapters.pydantic import PydanticAdapter
from flask import Request, abort
from pydantic import BaseModel, ValidationError

from persona.errors import BadInput
from persona.serve.problems import InvalidRequest


class StrictAdapter(PydanticAdapter):
    """Validates bodies as strict JSON ("1" is no number, 1 is no date) and says where each error is."""

    def validate_input(self, request: Request, location: str, **kwargs: Any) -> BaseModel:
        """The request's body or path as a model. Raises InvalidRequest, BadInput (a NUL) and 413, 415."""
        try:
            if location == "path":
                return self.model_class.model_validate(request.view_args or {})
            return self.model_class.model_validate_json(_json(request), strict=True)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False)
            raise InvalidRequest(found, in_path=location == "path") from None


def register() -> None:
    """Let APIFlask validate pydantic models with StrictAdapter."""
    registry.register("pydantic", StrictAdapter)


def _json(request: Request) -> bytes:
    if request.mimetype != "application/json":
        abort(415)
    body = request.get_data(cache=False)
    if b"\\u0000" in body and _holds_nul(_loose(body)):
        raise BadInput("body", "holds the character NUL, which a database cannot store; remove it")
    return body


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
