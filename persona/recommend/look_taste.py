"""What a person likes in looks: scores of looks for advice, and looks made for them by the look generator.

The taste model over looks reads what was stated, what was done with looks, and what the garments that somebody liked
lean to. Who refuses personalisation has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from persona.errors import BadInput, OutOfDate
from persona.makeup.look import Lab
from persona.makeup.lookgan import LookGenerator
from persona.makeup.named import named_looks
from persona.makeup.tastes import PersonalLook, leanings, look_item, look_table, personal_looks
from persona.recommend.person import LONGEST_MEMORY
from persona.recommend.types import InlineEvent, InlineProfile
from persona.store import Store
from persona.store.records import Event, Item, Occasion, Profile
from persona.taste.history import HistoryEntry, history_of
from persona.taste.model import TasteModel
from persona.taste.table import Floats, ItemTable

MIDDLE = 5  # Monk tone that looks are described on


@dataclass(frozen=True)
class _Known:
    """What is known of a person: stated and leant to, and done with looks."""

    profile: Profile
    history: Sequence[HistoryEntry]

    @property
    def anything(self) -> bool:
        return bool(self.history) or any(preference.weight for preference in self.profile.preferences)


@dataclass(frozen=True)
class LookShelf:
    """Looks as the taste model reads them. vectors: float32 (n, d), its own."""

    table: ItemTable
    vectors: Floats


class LookTaste:
    """The taste model over looks, with the generator where there is one. garments: the table of the catalogue."""

    def __init__(
        self, store: Store, taste: TasteModel, generator: LookGenerator | None, garments: Callable[[], ItemTable]
    ) -> None:
        self._store, self._taste, self._generator, self._garments = store, taste, generator, garments
        self._kept: LookShelf | None = None  # as long as the store has the same looks

    def scores(
        self, user_id: str | None, profile: InlineProfile | None, history: Sequence[InlineEvent] | None
    ) -> dict[str, float]:
        """How much a person likes each shared look, by its id; empty where nothing is known or may be used.

        Raises NotFound for an unknown user, BadInput for an inline event on something that is not there.
        """
        shelf = self.shelf()
        known = self._known(user_id, profile, history, shelf.table)
        if known is None or not known.anything:
            return {}
        vector = self._taste.encode(known.profile, known.history, shelf.table, shelf.vectors)
        return dict(zip(shelf.table.ids, (shelf.vectors @ vector).astype(float).tolist()))

    def made_for(
        self,
        user_id: str | None,
        profile: InlineProfile | None,
        history: Sequence[InlineEvent] | None,
        count: int,
        seed: int,
        occasion: Occasion | None,
        skin: Lab | None,
    ) -> tuple[str, list[PersonalLook]]:
        """Looks made for a person, and the model's version. Raises as `scores`, and OutOfDate without a generator."""
        shelf, generator = self.shelf(), self._need_generator()
        known = self._known(user_id, profile, history, shelf.table)
        return generator.version, self._made(known, shelf, count, seed, occasion, skin)

    def made_with_scores(
        self, profile: Profile, events: Sequence[Event], shelf: LookShelf, count: int, seed: int, skin: Lab | None
    ) -> tuple[str, list[PersonalLook], list[float]]:
        """As `made_for` of a stored user who was read already, and how much they like each look.

        events: the last LONGEST_MEMORY of all kinds. Raises OutOfDate without a generator.
        """
        known = self._of(profile, events, shelf.table, self._garments())
        made = self._made(known, shelf, count, seed, None, skin)
        vector = self._taste.encode(known.profile, known.history, shelf.table, shelf.vectors)
        drawn = look_table([look_item(f"made-{n}", one.look, None) for n, one in enumerate(made)])
        scores = self._taste.item_vectors(drawn) @ vector
        return self._need_generator().version, made, scores.astype(float).tolist()

    def _made(
        self, known: _Known | None, shelf: LookShelf, count: int, seed: int, occasion: Occasion | None, skin: Lab | None
    ) -> list[PersonalLook]:
        stated, done = (known.profile, known.history) if known else (None, ())
        return personal_looks(
            self._need_generator(),
            self._taste,
            shelf.table,
            stated,
            done,
            count=count,
            seed=seed,
            occasion=occasion,
            skin=skin,
            vectors=shelf.vectors,
        )

    @property
    def version(self) -> str | None:
        """Of the two models together; None without a generator."""
        return f"{self._taste.version}+{self._generator.version}" if self._generator else None

    def _need_generator(self) -> LookGenerator:
        if self._generator is None:
            raise OutOfDate("look-gan: no such model folder in PERSONA_MODELS; run `persona train look-gan`")
        return self._generator

    def shelf(self) -> LookShelf:
        """The looks that ship and those that the store has for everybody."""
        items = {item.id: item for item in self._shipped} | {item.id: item for item in self._store.looks()}
        kept, wanted = self._kept, list(items.values())
        if kept is None or kept.table.items != wanted:
            table = look_table(wanted)
            self._kept = kept = LookShelf(table, self._taste.item_vectors(table))
        return kept

    @cached_property
    def _shipped(self) -> list[Item]:
        return [look_item(one.id, one.on(MIDDLE), one.style) for one in named_looks()]

    def _known(
        self,
        user_id: str | None,
        profile: InlineProfile | None,
        history: Sequence[InlineEvent] | None,
        looks: ItemTable,
    ) -> _Known | None:
        garments = self._garments()
        if user_id is not None:
            stored = self._store.get_user(user_id)
            if not stored.consents.get("personalisation", True):
                return None
            events = [*self._store.history(user_id, limit=LONGEST_MEMORY)]
            return self._of(stored, events, looks, garments)
        if profile is None:
            return None
        for number, event in enumerate(history or ()):
            if event.item_id is not None and not self._exists(event.item_id, looks, garments):
                raise BadInput(f"history.{number}.item_id", f"there is no item {event.item_id!r}; leave the event out")
        stated = profile.as_profile("inline")
        return self._of(stated, [event.as_event("inline", n) for n, event in enumerate(history or ())], looks, garments)

    def _exists(self, item_id: str, looks: ItemTable, garments: ItemTable) -> bool:
        """Whether there is such a look or garment, or a style: what is done with styles says nothing of looks."""
        return item_id in looks.index or item_id in garments.index or item_id in {s.id for s in self._store.styles()}

    def _of(self, profile: Profile, events: Sequence[Event], looks: ItemTable, garments: ItemTable) -> _Known:
        worn = history_of(events, garments)
        return _Known(leanings(profile, worn, garments), history_of(events, looks))
