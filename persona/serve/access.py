"""Who may ask for what: the table of scopes, and the look at every request's key or token before anything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import jwt
from flask import Flask, abort, current_app, g, redirect, request, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from persona.errors import NotFound
from persona.serve.analyst_session import Sessions
from persona.serve.modes import OPEN, check_local, check_settings, is_open
from persona.serve.tokens import Tokens, check_own
from persona.settings import Settings
from persona.store import Store
from persona.store.audit import Detail
from persona.store.keys import PREFIX, ApiKey, Scope, key_id, matches

# What an endpoint asks of who calls it. public: nothing (a picture's address cannot be guessed: who has it was given
# it); page: open mode, since browsers have no keys; session: open mode, or who has logged in by an analyst's key. What
# is not in this table is refused.
SCOPES: dict[str, Scope | Literal["public", "page", "session"]] = {
    "health.livez": "public",
    "health.readyz": "public",
    "health.metrics": "analyst",
    "openapi.spec": "public",
    "docs": "public",
    "static": "public",
    "pictures.picture": "public",
    "api.recommend": "read",
    "api.vary": "read",
    "api.add_events": "write",
    "api.put_user": "write",
    "api.get_user": "read",
    "api.delete_user": "admin",
    "export.export_user": "admin",
    "jobs.begin_job": "read",
    "jobs.get_job": "read",
    "jobs.cancel_job": "read",
    "lists.list_items": "read",
    "lists.get_item": "read",
    "lists.similar_items": "read",
    "lists.list_events": "read",
    "lists.list_generations": "read",
    "lists.user_catalogue": "read",
    "lists.list_users": "admin",
    "lists.similar_users": "analyst",
    "makeup.apply_makeup": "read",
    "makeup.transfer_makeup": "read",
    "makeup.advise_makeup": "read",
    "makeup.analyze_face": "read",
    "makeup.list_looks": "read",
    "makeup.make_looks": "read",
    "makeup.draw_chart": "read",
    "makeup.save_look": "write",
    "makeup.saved_looks": "read",
    "makeup.delete_look": "write",
    "styles.apply_style": "read",
    "styles.restore_picture": "read",
    "styles.list_styles": "read",
    "styles.learn_style": "write",
    "styles.retire_style": "admin",
    "gallery.home": "page",
    "gallery.find": "page",
    "gallery.create": "page",
    "gallery.person": "page",
    "gallery.react": "page",
    "gallery.set_tastes": "page",
    "gallery.delete": "page",
    "makeup_page.makeup_page": "page",
    "makeup_page.make_up": "page",
    "style_page.style_page": "page",
    "style_page.put_on": "page",
    "analyst_login.login": "public",
    "analyst_login.log_in": "public",
    "analyst_login.log_out": "public",
    "analyst.overview": "session",
    "analyst.board_picture": "session",
    "analyst.data_dictionary": "session",
    "analyst.trust": "session",
    "analyst_query.queries": "session",
    "analyst_query.query": "session",
    "analyst_query.run": "session",
    "analyst_query.forget": "session",
}
# What makes sense for one user, who then may ask it about themselves. Not among it: what names other users in answers
# (the owners of styles), and what changes things for all.
END_USER: frozenset[str] = frozenset({
    "api.recommend", "api.vary", "api.add_events", "api.put_user", "api.get_user", "api.delete_user",
    "export.export_user", "jobs.begin_job", "jobs.get_job", "jobs.cancel_job",
    "lists.list_items", "lists.get_item", "lists.similar_items", "lists.list_events", "lists.list_generations",
    "lists.user_catalogue",
    "makeup.apply_makeup", "makeup.transfer_makeup", "makeup.advise_makeup", "makeup.analyze_face",
    "makeup.list_looks", "makeup.make_looks", "makeup.draw_chart", "makeup.save_look", "makeup.saved_looks",
    "makeup.delete_look", "styles.apply_style", "styles.restore_picture",
})  # fmt: skip
FRESH = 0.5  # seconds for which a key is taken to be as it was read: a revoked one is refused within a second
_MOST_KEYS = 4096  # remembered
_HEALTH = frozenset({"health.livez", "health.readyz"})


class Keyring:
    """Keys as they were last read, each no longer than FRESH ago. Threads may share it."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._known: dict[str, tuple[float, ApiKey, str]] = {}

    def find(self, secret: str) -> ApiKey | None:
        """The key in force with this secret, or None. Raises what the store raises when it cannot say."""
        number = key_id(secret)
        key, digest = self._read(number) if number else (None, "")
        return key if key and matches(secret, digest) and key.in_force() else None

    def named(self, number: str) -> ApiKey | None:
        """The key in force with this id, or None: for who has shown its secret before. Raises likewise."""
        key, _ = self._read(number)
        return key if key and key.in_force() else None

    def _read(self, number: str) -> tuple[ApiKey | None, str]:
        read_at, key, digest = self._known.get(number, (0.0, None, ""))
        now = time.monotonic()
        if key is None or now - read_at > FRESH:
            found = self._store().find_key(number)
            if found is None:
                return None, ""
            key, digest = found
            if len(self._known) >= _MOST_KEYS:
                self._known.clear()
            self._known[number] = now, key, digest
        return key, digest


