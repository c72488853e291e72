"""Likes and dislikes as the page shows and sends them: one three-way choice for each value of each facet."""

from __future__ import annotations

from collections.abc import Mapping

from persona.errors import BadInput
from persona.store.records import FACETS, Preference, Profile

CHOICES = {"1": 1.0, "0": 0.0, "-1": -1.0}
TITLES = {"colour": "Colours", "category": "Kinds of clothes", "pattern": "Patterns", "style": "Styles"}
ORDER = ("colour", "category", "pattern", "style")


def field(facet: str, value: str) -> str:
    """Name of the form field of one value."""
    return f"taste.{facet}.{value}"


def choice(preferences: tuple[Preference, ...], facet: str, value: str) -> str:
    """Which of the three is set: "1" (like), "0" or "-1" (dislike)."""
    weight = next((p.weight for p in preferences if (p.facet, p.value) == (facet, value)), 0.0)
    return "1" if weight > 0 else "-1" if weight < 0 else "0"


def from_form(form: Mapping[str, str], known: tuple[Preference, ...] = ()) -> tuple[Preference, ...]:
    """Preferences as a form says them. What the form leaves as it was keeps its exact weight. Raises BadInput."""
    weights: dict[tuple[str, str], float] = {(p.facet, p.value): p.weight for p in known}
    kept = []
    for facet, values in FACETS.items():
        for value in values:
            name, before = field(facet, value), weights.get((facet, value), 0.0)
            sent = form.get(name, choice(known, facet, value))
            if sent not in CHOICES:
                raise BadInput(name, f"{sent!r} is no choice: send 1 (like), 0 or -1 (dislike)")
            unchanged = sent == choice(known, facet, value)
            weight = before if unchanged else CHOICES[sent]
            if weight:
                kept.append(Preference.model_validate({"facet": facet, "value": value, "weight": weight}))
    return tuple(kept)


def difference(before: tuple[Preference, ...], after: tuple[Preference, ...]) -> str:
    """What a person changed, as a sentence; empty when nothing."""
    changed: dict[str, list[str]] = {"1": [], "-1": [], "0": []}
    for facet, values in FACETS.items():
        for value in values:
            now = choice(after, facet, value)
            if choice(before, facet, value) != now:
                changed[now].append(value)
    words = {"1": "like", "-1": "do not like", "0": "no longer mind about"}
    said = [f"{words[now]} {_listed(values)}" for now, values in changed.items() if values]
    return f"You {', '.join(said)}." if said else ""


def summary(profile: Profile, most: int = 4) -> tuple[str, str]:
    """What someone likes and dislikes, strongest first, as two short lists of words."""
    ordered = sorted(profile.preferences, key=lambda p: -abs(p.weight))
    likes = [p.value for p in ordered if p.weight > 0][:most]
    dislikes = [p.value for p in ordered if p.weight < 0][:most]
    return ", ".join(likes), ", ".join(dislikes)


def _listed(values: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(values[:-1]), *values[-1:]]))
