"""How analysts stay logged in: a signed cookie of a working day that names their key and opens nothing without it.

The key's secret is sent once, to log in. Each request looks anew whether the key is still in force.
"""

from __future__ import annotations

from flask import request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter
from werkzeug.wrappers import Response

from persona.errors import Busy
from persona.serve.counts import LocalCounts

COOKIE, PLACE = "persona-analyst", "/analyst"
SECONDS = 8 * 3600  # after which one logs in again
WRONG = RateLimitItemPerMinute(10)  # keys that one address may try in vain
_SALT = "persona analyst"  # so that no other cookie of ours passes for this one


class Sessions:
    """Makes and reads the cookie. secret: that signs it."""

    def __init__(self, secret: bytes) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt=_SALT)
        self._counts = FixedWindowRateLimiter(LocalCounts())

    def begin(self, answer: Response, key_id: str) -> None:
        """Let an answer bring the cookie for a key's id, which a browser shows to the analysts' pages alone."""
        secure = "https" in (request.scheme, request.headers.get("X-Forwarded-Proto"))
        answer.set_cookie(
            COOKIE, self._signer.dumps(key_id), max_age=SECONDS, path=PLACE, secure=secure, httponly=True,
            samesite="Strict",
        )  # fmt: skip

    def end(self, answer: Response) -> None:
        """Let an answer take the cookie away."""
        answer.delete_cookie(COOKIE, path=PLACE, httponly=True, samesite="Strict")

    def key_id(self) -> str | None:
        """The id of the key that whoever asks has logged in by; None without a cookie of ours that is still good."""
        try:
            said = self._signer.loads(request.cookies.get(COOKIE, ""), max_age=SECONDS)
        except BadSignature:
            return None
        return said if isinstance(said, str) else None

    def may_try(self) -> None:
        """Raises Busy when too many keys were tried in vain from this address within the last minute."""
        if not self._counts.test(WRONG, request.remote_addr or ""):
            raise Busy("too many keys were tried from here that are none: try again in a minute", 60)

    def failed(self) -> None:
        """Count a key that was tried in vain."""
        self._counts.hit(WRONG, request.remote_addr or "")