class Guard:
    """Looks at every request before anything else does."""

    def __init__(self, app: Flask, settings: Settings, store: Callable[[], Store]) -> None:
        """Raises BadInput for settings of access that cannot be."""
        check_settings(settings)
        self.open = is_open(settings)
        self._origins = settings.cors_origins
        self.keys = Keyring(store)
        self.sessions = Sessions(app.config["SECRET_KEY"])
        self._tokens = Tokens(settings, app.config["SECRET_KEY"]) if settings.jwt_key else None

    def admit(self) -> Response | None:
        """Let a request pass, having said in `flask.g.actor` who asks; or answer 401, 403, 404 or where to log in."""
        endpoint, g.actor = request.endpoint, "open" if self.open else "public"
        wanted = SCOPES.get(endpoint or "")
        if (
            endpoint is None or endpoint in _HEALTH
        ):  # there is nothing at this address, or nothing to be kept from anyone
            return None
        if wanted is None:
            abort(403, "Nobody may use this address: the table of scopes does not name it.")
        if self.open:
            check_local(request, self._origins)
        elif wanted == "page":
            raise NotFound(f"The pages are only there in development mode. {OPEN}")
        elif wanted == "session":
            return self._check_session()
        elif wanted != "public" and request.method != "OPTIONS":  # a browser asks that first, and without a key
            self._authorise(endpoint, wanted)
        return None

    def _check_session(self) -> Response | None:
        """An analyst's key has to be in force at every request, not only at the one that logged in."""
        number = self.sessions.key_id()
        key = self.keys.named(number) if number else None
        if key is not None and key.allows("analyst"):
            g.actor = key.id
            return None
        if request.method in ("GET", "HEAD"):
            return redirect(url_for("analyst_login.login"), 303)
        raise _unauthorised("You are logged out, so nothing was done: log in again at /analyst/login.")

    def _authorise(self, endpoint: str, wanted: str) -> None:
        secret = _credential()
        if secret is None:
            raise _unauthorised("Send an API key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.")
        if secret.startswith(PREFIX) or self._tokens is None:
            self._check_key(secret, wanted)
        else:
            self._check_token(self._tokens, secret, endpoint)

    def _check_key(self, secret: str, wanted: str) -> None:
        key = self.keys.find(secret)
        if key is None:
            raise _unauthorised("This API key is unknown, revoked or expired: ask for a new one.", "invalid_token")
        g.actor = key.id
        if not key.allows(wanted):
            has = ", ".join(key.scopes)
            abort(403, f"This needs a key with the scope {wanted}; yours has {has}. Ask for one, or use another key.")

    def _check_token(self, tokens: Tokens, token: str, endpoint: str) -> None:
        try:
            user_id = tokens.user(token)
        except jwt.InvalidTokenError as error:
            raise _unauthorised(f"This token cannot be used: {error}. Get a new one.", "invalid_token") from None
        g.actor, g.end_user = tokens.actor(user_id), user_id
        if endpoint not in END_USER:
            abort(403, "This is not for end users: it needs an API key.")
        check_own(request.view_args or {})


def register(app: Flask, settings: Settings, store: Callable[[], Store]) -> None:
    """Ask every request of an application who it comes from. Raises BadInput for settings that cannot be."""
    made = app.extensions["persona-guard"] = Guard(app, settings, store)
    app.before_request(made.admit)
    if made.open:
        app.logger.warning(OPEN)


def guard() -> Guard:
    """The Guard of the application that is answering."""
    found: Guard = current_app.extensions["persona-guard"]
    return found


def serves_openly() -> bool:
    """Whether the application that is answering is in development mode."""
    return guard().open


def audit(store: Store, action: str, **details: Detail) -> None:
    """Write into the audit log what who is asking just did. details: counts and key ids, never a person's."""
    store.audit(action, g.get("actor", "open"), g.get("request_id"), details)


def _credential() -> str | None:
    """The key or token of a request."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("X-API-Key", "").strip() or None


def _unauthorised(why: str, error: str = "") -> Unauthorized:
    values: dict[str, str | None] = {"realm": "persona", **({"error": error} if error else {})}
    return Unauthorized(why, www_authenticate=WWWAuthenticate("bearer", values))
