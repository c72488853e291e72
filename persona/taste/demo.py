"""Twelve made-up people for the demo: tastes one can see at a glance, and every way of being known or unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from persona.errors import BadInput
from persona.store.records import Event, Preference, Profile, Traits
from persona.taste.simulate import DEFAULT, Tastes, act, records_of
from persona.taste.table import DIMENSIONS, FACET_NAMES, STATEMENTS, ItemTable, statement_code
from persona.taste.users import Users

_STRENGTH = 3.0  # affinity of a full like: strong enough to be seen in a dozen items
_SHYNESS = 0.3  # deviation of all other affinities


@dataclass(frozen=True)
class Persona:
    """A made-up person. likes, dislikes: values of any facet; stated: how many of the likes and dislikes they say."""

    id: str
    likes: str
    dislikes: str = ""
    steps: int = 20
    stated: int = 3
    traits: tuple[tuple[str, Any], ...] = ()


PERSONAS = (
    Persona("ava", "black white plain smart grey blazer", "printed pink sporty", 24, 4, (("body_shape", "rectangle"),)),
    Persona("bruno", "sporty hoodie blue t-shirt shorts", "smart blazer", 30, 3, (("age_band", "18-24"),)),
    Persona("chiara", "dress skirt pink printed red blouse", "sporty grey", 22, 4, (("body_shape", "hourglass"),)),
    Persona("diego", "shirt blazer navy white smart pants", "hoodie printed", 26, 4, (("age_band", "35-44"),)),
    Persona("elif", "outwear green brown longsleeve beige shoes", "pink", 18, 3),
    Persona("femi", "orange yellow red printed dress t-shirt", "black grey plain", 28, 4),
    Persona("greta", "striped navy white longsleeve t-shirt", "checked", 16, 3),
    Persona("hugo", "checked shirt blue pants casual", "pink printed", 20, 3, (("size_shoe", 43.0),)),
    Persona("ines", "purple skirt pink hat dress", "", 15, 0),  # acts and says nothing
    Persona("jun", "shoes black white casual", "dress", 0, 4),  # says and has not acted yet
    Persona("kofi", "green polo", "", 1, 0),  # one event
    Persona("lena", "", "", 0, 0),  # nobody knows her
)


def demo_people(table: ItemTable, seed: int = 0) -> list[tuple[Profile, list[Event]]]:
    """The personas as profiles (source "demo") with preferences and histories over this catalogue.

    The same for the same catalogue and seed. Raises BadInput if the catalogue is empty.
    """
    if len(table) == 0:
        raise BadInput("items", "the catalogue is empty; import items first")
    rng = np.random.default_rng([seed, 12])
    affinity = rng.normal(0, _SHYNESS, (len(PERSONAS), len(STATEMENTS))).astype(np.float32)
    for number, persona in enumerate(PERSONAS):
        for strength, values in ((_STRENGTH, persona.likes), (-_STRENGTH, persona.dislikes)):
            affinity[number, [_code(value) for value in values.split()]] = strength
    tastes = Tastes(affinity, np.zeros((len(PERSONAS), DIMENSIONS), np.float32))
    counts = np.array([persona.steps for persona in PERSONAS])
    settings = replace(DEFAULT, disliking=0.1, noise=0.5)
    acted = act(tastes, counts, table, rng, settings)
    nothing = np.zeros(len(PERSONAS) + 1, np.int64)
    said = (nothing, nothing[:0], nothing[:0].astype(np.float32), np.ones(len(PERSONAS), bool))
    users = Users([persona.id for persona in PERSONAS], *acted, *said)
    history: dict[str, list[Event]] = {persona.id: [] for persona in PERSONAS}
    for event in records_of(users, table):
        history[event.user_id].append(event)
    return [(_profile(persona), history[persona.id]) for persona in PERSONAS]


def _code(value: str) -> int:
    return next(statement_code(facet, value) for facet in FACET_NAMES if (facet, value) in STATEMENTS)


def _profile(persona: Persona) -> Profile:
    preferences = []
    for sign, values in ((1, persona.likes.split()), (-1, persona.dislikes.split())):
        for place, value in enumerate(values[: persona.stated]):
            facet, _ = STATEMENTS[_code(value)]
            weight = sign * round(1 - 0.2 * place, 1)
            preferences.append(Preference(facet=facet, value=value, weight=weight))  # type: ignore[arg-type]
    consents = {"personalisation": True, "training": False, "analytics": True}
    return Profile(
        id=persona.id, traits=Traits(**dict(persona.traits)), preferences=tuple(preferences), consents=consents,  # type: ignore[arg-type]
        source="demo",
    )  # fmt: skip
