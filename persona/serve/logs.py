"""What a server says of itself: one line a request, under an id that its answer carries too; for people or programs.

A line names the operation, never the address: ids of users, queries and bodies stay out of logs and metrics.
"""

from __future__ import annotations

import logging
import re
import time
import uuid

from flask import Flask, Response, g, has_request_context, request
from pythonjsonlogger.json import JsonFormatter

from persona.metrics import REQUESTS

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset(
    {"livez", "readyz", "metrics", "static", "picture"}
)  # asked so often that nobody wants to read of it
log = logging.getLogger("persona.request")


def configure(form: str) -> None:
    """Write the process's log to standard error: form "text", or "json" with one object a line."""
    handler = logging.StreamHandler()
    handler.addFilter(_name_request)
    if form == "json":
        fields = {"levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter(["levelname", "name", "message"], rename_fields=fields, timestamp="time"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # nothing of it is written
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("persona").setLevel(logging.INFO)


def register(app: Flask) -> None:
    """Give every request an id, and say of each how it went. To come before whatever else looks at requests."""
    app.before_request(_begin)
    app.after_request(_end)


def operation() -> str:
    """What is being asked for: the endpoint's own name, one of a few, whatever a caller sends."""
    return (request.endpoint or "unknown").rpartition(".")[2]


def _begin() -> None:
    g.began = time.perf_counter()
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex


def _end(response: Response) -> Response:
    seconds, name = time.perf_counter() - g.began, operation()
    response.headers[HEADER] = g.request_id
    REQUESTS.labels(name, str(response.status_code)).observe(seconds)
    level = logging.DEBUG if name in _QUIET and response.status_code < 400 else logging.INFO
    if log.isEnabledFor(level):
        actor, ms = g.get("actor", "public"), round(1000 * seconds, 1)
        about = {"operation": name, "status": response.status_code, "ms": ms, "actor": actor}
        log.log(level, "%s %d in %.1f ms for %s", name, response.status_code, ms, actor, extra=about)
    return response


def _name_request(record: logging.LogRecord) -> bool:
    if has_request_context() and "request_id" in g:
        record.request_id = g.request_id
    return True
