"""Taste over looks: looks as a table that the taste model reads, and from a person's taste to looks made for them.

The same model class, trainer and simulator as for garments (`persona.taste`), with descriptions in the place of content
vectors. Looks share two facets with garments, colour (of a look: the lips') and style; they have no garment's category
and no pattern, so statements of those are left out. What somebody did with garments is no history of looks, but a
leaning of it carries over: `leanings` says which colours and styles stand out among the garments that they liked, as
statements, weaker than anything stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from persona.catalog.colour import colour_name
from persona.makeup.corpus import DEFAULT as VARIETY
from persona.makeup.corpus import named
from persona.makeup.description import VERSION, describe
from persona.makeup.following import MIDDLE, fitted
from persona.makeup.look import Lab, Look
from persona.makeup.lookgan import LookGenerator, look_digest
from persona.makeup.named import named_looks
from persona.store.records import FACETS, Facet, Item, Occasion, Preference, Profile, Rights, Style
from persona.taste.history import NEGATIVE_CODES, TYPE_CODES, WEIGHT_OF_CODE, HistoryEntry
from persona.taste.interests import Interests, interests_of
from persona.taste.model import TasteModel
from persona.taste.modes import interest_modes
from persona.taste.simulate import Simulator
from persona.taste.table import DIMENSIONS, FACET_NAMES, Floats, ItemTable
from persona.taste.train import TrainSettings

SHARED: tuple[Facet, ...] = ("colour", "style")  # facets that looks have too
CARRIED = 0.6  # weight, at most, of what garments say of a taste in looks
CLEAR = 0.15  # weight from which on a leaning is said
TEMPERATURE, PERSONAL_NOISE = 0.5, 0.3  # of modes and of drawing: the right user wins .80 of pairs; .76 at 1 and .4
RIGHTS = Rights(licence="Apache-2.0", source="varied by persona from its own named looks", generated=True)
# Simulated users over looks. A look is chosen for more than the name of its colour, so what the description says weighs
# more than a garment's content does; both are guesses, as are the rest of the numbers, which are the garments'.
SIMULATOR = Simulator(visual=1.2, world=1)


def corpus_items(count: int, seed: int = 0) -> list[Item]:
    """The named looks, and so many variations of them, as items; ids name what they vary."""
    bases = named_looks()
    items = [look_item(base.id, base.on(MIDDLE), base.style) for base in bases]
    for number, look in enumerate(named(count, seed, VARIETY)):
        base = bases[number % len(bases)]
        items.append(look_item(f"{base.id}.{seed}.{number}", look, base.style))
    return items


def look_item(name: str, look: Look, style: Style | None) -> Item:
    """A look as an item without a picture. Its colour is the lips', or that of the last product where they are bare."""
    told = look.on("lips") or look.products[-1]
    return Item(
        id=name, domain="look", category=look.occasions[0] if look.occasions else "everyday", title=look.title,
        lab=told.lab, colour=colour_name(told.lab), style=style, seasons=look.seasons, rights=RIGHTS,
        look=look.model_dump(mode="json"),
    )  # fmt: skip


def look_table(items: Sequence[Item], popularity: Floats | dict[str, float] | None = None) -> ItemTable:
    """Look items, as stored, as a table whose features are their descriptions."""
    looks = [Look.model_validate(item.look) for item in items]
    return ItemTable.of(items, describe(looks), popularity, VERSION)


def leanings(profile: Profile, history: Sequence[HistoryEntry], garments: ItemTable) -> Profile:
    """The profile for a taste in looks: its statements of colour and style, and what its garments lean to beside them.

    A value of a facet leans as far as its share among the garments acted on (by the weights of events, dislikes
    counted off) stands above or below its share of the catalogue, in deviations; three are CARRIED. Without garment
    events, what is stated alone.
    """
    said = {(p.facet, p.value): p for p in profile.preferences if p.facet in SHARED}
    for facet in SHARED:
        for value, weight in _leaning(facet, history, garments).items():
            if abs(weight) >= CLEAR and (facet, value) not in said:
                said[(facet, value)] = Preference(facet=facet, value=value, weight=weight)
    return profile.model_copy(update={"preferences": tuple(said.values())})


def _leaning(facet: Facet, history: Sequence[HistoryEntry], garments: ItemTable) -> dict[str, float]:
    """By value, from -CARRIED to CARRIED."""
    acted = [entry for entry in history if entry.item is not None]
    rows = np.array([entry.item for entry in acted], np.int64)
    kinds = np.array([TYPE_CODES[entry.type] for entry in acted], np.int64)
    weights = np.where(np.isin(kinds, NEGATIVE_CODES), -1.0, np.sqrt(WEIGHT_OF_CODE[kinds]))
    codes = garments.codes[:, FACET_NAMES.index(facet)]
    told = {}
    for code, value in enumerate(FACETS[facet]):
        share = float((codes == code).mean()) if len(codes) else 0.0
        away = float(weights[codes[rows] == code].sum() - share * weights.sum())
        deviations = away / np.sqrt(share * (1 - share) * np.abs(weights).sum() + 1)
        told[value] = round(CARRIED * float(np.clip(deviations / 3, -1, 1)), 3)
    return told


