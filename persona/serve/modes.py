"""The two ways to serve: `keys`, where every caller shows one, and `open`, development mode, for this machine alone.

In open mode nobody is asked who they are. So nothing may reach it from elsewhere: not by listening to others, not
through a proxy, and not through a page in a browser whose own name was made to point here (DNS rebinding).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address

from flask import Request, abort

from persona.errors import BadInput
from persona.settings import Settings
from persona.store import Store

OPEN = "Development mode: no keys are asked for, so only this machine is answered."
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_BY_A_PROXY = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", *(
    f"HTTP_X_FORWARDED_{what}" for what in ("FOR", "HOST", "PROTO", "PORT", "SERVER", "PREFIX", "BY")
))  # fmt: skip
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_open(settings: Settings) -> bool:
    """Whether no keys are asked for."""
    return settings.access == "open" or (settings.access == "auto" and is_loopback(settings.host))


@lru_cache(64)
def is_loopback(host: str) -> bool:
    """Whether a host's name or address can only mean this machine."""
    try:
        address = ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return host.lower() == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def check_settings(settings: Settings) -> None:
    """Look at everything about access that can be wrong. Raises BadInput, OutOfDate."""
    from persona.serve.limits import check_limits  # here, as only who serves needs what they need
    from persona.serve.tokens import Tokens
    from persona.serve.traces import check_endpoint

    if settings.access == "open" and not is_loopback(settings.host):
        raise BadInput(
            "access", f"open would let anybody in who can reach {settings.host}; set keys, or host 127.0.0.1"
        )
    if settings.jwt_key is not None:
        Tokens(settings, b"")
    check_limits(settings)
    check_endpoint(settings.otel_endpoint)


def at_start(settings: Settings) -> str:
    """What who starts a server has to know about access; empty where there is nothing to say.

    Raises as `check_settings` and Store.open.
    """
    check_settings(settings)
    if is_open(settings):
        return OPEN
    with Store.open(settings.url) as store:
        lacking = settings.jwt_key is None and not store.any_key()
    make = 'There is no API key yet, so nobody can ask: make one with `persona keys create "my app" --scope write`.'
    return make if lacking else ""


def check_local(request: Request, origins: tuple[str, ...]) -> None:
    """Refuse (403) what did not come from this machine by its own name. origins: web apps that may send changes."""
    environ = request.environ
    if not is_loopback(environ.get("REMOTE_ADDR") or "127.0.0.1"):
        abort(403, f"{OPEN} Set PERSONA_ACCESS=keys to serve others.")
    if any(name in environ for name in _BY_A_PROXY):
        abort(403, f"{OPEN} This request came through a proxy: set PERSONA_ACCESS=keys behind one.")
    if not _THIS_MACHINE.fullmatch(environ.get("HTTP_HOST", "localhost")):
        abort(403, f"{OPEN} Its name is localhost or 127.0.0.1, and not what the header Host says.")
    if request.method not in _SAFE and _from_elsewhere(request, origins):
        abort(403, f"{OPEN} This was sent by a page of another site, which PERSONA_CORS_ORIGINS does not name.")


def _from_elsewhere(request: Request, origins: tuple[str, ...]) -> bool:
    """Whether a browser says that another site's page sent this."""
    origin = request.headers.get("Origin")
    if origin is not None and (origin in origins or "*" in origins):
        return False
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    host = request.environ.get("HTTP_HOST")
    return origin is not None and origin not in (f"http://{host}", f"https://{host}")
