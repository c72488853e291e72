"""`Idempotency-Key`: a POST that is sent again, because its answer was lost, is answered again and not done again.

Kept for a day, apart for each caller. What failed is not kept: it changed nothing, so it may be sent again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import Any

from flask import Flask, Response, g, request

from persona.errors import BadInput
from persona.serve.service import asking, service
from persona.serve.uploads import takes_photos
from persona.store.idempotency import HEADER, Kept, Lease

REPLAYED = "Idempotent-Replayed"
PATTERN = r"^[!-~]{1,255}$"
SPARE = 5.0  # seconds, beside those within which a request is answered, until one that has no answer counts as crashed
_KEPT_HEADERS = ("Content-Type", "Location")
log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Watch over an application's POSTs. To be called after whatever finds out who is asking."""
    app.before_request(_begin)
    app.after_request(_keep)
    app.teardown_request(_release)


def concerns(method: str, path: str) -> bool:
    """Whether a key counts here: where something may be stored. Photos never are, nor what was made of them."""
    return method == "POST" and path.startswith("/v1/") and not takes_photos(path)


def job_id() -> str | None:
    """An id for what this request starts, the same when it is sent again; None without a key."""
    lease = g.get("idempotency")
    return f"j-{_digest(lease.id, _request())[:32]}" if lease is not None else None


def _begin() -> Response | None:
    """Take the request on, or answer what was answered before. Raises Underway, BadInput."""
    key = request.headers.get(HEADER)
    if key is None or not concerns(request.method, request.path) or request.endpoint is None:
        return None
    if not re.fullmatch(PATTERN, key):
        raise BadInput(HEADER, "is 1 to 255 visible ASCII characters; a UUID is a good one")
    opened = service()
    seconds = opened.settings.deadline + SPARE
    id = _digest(asking()[0], key)
    claimed = opened.recommender.store.claim_request(id, _request(), _about(), seconds)
    if isinstance(claimed, Kept):
        return Response(claimed.body, claimed.status, {**claimed.headers, REPLAYED: "true"})
    g.idempotency = claimed
    return None


def _keep(response: Response) -> Response:
    """Keep what succeeded. Should the store fail now, the request was done all the same, and is answered."""
    lease: Lease | None = g.get("idempotency")
    if lease is not None and response.status_code < 400 and not response.is_streamed:
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        try:
            kept = Kept(response.status_code, headers, response.get_data())
            service().recommender.store.keep_answer(g.pop("idempotency"), kept)
        except Exception as error:
            log.warning("an answer could not be kept: %s", type(error).__name__)
    return response


def _release(_: BaseException | None) -> None:
    """Give a request back that failed."""
    lease: Lease | None = g.pop("idempotency", None)
    if lease is not None:
        try:
            service().recommender.store.release_request(lease)
        except Exception as error:
            log.warning("a failed request waits for its lease to end: %s", type(error).__name__)


def _request() -> str:
    """Digest of what is asked: the same method, address and bytes."""
    return _digest(request.method, request.full_path, hashlib.sha256(request.get_data()).hexdigest())


def _about() -> str | None:
    """The stored user that a request is about, as far as its address or its body name one."""
    named = (request.view_args or {}).get("user_id") or _user_in(_loose(request.get_data()))
    return named if isinstance(named, str) and len(named) <= 128 and "\0" not in named else None


def _user_in(body: Any) -> Any:
    if not isinstance(body, dict):
        return None
    several = body.get("requests")  # of a job, which are all about one user
    return body.get("user_id") or (_user_in(several[0]) if isinstance(several, list) and several else None)


def _loose(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
