"""What the taste model makes of a person: one vector, kept in the store until something new is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from persona.recommend.catalogue import Catalogue
from persona.recommend.person import Person
from persona.recommend.seeds import digest, statements_digest
from persona.recommend.types import ColdStart
from persona.store import Item, Store
from persona.taste.history import LONGEST, HistoryEntry, history_of
from persona.taste.interests import Interests, interests_of
from persona.taste.model import TasteModel
from persona.taste.reasons import Causes, causes_of
from persona.taste.table import Floats


@dataclass(frozen=True)
class Beside:
    """What people act on that is no item of the catalogue's table.

    generations: generated pictures by id, content vector (64,) and category code. styles: those in force by id, content
    vector (64,) and item.
    """

    generations: Mapping[str, tuple[Floats, int]] = field(default_factory=dict)
    styles: Mapping[str, tuple[Floats, Item]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """vector: float32 (d,), zeros where nothing is known or may be used. history: what it was read from."""

    person: Person
    vector: Floats
    history: Sequence[HistoryEntry]
    cold_start: ColdStart

    @property
    def segment(self) -> str | None:
        """The age band that the person is read by, None where more is known, or nothing."""
        return self.person.profile.traits.age_band if self.cold_start == "segment" else None

    @property
    def nothing_known(self) -> bool:
        """Whether the vector is zeros, so that popularity decides."""
        return self.cold_start in ("segment", "popularity")

    @property
    def key(self) -> tuple[str, int, str, int, str]:
        """What the vector depends on, besides the models and the catalogue."""
        stated = statements_digest(self.person.profile)
        return self.person.name, self.person.watermark, stated, len(self.history), _styles_digest(self.history)

    def interests(self, taste: TasteModel, catalogue: Catalogue) -> Interests:
        """What the person is interested in, each by itself; one where that is one, or nothing is known."""
        if self.nothing_known:
            return Interests.whole(self.vector)
        return interests_of(taste, self.person.profile, self.history, catalogue.table, catalogue.vectors)

    def causes(self, taste: TasteModel, catalogue: Catalogue) -> Causes:
        """Everything that the vector came from, each with its part of it."""
        return causes_of(taste, self.person.profile, self.history, catalogue.table)


def read_person(person: Person, catalogue: Catalogue, taste: TasteModel, store: Store, beside: Beside) -> Reading:
    """Read a person. A stored one's vector is taken from the store while it is current, else made and stored."""
    history, cold_start = known_of(person, catalogue, beside)
    if cold_start in ("segment", "popularity"):
        return Reading(person, np.zeros_like(catalogue.mean), (), cold_start)
    return Reading(person, _vector(person, history, catalogue, taste, store), history, cold_start)


def known_of(person: Person, catalogue: Catalogue, beside: Beside) -> tuple[Sequence[HistoryEntry], ColdStart]:
    """What a person may be read from: the history, as far as the model reads it, and what there is beside it."""
    if not person.personal:
        return (), "popularity"
    history = history_of(person.events, catalogue.table, beside.generations, beside.styles)[-LONGEST:]
    if history:
        return history, "none"
    if any(preference.weight for preference in person.profile.preferences):
        return history, "profile"
    return history, "segment" if person.profile.traits.age_band in catalogue.segments else "popularity"


def _vector(
    person: Person, history: Sequence[HistoryEntry], catalogue: Catalogue, taste: TasteModel, store: Store
) -> Floats:
    """Preferences, item vectors and which styles are in force can change without an event, so what a vector was made
    from is compared too."""
    if person.user_id is None or person.session:
        return taste.encode(person.profile, history, catalogue.table, catalogue.vectors)
    made_from = {
        "statements": statements_digest(person.profile),
        "events": len(history),
        "features": catalogue.table.feature_version,
        "styles": _styles_digest(history),
    }
    stored = store.get_condition(person.user_id, taste.version)
    if stored is not None and stored.watermark == person.watermark and stored.made_from == made_from:
        return np.asarray(stored.vector, np.float32)
    vector = taste.encode(person.profile, history, catalogue.table, catalogue.vectors)
    store.put_condition(person.user_id, taste.version, person.watermark, vector, made_from)
    return vector


def _styles_digest(history: Sequence[HistoryEntry]) -> str:
    """sha256 of which styles count and what was learnt of each; empty where none does."""
    known = [(e.style.id, e.feature.tobytes().hex()) for e in history if e.style is not None and e.feature is not None]
    return digest(known) if known else ""
