"""Digests and seeds: whatever is random follows from what is known, so an answer can be had again."""

from __future__ import annotations

import hashlib
import json

from persona.store.records import Preference, Profile

_SEED_BITS = 48  # so that a derived seed is exact in JSON readers that know only doubles
_ENCODER = json.JSONEncoder(default=str, separators=(",", ":"))


def digest(*parts: object) -> str:
    """sha256, in hexadecimal, of numbers, texts and lists of them; where one part ends and the next begins counts."""
    return hashlib.sha256(_ENCODER.encode(parts).encode()).hexdigest()


def derive(*parts: object) -> int:
    """A seed that follows from these parts alone."""
    return int(digest(*parts), 16) & ((1 << _SEED_BITS) - 1)


def statements_digest(profile: Profile) -> str:
    """sha256 of what the taste model reads of a profile: its stated preferences."""
    return digest(*[_statement(preference) for preference in profile.preferences])


def _statement(preference: Preference) -> tuple[str, str, float]:
    return preference.facet, preference.value, preference.weight
