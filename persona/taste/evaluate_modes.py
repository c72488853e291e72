"""The conditions that the generator is given (`interest_modes`), measured: are they real, various, and of that user?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from persona.catalog.split import held_out
from persona.store.records import Profile
from persona.taste.cases import Case, Values
from persona.taste.history import HistoryEntry
from persona.taste.interests import interests_of
from persona.taste.model import TasteModel
from persona.taste.modes import Mode, interest_modes
from persona.taste.simulate import UNTIL
from persona.taste.table import FACET_CODES, FACET_NAMES, UNKNOWN, Floats, ItemTable
from persona.taste.users import Ints

EACH = 4  # modes drawn for a user
USERS = 200
AMONG = 10  # users of whom a condition is to name the right one
INTERESTS, DRAWN = 100, 8  # users with two planted interests, modes drawn for each of them
_CODES = FACET_CODES["category"]


def evaluate_modes(
    model: TasteModel, table: ItemTable, cases: Sequence[Case], latent: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """Figures of the modes of up to 200 held-out users, four each. latent (u, n): the users' true scores of each item.

    - `modes_distance`: from a condition to the nearest content vector of the catalogue, mean; beside it from garments
      of held-out owners to the nearest of the others (`_held_out`), from random normal vectors (`_random`).
    - `modes_spread`: mean distance between two modes of a user; `_liked`: between two items that the user liked.
    - `modes_identified`: share of conditions whose score stands highest, in deviations, for the right one of 10 users
      (chance .1); `_ceiling`: of items that the user liked later, told by content and category too. `_truly`: the same
      by the latent tastes, of the real item nearest to the condition; its `_ceiling` alike.
    - `modes_interests`: see `two_interests`.
    """
    chosen = [case for case in cases if len(case.wanted) >= 2][:USERS]
    vectors, prior = model.item_vectors(table), model.prior(table)
    people = model.encode_many([(case.profile, case.history) for case in chosen], table)
    seeds = rng.integers(0, 2**31, len(chosen)).tolist()
    found = [interests_of(model, case.profile, case.history, table, vectors) for case in chosen]
    modes = [
        interest_modes(interests, table, vectors, count=EACH, seed=seed, prior=prior)
        for interests, seed in zip(found, seeds, strict=True)
    ]
    later = [rng.permutation(case.wanted)[:EACH] for case in chosen]
    drawn = np.stack([mode.condition for own in modes for mode in own])
    out = held_out([item.owner for item in table.items])
    unseen = nearest(table.features[out], table.features[~out]) if 0 < out.sum() < len(out) else np.full(1, np.nan)
    result = {
        "modes_users": len(chosen),
        "modes_distance": nearest(drawn, table.features).mean(),
        "modes_distance_held_out": None if np.isnan(unseen).any() else unseen.mean(),
        "modes_distance_random": nearest(rng.standard_normal(drawn.shape, np.float32), table.features).mean(),
        "modes_spread": np.mean([_apart(np.stack([mode.condition for mode in own])) for own in modes]),
        "modes_spread_liked": np.mean([_apart(table.features[rows]) for rows in later if len(rows) > 1]),
    }
    own = people @ vectors.T
    mean, deviation = own.mean(1), own.std(1).clip(1e-6)
    own_scores = [((_told(part, model) @ people.T - mean) / deviation) for part in modes]
    real = model.vectors_of(table.features, _category_only(table.codes))
    real_scores = [(real[rows] @ people.T - mean) / deviation for rows in later]
    true = latent[[case.number for case in chosen]]
    true = (true - true.mean(1, keepdims=True)) / true.std(1, keepdims=True).clip(1e-6)
    result |= {
        "modes_identified": identified(own_scores, rng),
        "modes_identified_ceiling": identified(real_scores, rng),
        "modes_identified_truly": identified([true[:, [m.items[0] for m in part]].T for part in modes], rng),
        "modes_identified_truly_ceiling": identified([true[:, rows].T for rows in later], rng),
    }
    result |= two_interests(model, table, vectors, rng)
    return {name: round(float(value), 4) if value is not None else None for name, value in result.items()}


def nearest(conditions: Floats, features: Floats) -> Values:
    """Distance from each condition (m, 64) to the nearest content vector (n, 64)."""
    parts = np.array_split(conditions, max(1, len(conditions) // 500))
    own = np.square(features).sum(1)
    squares = [(np.square(p).sum(1)[:, None] - 2 * p @ features.T + own[None]).min(1) for p in parts]
    return np.sqrt(np.concatenate(squares).clip(0)).astype(np.float64)


def identified(scores: Sequence[Floats], rng: np.random.Generator) -> float:
    """Share of conditions that name their user. scores: for each of u users, theirs (conditions, u) for every user."""
    right = []
    for user, own in enumerate(scores):
        others = rng.choice(np.delete(np.arange(len(scores)), user), min(AMONG, len(scores)) - 1, replace=False)
        right.append((own[:, [user]] > own[:, others]).all(1))
    return float(np.concatenate(right).mean())


def two_interests(model: TasteModel, table: ItemTable, vectors: Floats, rng: np.random.Generator) -> dict[str, float]:
    """Users who liked five items of one shelf (category and colour) and five of another, in turns.

    `modes_interests`: share of them for whom eight modes are of both categories; `_shelves`: for whom, of the real
    items nearest to the modes, there are some of both shelves; `_within`: share of modes of one of the two categories;
    `_chance`: both shelves among eight items of the catalogue; `_found`: share of them found to have two interests.
    Nothing where there are no such shelves, as of looks.
    """
    shelves, shelf, sizes = np.unique(table.codes[:, :2], axis=0, return_inverse=True, return_counts=True)
    large = np.flatnonzero((sizes >= 5) & (shelves >= 0).all(1))
    shelf = shelf.reshape(-1)
    both, of_both, within, chance, counted = [], [], [], [], []
    for number in range(INTERESTS if len(large) else 0):
        one = int(rng.choice(large))
        elsewhere = large[shelves[large, 0] != shelves[one, 0]]
        if not len(elsewhere):
            break
        two = int(rng.choice(elsewhere))
        rows = [rng.choice(np.flatnonzero(shelf == place), 5, replace=False) for place in (one, two)]
        history = [HistoryEntry("like", UNTIL, int(row)) for row in np.stack(rows, 1).ravel()]
        person = interests_of(model, Profile(id="planted"), history, table, vectors)
        modes = interest_modes(person, table, vectors, count=DRAWN, seed=number)
        counted.append(len(person.shares))
        near = np.array([mode.items[0] for mode in modes])
        categories = table.category[near]
        both.append(set(shelves[[one, two], 0]) <= set(categories))
        of_both.append({one, two} <= set(shelf[near].tolist()))
        within.append(np.isin(categories, shelves[[one, two], 0]).mean())
        chance.append({one, two} <= set(rng.choice(shelf, DRAWN).tolist()))
    measured = {
        "modes_interests": both,
        "modes_interests_shelves": of_both,
        "modes_interests_within": within,
        "modes_interests_chance": chance,
        "modes_interests_found": [number == 2 for number in counted],
    }
    return {name: float(np.mean(values or [0])) for name, values in measured.items()} if len(large) else {}


def _apart(vectors: Floats) -> float:
    """Mean distance between two of these vectors (m, 64)."""
    gaps = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    return float(gaps[np.triu_indices(len(vectors), 1)].mean())


def _told(modes: Sequence[Mode], model: TasteModel) -> Floats:
    """Item vectors of conditions, told by content and category."""
    codes = np.full((len(modes), len(FACET_NAMES)), UNKNOWN, np.int64)
    codes[:, 0] = [_CODES.get(mode.category, UNKNOWN) for mode in modes]
    return model.vectors_of(np.stack([mode.condition for mode in modes]), codes)


def _category_only(codes: Ints) -> Ints:
    kept = np.full_like(codes, UNKNOWN)
    kept[:, 0] = codes[:, 0]
    return kept
