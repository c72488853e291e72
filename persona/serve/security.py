"""What keeps the page safe: signed sessions, tokens in forms, and headers that let a browser refuse the rest."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from flask import Flask, Request, Response, abort, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

KEY_FILE = "session.key"
MAX_BODY = 1024 * 1024  # bytes
YEAR = 365 * 24 * 3600  # seconds
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_OVER_HTTPS = {"Strict-Transport-Security": f"max-age={YEAR}; includeSubDomains"}


def protect(app: Flask, home: Path) -> None:
    """Set the limits, the session cookie and the headers of an application."""
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        SECRET_KEY=secret_key(home),
        SESSION_COOKIE_NAME="persona",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
    )
    app.session_interface = _Sessions()
    app.after_request(_set_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token


class _Sessions(SecureCookieSessionInterface):
    """Reads a session only from a request that brings one: those of programs do not, and a signer is costly to make."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "Cookie" not in request.headers:
            return self.session_class()
        return super().open_session(app, request)


def secret_key(home: Path) -> bytes:
    """The key that signs sessions: made once, kept in the home folder, the same for every worker and restart."""
    path = home / KEY_FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        fresh = home / f"{KEY_FILE}.{os.getpid()}.tmp"
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(fresh, path)  # of several workers that begin together one wins, and no one reads half a key
        fresh.unlink()
    return path.read_bytes()


def csrf_token() -> str:
    """This session's token, for the hidden field `csrf` of every form."""
    token: str = session.setdefault("csrf", secrets.token_urlsafe(16))
    return token


def check_form() -> None:
    """Refuse a form that another site sent in the user's name (403)."""
    sent, known = request.form.get("csrf", ""), session.get("csrf", "")
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if elsewhere or not known or not hmac.compare_digest(sent.encode(), known.encode()):
        abort(403, "This form is out of date or was sent by another site: open the page again and repeat it there.")


def _set_headers(response: Response) -> Response:
    wanted = HEADERS
    if "https" in (request.scheme, request.headers.get("X-Forwarded-Proto")):  # a browser heeds it over https alone
        wanted = HEADERS | _OVER_HTTPS
    there = {name.lower() for name, _ in response.headers}
    # all at once, since one by one each of them would look through all
    response.headers.extend([(name, value) for name, value in wanted.items() if name.lower() not in there])
    return response
