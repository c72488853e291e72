"""JSON web tokens of an app's end users, bound to their own id: what names anybody else is refused."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
from flask import abort, g
from pydantic import BaseModel

from persona.errors import BadInput
from persona.settings import Settings

LONGEST = 8192  # characters of a token
WHOSE = frozenset({"user_id", "owner"})  # fields of requests that name a user
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
_SECRET_BYTES = 32


class Tokens:
    """Checks tokens against the settings' key, algorithm, issuer and audience.

    pepper: keyed into the names under which users appear in logs, so that no list of ids can be tried against them.
    """

    def __init__(self, settings: Settings, pepper: bytes) -> None:
        """Raises BadInput for a key that cannot be read or does not fit the algorithm."""
        assert settings.jwt_key is not None
        self._settings, self._pepper = settings, pepper
        try:
            content = settings.jwt_key.read_bytes()
            algorithm = jwt.get_algorithm_by_name(settings.jwt_algorithm)
            self._key: Any = algorithm.prepare_key(content)  # refuses a public key as a secret to sign by
        except (OSError, ValueError, TypeError, jwt.InvalidKeyError) as error:
            raise BadInput("jwt_key", f"{settings.jwt_key} is no key for {settings.jwt_algorithm}: {error}") from error
        if settings.jwt_algorithm == "HS256" and len(content) < _SECRET_BYTES:
            raise BadInput("jwt_key", f"{settings.jwt_key} holds {len(content)} bytes; a secret has {_SECRET_BYTES}")
        if hasattr(self._key, "private_bytes"):
            raise BadInput("jwt_key", f"{settings.jwt_key} is a private key; give the public one, which cannot sign")

    def user(self, token: str) -> str:
        """The id of the user whose token this is. Raises jwt.InvalidTokenError, saying why."""
        if len(token) > LONGEST:
            raise jwt.InvalidTokenError("Token is too long")
        said = jwt.decode(
            token,
            self._key,
            algorithms=[self._settings.jwt_algorithm],
            issuer=self._settings.jwt_issuer,
            audience=self._settings.jwt_audience,
            options={"require": ["exp", "sub"], "verify_aud": self._settings.jwt_audience is not None},
        )
        user_id: str = said["sub"]
        if not _IDENTIFIER.fullmatch(user_id):
            raise jwt.InvalidTokenError("Subject is no user id")
        return user_id

    def actor(self, user_id: str) -> str:
        """The name of a user in logs and limits, from which nobody can tell who it is."""
        return f"end-user-{hmac.new(self._pepper, user_id.encode(), hashlib.sha256).hexdigest()[:16]}"


def check_own(value: object) -> None:
    """Refuse (403) a request of an end user that names another user anywhere; keys may name anybody."""
    own = g.get("end_user")
    if own is not None and any(named != own for named in users_named(value)):
        abort(403, "Your token is for one user alone, and this names another: send your own id.")


def users_named(value: object) -> Iterator[str]:
    """Every user that a request names, at any depth of its model."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name in WHOSE and isinstance(part, str):
                yield part
            else:
                yield from users_named(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from users_named(part)
