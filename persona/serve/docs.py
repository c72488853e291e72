"""The OpenAPI 3.1 document at `/openapi.json`, made exact, and the same as a page at `/docs` that needs no network."""

from __future__ import annotations

import json
import re
from typing import Any

from apiflask import APIFlask
from flask import render_template

from persona.recommend.provenance import FORMATS
from persona.serve import idempotency
from persona.serve.access import SCOPES, serves_openly
from persona.serve.problems import MEDIA_TYPE, Problem
from persona.serve.uploads import is_files
from persona.store.idempotency import HEADER

Json = dict[str, Any]
MULTIPART = "multipart/form-data"
_PREFIX = "#/components/schemas/"
_DESCRIPTION = (
    "Ranked items, generated garments and an outfit for one user, with reasons. Store users and what they did, or send "
    "an inline profile that is not stored. Errors are problem documents (RFC 9457) that name the field and the remedy."
)
_NAMED = {
    "user_id": "u1", "item_id": "demo-0007", "sha256": "5f0c...e1", "look_id": "saved-1", "style_id": "style-mia",
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "OPENAPI_VERSION": "3.1.0",
    "DESCRIPTION": _DESCRIPTION,
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "SERVERS": [{"url": "/"}],
    "AUTO_SERVERS": False,  # would put the Host header of the first request into every answer
    "AUTO_404_RESPONSE": False,
    "AUTO_VALIDATION_ERROR_RESPONSE": False,  # problems are added below
    "AUTO_OPERATION_ID": True,
}
_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key (`persona keys create`); or an end user's own token, where the app issues them",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "an API key"},
}
_PROBLEMS = {
    "400": "the body is not JSON, or no form",
    "401": "no API key, or one that is unknown, revoked or expired",
    "403": "the key has not the scope that this needs, or an end user named somebody else",
    "404": "there is none of that name",
    "409": "the key or the name was used before, for something else; or, with Retry-After, the same is being done",
    "413": "the body is larger than 1 MiB, or 16 MiB where photos are sent",
    "415": "the body is not labelled as what it has to be",
    "422": "a field is wrong; errors names each",
    "429": "more than one key may ask for, or than can be done now: try again after Retry-After seconds",
    "503": "not ready yet, or the database does not answer: try again after Retry-After seconds",
    "default": "any other problem",
}
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": idempotency.PATTERN},
    "description": "of the caller's choice, for a request that may be sent again: for a day it is done once, and "
    "answered again with `Idempotent-Replayed: true`. 409 while it is being done, 422 with another request",
}


def register(app: APIFlask) -> None:
    """Serve the document and its page."""
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # a dict, as its SPEC_FORMAT is JSON
    app.spec_processor(lambda spec: secured(exact(spec), serves_openly()))  # type: ignore[arg-type]

    @app.get("/docs")
    @app.doc(hide=True)
    def docs() -> str:
        """The OpenAPI document for people."""
        spec: Any = app._get_spec("json")
        return render_template("docs.html", spec=spec, operations=operations(spec), words=words, example=example)


def exact(spec: Json) -> Json:
    """What APIFlask leaves open: one component a model, required bodies, problem answers, short operation ids."""
    spec = _plain_names(spec)
    spec["components"]["schemas"].update(_problem_schemas())
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            operation["operationId"] = operation["operationId"].split("_", 2)[2]
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
                _encode_forms(operation["requestBody"]["content"], spec)
            for status in _problems_of(path, operation):
                operation["responses"][status] = _problem(_PROBLEMS[status])
            if idempotency.concerns(method.upper(), path):
                operation["parameters"].append(_KEY)
            _offer_pictures(operation["responses"].get("200", {}).get("content", {}), spec)
    picture = spec["paths"]["/i/{sha256}.webp"]["get"]["responses"]
    picture["304"] = {"description": "the browser has it already"}
    return spec


def secured(spec: Json, openly: bool) -> Json:
    """Say of each operation which scope it needs. openly: development mode, where a key may be left out."""
    scopes = {endpoint.rpartition(".")[2]: scope for endpoint, scope in SCOPES.items()}
    spec["components"]["securitySchemes"] = _SCHEMES
    for methods in spec["paths"].values():
        for operation in methods.values():
            scope = scopes[operation["operationId"]]
            keys: list[Json] = [{name: [scope]} for name in _SCHEMES]
            operation["security"] = [] if scope == "public" else [*keys, *([{}] if openly else [])]
            if scope != "public":
                refused = {status: _problem(_PROBLEMS[status]) for status in ("401", "403", "429")}
                operation["responses"] = dict(sorted({**operation["responses"], **refused}.items()))
    return spec


