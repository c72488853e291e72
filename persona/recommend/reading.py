"""What the taste model makes of a person: one vector, kept in the store until something new is known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from persona.caller import within
from persona.errors import NoRoom, Unavailable
from persona.recommend.beside import Beside
from persona.recommend.catalogue import Catalogue, Mask
from persona.recommend.person import Person
from persona.recommend.seeds import digest, statements_digest
from persona.recommend.types import ColdStart, RankedItem
from persona.store import Store
from persona.taste.history import LONGEST, HistoryEntry, history_of
from persona.taste.interests import Interests, interests_of
from persona.taste.model import TasteModel
from persona.taste.rank import score
from persona.taste.reasons import Causes, causes_of
from persona.taste.table import Floats

SECONDS_TO_KEEP = 0.2  # that storing a vector may hold an answer up, while others write


@dataclass(frozen=True)
class Reading:
    """vector: float32 (d,), zeros where nothing is known or may be used. history: what it was read from.

    What depends on nothing else is made once and kept here, so that a person who is remembered is answered quickly.
    shown: items of the answers, by their rows as bytes and whether with reasons.
    """

    person: Person
    taste: TasteModel = field(repr=False)
    catalogue: Catalogue = field(repr=False)
    vector: Floats
    history: Sequence[HistoryEntry]
    cold_start: ColdStart
    shown: dict[tuple[bytes, bool], tuple[RankedItem, ...]] = field(default_factory=dict, repr=False)

    @property
    def segment(self) -> str | None:
        """The age band that the person is read by, None where more is known, or nothing."""
        return self.person.profile.traits.age_band if self.cold_start == "segment" else None

    @property
    def nothing_known(self) -> bool:
        """Whether the vector is zeros, so that popularity decides."""
        return self.cold_start in ("segment", "popularity")

    @cached_property
    def interests(self) -> Interests:
        """What the person is interested in, each by itself; one where that is one, or nothing is known."""
        if self.nothing_known:
            return Interests.whole(self.vector)
        table, vectors = self.catalogue.table, self.catalogue.vectors
        return interests_of(self.taste, self.person.profile, self.history, table, vectors)

    @cached_property
    def causes(self) -> Causes:
        """Everything that the vector came from, each with its part of it."""
        catalogue = self.catalogue
        return causes_of(self.taste, self.person.profile, self.history, catalogue.table, catalogue.vectors)

    @cached_property
    def scores(self) -> Floats:
        """Scores float32 (n,) of the catalogue: taste, popularity and what is taken together with the history.

        Where no taste is known that is popularity alone, within the age band if that is known.
        """
        catalogue = self.catalogue
        prior = catalogue.prior if self.segment is None else catalogue.segments[self.segment]
        scores = score(self.vector, catalogue.vectors, prior)
        return scores if catalogue.companions is None else scores + catalogue.companions.bonus(self.history)

    @cached_property
    def allowed(self) -> Mask:
        """What may be shown at all, bool (n,): what was last disliked or hidden may not."""
        return self.catalogue.shown & self.catalogue.without(self.person.last_words[1])

    @cached_property
    def kept(self) -> Mask:
        """What the person has liked, saved or bought already, bool (n,)."""
        return ~self.catalogue.without(self.person.last_words[0])


def read_person(
    person: Person, catalogue: Catalogue, taste: TasteModel, store: Store | None, beside: Beside
) -> Reading:
    """Read a person. A stored one's vector is taken from the store while it is current, else made and stored.

    store: None to make it in any case, and store nothing.
    """
    history, cold_start = known_of(person, catalogue, beside)
    if cold_start in ("segment", "popularity"):
        return Reading(person, taste, catalogue, np.zeros_like(catalogue.mean), (), cold_start)
    vector = _vector(person, history, catalogue, taste, store)
    return Reading(person, taste, catalogue, vector, history, cold_start)


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
    person: Person, history: Sequence[HistoryEntry], catalogue: Catalogue, taste: TasteModel, store: Store | None
) -> Floats:
    """Preferences, item vectors and which styles are in force can change without an event, so what a vector was made
    from is compared too."""
    if store is None or person.user_id is None or person.session:
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
    with suppress(Unavailable, NoRoom), within(SECONDS_TO_KEEP):  # the answer needs only the vector
        store.put_condition(person.user_id, taste.version, person.watermark, vector, made_from)
    return vector


def _styles_digest(history: Sequence[HistoryEntry]) -> str:
    """sha256 of which styles count and what was learnt of each; empty where none does."""
    known = [(e.style.id, e.feature.tobytes().hex()) for e in history if e.style is not None and e.feature is not None]
    return digest(known) if known else ""
