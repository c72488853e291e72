"""A small company whose users fall into known groups of taste, stored with their events and the table of tastes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from persona.catalog.colour import srgb_to_lab
from persona.store import Item, Rights, Store
from persona.store.loading import NewUsers
from persona.store.records import CATEGORIES, COLOURS, PATTERNS, STYLES, Purpose

RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")
NOON = datetime(2025, 5, 4, 12, tzinfo=UTC).timestamp()
DAY = 86400.0
PULL = 12.0
GROUPS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"pattern": ("plain",), "colour": ("black", "navy"), "style": ("casual",)},
    {"pattern": ("striped",), "colour": ("white", "beige"), "style": ("smart",)},
    {"pattern": ("printed",), "colour": ("red", "yellow", "pink"), "style": ("sporty",)},
    {"pattern": ("checked",), "colour": ("green",), "style": ("smart",)},
)
AGES = "18-24", "25-34", "35-44", "45-54"
_RGB = {
    "black": (20, 20, 22), "white": (240, 240, 238), "grey": (128, 128, 128), "beige": (222, 205, 175),
    "brown": (105, 70, 45), "red": (200, 30, 40), "orange": (230, 120, 30), "yellow": (230, 200, 40),
    "green": (40, 150, 60), "blue": (40, 80, 200), "navy": (25, 30, 80), "purple": (120, 50, 150),
    "pink": (235, 130, 170),
}  # fmt: skip


def garments(count: int, seed: int = 0) -> list[Item]:
    """Items with every facet drawn at random."""
    rng = np.random.default_rng([seed, 1])
    drawn = zip(*(rng.choice(values, count).tolist() for values in (CATEGORIES, COLOURS, PATTERNS, STYLES)))
    return [
        Item(id=f"i{n:05}", category=category, colour=colour, pattern=pattern, style=style, rights=RIGHTS,
             title=f"{colour} {category}", lab=tuple(srgb_to_lab(_RGB[colour]).tolist()))
        for n, (category, colour, pattern, style) in enumerate(drawn)
    ]  # fmt: skip


def company(
    store: Store,
    users: int,
    *,
    items: int = 900,
    events: int = 25,
    seed: int = 0,
    consents: tuple[Purpose, ...] = ("analytics",),
    prefix: str = "u",
    stored: list[Item] | None = None,
) -> list[int]:
    """Fill a store; the group of each user. A thing is PULL times as likely for each facet in which it pleases."""
    rng = np.random.default_rng([seed, 2])
    things = stored or garments(items, seed)
    store.put_items(things)
    chances = [_chances(things, group) for group in GROUPS]
    group = rng.integers(0, len(GROUPS), users)
    names = [f"{prefix}{n:05}" for n in range(users)]
    done, at = [], []
    for n, name in enumerate(names):
        rows = rng.choice(len(things), events, p=chances[group[n]])
        kinds = rng.choice(["view", "like", "purchase", "save"], events)
        done += [(f"{name}-{k}", name, things[row].id, str(kind)) for k, (row, kind) in enumerate(zip(rows, kinds))]
        at += (NOON - np.sort(rng.random(events))[::-1] * 150 * DAY).tolist()
    ages = [AGES[g] if rng.random() < 0.7 else AGES[int(rng.integers(0, 4))] for g in group]
    tones = rng.integers(1, 11, users).tolist()
    new = NewUsers(
        ids=names, source="simulated", consents=consents, traits={"age_band": ages, "skin_tone": tones}, stated=[],
        done=done, at=np.array(at), since=np.reshape(at, (users, events))[:, 0],  # type: ignore[arg-type]
    )  # fmt: skip
    store.load_users(new)
    store.refresh_analysis()
    return group.tolist()


def _chances(things: list[Item], group: dict[str, tuple[str, ...]]) -> np.ndarray:
    pleasing = [sum(getattr(item, facet) in values for facet, values in group.items()) for item in things]
    weights = PULL ** np.array(pleasing, float)
    return weights / weights.sum()