def operations(spec: Json) -> list[Json]:
    """The operations in the order a reader wants them: each with its path, method, body fields and answers."""
    order = ["recommend", "vary", "add_events", "put_user", "get_user", "delete_user", "export_user", "list_events",
             "list_generations", "user_catalogue", "list_users", "similar_users", "list_items", "get_item",
             "similar_items",
             "begin_job", "get_job", "cancel_job",
             "apply_makeup", "transfer_makeup", "advise_makeup", "analyze_face", "list_looks", "make_looks",
             "draw_chart", "save_look", "saved_looks", "delete_look", "apply_style", "restore_picture", "list_styles",
             "learn_style", "retire_style", "picture", "livez", "readyz", "metrics"]  # fmt: skip
    found = [
        {"path": path, "method": method.upper(), **operation}
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(found, key=lambda one: order.index(one["operationId"]) if one["operationId"] in order else 99)


def words(schema: Json) -> list[tuple[str, str | None]]:
    """A schema in a few words, as (text, name of the model it links to)."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        return [(name, name)]
    if "anyOf" in schema:
        parts = [words(option) for option in schema["anyOf"]]
        return [word for i, part in enumerate(parts) for word in ([(" or ", None)] if i else []) + part]
    if schema.get("type") == "array":
        return [("list of ", None), *words(schema.get("items", {}))]
    if "enum" in schema or "const" in schema:
        return [(" | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")])), None)]
    return [(f"{schema.get('type', 'anything')}{_limits(schema)}", None)]


def example(operation: Json, address: str) -> str:
    """A curl command that does the operation on the server at address."""
    path = operation["path"]
    for name, value in (
        ("user_id", "u1"),
        ("sha256", "5f0c...e1"),
        ("look_id", "saved-1"),
        ("item_id", "demo-0007"),
        ("style_id", "style-mia"),
        ("job_id", "j-5f0c...e1"),
    ):
        path = path.replace(f"{{{name}}}", value)
    start = f"curl -X {operation['method']} {address}{path}".replace("-X GET ", "")
    if operation["security"] and {} not in operation["security"]:
        start += " \\\n  -H 'Authorization: Bearer pk_...'"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        stated = content.get("example", {})
        if kind == MULTIPART:
            stood = ((name, part) for name, value in stated.items() for part in parts(value))
            fields = (f"{name}={_part(value)}" for name, value in stood)
            return " \\\n  ".join([start.replace("-X POST ", ""), *(f"-F '{field}'" for field in fields)])
        return f"{start} \\\n  -H 'Content-Type: {kind}' \\\n  -d '{json.dumps(stated, indent=2)}'"
    return start


def parts(value: Any) -> list[Any]:
    """What stands in a form of a field: a list of files one by one."""
    files = isinstance(value, list) and all(isinstance(part, str) and part.startswith("@") for part in value)
    return value if files else [value]


def _part(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _encode_forms(content: Json, spec: Json) -> None:
    """Say of a form's lists and objects that they are sent as JSON, as OpenAPI supposes of objects anyway."""
    if MULTIPART in content:
        schema = spec["components"]["schemas"][content[MULTIPART]["schema"]["$ref"].removeprefix(_PREFIX)]
        fields = schema["properties"].items()
        whole = [name for name, field in fields if _holds_parts(field) and not is_files(field)]
        content[MULTIPART]["encoding"] = {name: {"contentType": "application/json"} for name in whole}


def _offer_pictures(content: Json, spec: Json) -> None:
    """Say of an answer with a picture in it that the picture also comes alone, by `Accept: image/*`."""
    model = content.get("application/json", {}).get("schema", {}).get("$ref", "").removeprefix(_PREFIX)
    if "media_type" in spec["components"]["schemas"].get(model, {}).get("properties", {}):
        content |= {f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS}


def _holds_parts(field: Json) -> bool:
    return "$ref" in field or field.get("type") in ("array", "object") or any(map(_holds_parts, field.get("anyOf", ())))


def _limits(schema: Json) -> str:
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    unit = " characters" if "maxLength" in schema else ""
    if low is None and high is None:
        return f" ({schema['format']})" if "format" in schema else ""
    return f", {low if low is not None else ''} to {high}{unit}" if high is not None else f", from {low}"


def _plain_names(spec: Json) -> Json:
    """Components named `Parent.Child`, one for each parent, become one `Child` where they are the same model.

    Of two models of one name the later is named after its parent as well.
    """
    schemas = spec["components"]["schemas"]
    names: dict[str, str] = {}
    kept: Json = {name: schema for name, schema in schemas.items() if "." not in name}
    for full in [name for name in schemas if "." in name]:
        parent, _, child = full.rpartition(".")
        same = child not in kept or _unnamed(kept[child]) == _unnamed(schemas[full])
        names[full] = child if same else f"{parent.replace('.', '')}{child}"
        kept.setdefault(names[full], schemas[full])
    spec["components"]["schemas"] = kept

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(one) for one in part]
        if not isinstance(part, dict):
            return part
        return {key: _renamed(one, names) if key == "$ref" else plain(one) for key, one in part.items()}

    renamed: Json = plain(spec)
    return renamed


def _renamed(reference: str, names: dict[str, str]) -> str:
    full = reference.removeprefix(_PREFIX)
    return _PREFIX + names.get(full, full)


def _unnamed(schema: Json) -> str:
    """A schema as text without the parents' names in its references."""
    return re.sub(rf"({re.escape(_PREFIX)})[\w.]*\.(\w+)", r"\1\2", json.dumps(schema))


def _problem_schemas() -> Json:
    schema = Problem.model_json_schema(ref_template=_PREFIX + "{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _problems_of(path: str, operation: Json) -> list[str]:
    statuses = ["400", "413", "415", "422"] if "requestBody" in operation else []
    named = path in ("/v1/recommendations", "/v1/variations", "/v1/jobs") or path.startswith(
        ("/v1/makeup/", "/v1/style")
    )
    statuses += ["404"] if operation["parameters"] or named else []
    statuses += ["422"] if any(one["in"] == "query" for one in operation["parameters"]) else []
    keyed = "requestBody" in operation and idempotency.concerns("POST", path)
    statuses += ["409"] if keyed or operation["operationId"] == "learn_style" else []
    statuses += ["429"] if path == "/v1/jobs" else []
    statuses += ["503"] if path != "/livez" else []
    return [*sorted(statuses), "default"]


def _problem(description: str) -> Json:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_PREFIX}Problem"}}}}
