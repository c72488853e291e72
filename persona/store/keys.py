"""API keys: who may ask. Of a key's secret only a digest is kept, so a copy of the database opens nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from persona.errors import BadInput, NotFound
from persona.store.audit import add_audit
from persona.store.engine import Database
from persona.store.records import Record
from persona.store.schema import KeyRow

Scope = Literal["read", "write", "admin", "analyst"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
IMPLIED: dict[str, frozenset[Scope]] = {  # what each scope allows
    "read": frozenset({"read"}),
    "write": frozenset({"read", "write"}),
    "admin": frozenset({"read", "write", "admin"}),
    "analyst": frozenset({"analyst"}),
}
PREFIX = "pk_"  # begins every secret, so that scanners for leaked secrets know one when they see it
_LETTERS = string.ascii_letters + string.digits
_RANDOM = 43  # letters of a secret: 256 bits
_LONGEST_NAME = 128


class ApiKey(Record):
    """What is known of a key. id: may be shown and logged; it opens nothing."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        """Whether its scopes cover this one: admin covers write, write covers read, analyst stands beside them."""
        return any(scope in IMPLIED[own] for own in self.scopes)

    def in_force(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > datetime.now(UTC))


class Keys(Database):
    """The keys' part of the store. Whatever changes one leaves a row in the audit log."""

    def create_key(
        self, name: str, scopes: Iterable[str], expires_at: datetime | None = None, actor: str = "command"
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it with its secret, which cannot be had again. Raises BadInput."""
        now, checked = datetime.now(UTC), _checked_scopes(scopes)
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise BadInput("name", f"has to be 1 to {_LONGEST_NAME} printable characters; say who will use the key")
        if expires_at is not None and expires_at <= now:
            raise BadInput("expires", "is over already; choose a time to come")
        with self._writing() as session:
            key, secret = _add(session, name.strip(), checked, expires_at, now)
            add_audit(session, "key.create", actor, key=key.id, scopes=" ".join(checked))
        return key, secret

    def verify_key(self, secret: str) -> ApiKey | None:
        """The key in force that this is the secret of, or None."""
        found = self.find_key(key_id(secret) or "")
        if found is None or not matches(secret, found[1]):
            return None
        return found[0] if found[0].in_force() else None

    def find_key(self, key_id: str) -> tuple[ApiKey, str] | None:
        """A key, in force or not, with the digest of its secret; None where there is none."""
        with self._reading() as session:
            row = session.get(KeyRow, key_id)
            return (_key(row), row.digest) if row else None

    def api_keys(self) -> list[ApiKey]:
        """Every key that was ever made, oldest first."""
        with self._reading() as session:
            return [_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.id))]

    def any_key(self) -> bool:
        """Whether a key is in force."""
        lasting = or_(KeyRow.expires_at.is_(None), KeyRow.expires_at > datetime.now(UTC))
        query = select(func.count()).select_from(KeyRow).where(KeyRow.revoked_at.is_(None), lasting)
        with self._reading() as session:
            return bool(session.scalar(query))

    def rotate_key(
        self, key_id: str, overlap: timedelta = timedelta(days=1), actor: str = "command"
    ) -> tuple[ApiKey, str]:
        """Make a key like this one, which goes on for `overlap`, so that nobody is locked out; returns the new one.

        Raises NotFound, BadInput for a key that is no longer in force and for an overlap below 0.
        """
        if overlap < timedelta(0):
            raise BadInput("overlap", "is negative; 0 ends the old key at once")
        now = datetime.now(UTC)
        with self._writing() as session:
            row = _locked(session, key_id)
            if not _key(row).in_force():
                raise BadInput("key", f"{key_id} is no longer in force; make a new one")
            made, secret = _add(session, row.name, _checked_scopes(row.scopes), row.expires_at, now)
            row.expires_at = min(filter(None, (row.expires_at, now + overlap)))
            add_audit(session, "key.rotate", actor, key=key_id, to=made.id)
        return made, secret

    def revoke_key(self, key_id: str, actor: str = "command") -> ApiKey:
        """End a key now. Revoking it again changes nothing. Raises NotFound."""
        with self._writing() as session:
            row = _locked(session, key_id)
            if row.revoked_at is None:
                row.revoked_at = datetime.now(UTC)
                add_audit(session, "key.revoke", actor, key=key_id)
            return _key(row)


def key_id(secret: str) -> str | None:
    """The id in a secret; None for what cannot be one."""
    parts = secret.split("_")
    well_formed = len(parts) == 3 and secret.startswith(PREFIX) and secret.isascii() and parts[1].isalnum()
    return f"k-{parts[1]}" if well_formed and len(secret) < 80 else None


def matches(secret: str, digest: str) -> bool:
    """Whether the digest is the secret's, compared in constant time."""
    return hmac.compare_digest(_digest(secret), digest)


def _digest(secret: str) -> str:
    """A secret of 256 random bits needs no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _add(
    session: Session, name: str, scopes: tuple[Scope, ...], expires_at: datetime | None, now: datetime
) -> tuple[ApiKey, str]:
    number = secrets.token_hex(6)
    secret = f"{PREFIX}{number}_{''.join(secrets.choice(_LETTERS) for _ in range(_RANDOM))}"
    row = KeyRow(
        id=f"k-{number}", name=name, digest=_digest(secret), scopes=list(scopes), created_at=now, expires_at=expires_at
    )
    session.add(row)
    return _key(row), secret


def _locked(session: Session, key_id: str) -> KeyRow:
    row = session.get(KeyRow, key_id, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no key {key_id!r}; see `persona keys list`")
    return row


def _checked_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    asked = set(scopes)
    unknown = sorted(asked - set(SCOPES))
    if unknown or not asked:
        raise BadInput("scope", f"{unknown[0] if unknown else 'none'}: choose from {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in asked)


def _key(row: KeyRow) -> ApiKey:
    return ApiKey(
        id=row.id, name=row.name, scopes=_checked_scopes(row.scopes), created_at=row.created_at,
        expires_at=row.expires_at, revoked_at=row.revoked_at,
    )  # fmt: skip