def card(metrics: dict[str, Any], table: ItemTable, settings: TrainSettings) -> str:
    """The model card of a taste model over looks."""
    lines = "\n".join(f"| `{name}` | {value} |" for name, value in metrics.items())
    return f"""# Taste over looks

Preferences and history to a user vector, looks to item vectors (`persona.taste.model`, the same class and training as
for garments): which looks a user is shown, and from which conditions looks are made for them.

- **Trained on SIMULATED users**: {metrics["trained_on_simulated"]} of `persona.taste.simulate`, with the numbers of
  `persona.makeup.tastes.SIMULATOR`, and {metrics["trained_on_stored"]} stored users who consented. All over
  {len(table)} looks, the named ones and **designed** variations of them (`persona.makeup.corpus`), seen through
  `{table.feature_version}`.
- **Made** {metrics["date"]}: {settings.steps} steps of {settings.users} users, seed {settings.seed}.
- **Reads** stated colours and styles, likes of looks, and nothing (then popularity decides). What somebody did with
  garments is read as statements of the colours and styles that stand out there (`persona.makeup.tastes.leanings`).
- **Limits.** Nobody's real taste in makeup is in it: the simulated users like colours, styles and directions of the
  description at random, so who likes what, by age, skin or sex, is in no way learnt. The figures say how well the model
  reads *them*. Train again on your own events before relying on it: `persona train taste --domain look`.
- **Licence.** Apache-2.0, as the code.

| figure | value |
| --- | --- |
{lines}
"""


@dataclass(frozen=True)
class PersonalLook:
    """A look made for one person. category: the occasion; condition, float32 (64,), and digest: what it was made from;
    like: ids of the looks that the person's taste is nearest to here."""

    look: Look
    category: Occasion
    condition: Floats
    digest: str
    seed: int
    like: tuple[str, ...]


def personal_looks(
    generator: LookGenerator,
    taste: TasteModel,
    table: ItemTable,
    profile: Profile | None,
    history: Sequence[HistoryEntry],
    *,
    count: int,
    seed: int,
    occasion: Occasion | None = None,
    skin: Lab | None = None,
    vectors: Floats | None = None,
) -> list[PersonalLook]:
    """count looks for one person, the same for the same arguments.

    table: of looks; history: entries over it (`history_of`); profile: as `leanings` gives it, or None. Where nothing is
    known, popularity decides. occasion: for this one. skin: the wearer's, CIELAB; None: the middle skin. vectors: the
    taste model's of the table, where they are at hand. Raises BadInput where the table has no look (for the occasion).
    """
    vectors = taste.item_vectors(table) if vectors is None else vectors
    person = interests_of(taste, only_shared(profile), history, table, vectors)
    return looks_for(person, generator, table, vectors, taste.prior(table), count, seed, occasion, skin)


def looks_for(
    person: Interests, generator: LookGenerator, table: ItemTable, vectors: Floats, prior: Floats, count: int,
    seed: int, occasion: Occasion | None = None, skin: Lab | None = None,
) -> list[PersonalLook]:  # fmt: skip
    """As `personal_looks`, for interests that are at hand. prior: `TasteModel.prior`."""
    modes = interest_modes(
        person, table, vectors, count=count, seed=seed, category=occasion, prior=prior, temperature=TEMPERATURE
    )
    seeds = [(seed + 7919 * number) % 2**48 for number in range(count)]
    conditions = np.array([mode.condition for mode in modes], np.float32).reshape(-1, DIMENSIONS)
    drawn = generator.draw(conditions, seeds, PERSONAL_NOISE)
    made = []
    for mode, look, own in zip(modes, drawn, seeds, strict=True):
        category: Occasion = mode.category  # type: ignore[assignment]
        worn = (fitted(look, skin) if skin else look).model_copy(update={"occasions": (category,)})
        like = tuple(table.ids[row] for row in mode.items)
        made.append(PersonalLook(worn, category, mode.condition, look_digest(mode.condition, category), own, like))
    return made


def only_shared(profile: Profile | None) -> Profile | None:
    """The profile without statements that looks know nothing of."""
    if profile is None:
        return None
    kept = tuple(p for p in profile.preferences if p.facet in SHARED)
    return profile.model_copy(update={"preferences": kept})
