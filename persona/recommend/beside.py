"""What people act on besides garments of the catalogue: generated pictures, and styles."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from persona.recommend.person import Person
from persona.store import Store
from persona.store.records import Item
from persona.taste.table import FACET_CODES, Floats

KEPT_GENERATIONS = 50_000  # liked pictures whose content vectors are remembered, a third of a KiB each


@dataclass(frozen=True)
class Beside:
    """What people act on that is no item of the catalogue's table.

    generations: generated pictures by id, content vector (64,) and category code. styles: those in force by id, content
    vector (64,) and item.
    """

    generations: Mapping[str, tuple[Floats, int]] = field(default_factory=dict)
    styles: Mapping[str, tuple[Floats, Item]] = field(default_factory=dict)


class BesideReader:
    """Looks it up for a person. visual: version of the content vectors. Safe to share between threads."""

    def __init__(self, store: Store, visual: str) -> None:
        self._store, self._visual = store, visual
        self._generations: dict[str, tuple[Floats, int]] = {}

    def read(self, person: Person, known: Container[str]) -> Beside:
        """What a person acted on beside the items that are known. Styles are read anew each time, since consent can
        end at any time."""
        styles = self._store.style_features(set(unlisted(person, known)), self._visual)
        return Beside(self._generations_of(person), styles)

    def forget(self) -> None:
        """Drop what is remembered."""
        self._generations = {}

    def _generations_of(self, person: Person) -> dict[str, tuple[Floats, int]]:
        names = [event.generation_id for event in person.events if event.generation_id]
        if len(self._generations) > KEPT_GENERATIONS:
            self._generations = {}
        known = self._generations
        new = self._store.generation_features({name for name in names if name not in known})
        for name, feature in new.items():
            known[name] = feature, FACET_CODES["category"][self._store.get_generation(name).category]
        return {name: known[name] for name in names if name in known}


def unlisted(person: Person, known: Container[str]) -> list[str]:
    """Ids of items that a person did something with and that are not known: styles, or imported since."""
    return [event.item_id for event in person.events if event.item_id and event.item_id not in known]
