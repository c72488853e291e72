"""How much one caller may ask for, and which web apps may: rate limits and CORS, off in open mode and by default."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from flask import Flask, Response, g
from flask_cors import CORS
from flask_limiter import ApplicationLimit, Limiter
from limits import parse_many
from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from persona.errors import BadInput
from persona.serve.counts import LocalCounts
from persona.serve.modes import is_open
from persona.settings import Settings

_ASKED = ["Content-Type", "Authorization", "X-API-Key", "X-Request-Id", "Idempotency-Key", "If-None-Match", "Prefer"]
_SHOWN = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-Id", "Location",
          "Idempotent-Replayed", "ETag"]  # fmt: skip
LOCAL = f"{LocalCounts.STORAGE_SCHEME[0]}://"
_PREFLIGHT = 600  # seconds for which a browser need not ask again


def check_limits(settings: Settings) -> None:
    """Raises BadInput for a limit, a storage or an origin that cannot be understood."""
    try:
        parse_many(settings.rate_limit) if settings.rate_limit else None
    except ValueError:
        raise BadInput("rate_limit", f"{settings.rate_limit!r} is no limit; write 6000/minute or 100/second") from None
    try:
        storage_from_string(_storage(settings))
    except (ConfigurationError, ValueError) as error:
        raise BadInput(
            "rate_limit_storage", f"cannot be used: {error}; write memory:// or redis://HOST:PORT"
        ) from error
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        whole = f"{parts.scheme}://{parts.netloc}" == origin and "*" not in origin
        if origin != "*" and not (whole and parts.scheme in ("http", "https") and parts.hostname):
            raise BadInput("cors_origins", f"{origin!r} is no origin; write https://shop.example, without a path, or *")


def register(app: Flask, settings: Settings) -> None:
    """Limit what each caller sends, and answer browsers that ask on behalf of another site's page.

    Callers are told apart by `flask.g.actor`, so this comes after `access.register`.
    """
    if settings.cors_origins:
        CORS(
            app,
            resources={r"/v1/.*": {}, r"/i/.*": {}},
            origins=list(settings.cors_origins),
            allow_headers=_ASKED,
            expose_headers=_SHOWN,
            supports_credentials=False,  # keys come in a header, never in a cookie
            max_age=_PREFLIGHT,
        )
    if settings.rate_limit and not is_open(settings):
        _limit(app, settings)


def _storage(settings: Settings) -> str:
    return LOCAL if settings.rate_limit_storage == "memory://" else settings.rate_limit_storage


def _limit(app: Flask, settings: Settings) -> None:
    def unnamed() -> bool:
        return g.get("actor", "public") == "public"  # what is open to all counts on nobody

    limiter = Limiter(
        lambda: g.actor,
        app=app,
        application_limits=[ApplicationLimit(settings.rate_limit)],
        application_limits_exempt_when=unnamed,
        storage_uri=_storage(settings),
        in_memory_fallback_enabled=_storage(settings) != LOCAL,  # a lost redis stops nobody
        headers_enabled=False,  # its own would tell callers to come again later after every answer
    )

    @app.after_request
    def _say(response: Response) -> Response:
        used = limiter.current_limit
        if used is not None:
            rest = max(0, int(used.reset_at - time.time()))  # it is rounded up
            response.headers["RateLimit-Limit"] = str(used.limit.amount)
            response.headers["RateLimit-Remaining"] = str(max(0, used.remaining))
            response.headers["RateLimit-Reset"] = str(rest)
            if response.status_code == 429 and used.breached:
                response.headers["Retry-After"] = str(max(1, rest))
        return response
