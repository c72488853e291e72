"""Cold start, measured: new items that only have a picture, and strangers of whom nothing is known but an age band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from persona.taste.cases import Case, cases_of, gains, ratio, top
from persona.taste.model import TasteModel
from persona.taste.rank import EXPLORATION
from persona.taste.segments import segment_popularity
from persona.taste.simulate import Simulation, Simulator, simulate
from persona.taste.table import UNKNOWN, Floats, ItemTable
from persona.taste.users import Ints

SHARE = 0.1  # of the items, taken for new
AGES = 0.5  # how much the people of one age band have in common, in deviations, where that is planted


def new_items(
    model: TasteModel, table: ItemTable, cases: Sequence[Case], rng: np.random.Generator, share: float = SHARE
) -> dict[str, Any]:
    """How well items without any event are placed, for the users who want one of them.

    A share of the items is taken for new: no popularity, in nobody's shown history, and no embedding of their own. Each
    user ranks the new ones. `new_item_ndcg10`: told by the content vector alone; `*_attributes`: by the four facets
    too; `*_blind`: by nothing but an average picture; `*_popularity`: by popularity, 0 for them all, so a random order.
    `new_item_place`: share of the whole catalogue, old items and their popularity included, that stands above a wanted
    new item (median), beside `new_item_attributes_place`.
    """
    new = np.sort(rng.choice(len(table), max(1, round(share * len(table))), replace=False))
    wanting = [shown for case in cases if len((shown := _without(case, new)).wanted)]
    old = table.popularity.copy()
    old[new] = 0
    told = table.with_popularity(old)
    codes, features = told.codes.copy(), told.features.copy()
    codes[new], features[new] = UNKNOWN, 0
    plain, model = replace(told, codes=codes), model.without_ids()
    prior = model.prior(told)
    people = model.encode_many([(case.profile, case.history) for case in wanting], told)
    result: dict[str, Any] = {"new_item_users": len(wanting), "new_items": len(new)}
    measured = {}
    for kind, seen in {"": plain, "_attributes": told, "_blind": replace(plain, features=features)}.items():
        scores = people @ model.item_vectors(seen).T + prior
        measured[kind] = gains([top(own, case, new) for own, case in zip(scores, wanting, strict=True)], wanting)
        if kind != "_blind":
            above = [(own > own[case.wanted][:, None]).mean(1) for own, case in zip(scores, wanting, strict=True)]
            result[f"new_item{kind}_place"] = round(float(np.median(np.concatenate(above))), 4)
    shuffled = [top(rng.random(len(table), np.float32), case, new) for case in wanting]
    measured["_popularity"] = gains(shuffled, wanting)
    result |= {f"new_item{kind}_ndcg10": round(float(values.mean()), 5) for kind, values in measured.items()}
    return result | ratio("new_item_over_popularity", measured[""], measured["_popularity"], rng)


def _without(case: Case, new: Ints) -> Case:
    """A user whose shown history has no new item in it, and who wants new items only."""
    history = [entry for entry in case.history if entry.item not in set(new.tolist())]
    return replace(case, history=history, wanted=np.intersect1d(case.wanted, new))


def strangers(
    table: ItemTable, settings: Simulator, *, users: int, crowd: int, seed: int, ages: float = AGES
) -> dict[str, Any]:
    """What a user of whom nothing is known is shown: popularity, explored; and popularity within their age band.

    `stranger_explored_over_popularity`: what exploring costs; `stranger_coverage` and `stranger_explored_coverage`: the
    share of the catalogue that is in anybody's list without it and with it. `stranger_segment_over_popularity`: in a
    world in which the people of one age band share a part of their taste, which is an invention: it shows that the
    mechanism finds what is there. `*_unplanted`: the same with age bands dealt out at random, where there is nothing
    to be found.
    """
    planted = replace(settings, ages=ages)
    people, world = simulate(table, crowd, seed, planted), simulate(table, users, seed + 1, planted)
    cases = cases_of(world.users, shown=0, preferences=False)
    rng = np.random.default_rng(seed)
    everybody = people.users.popularity(table)
    popular = gains([top(everybody, case) for case in cases], cases)
    result: dict[str, Any] = {"stranger_users": len(cases), "stranger_ndcg10": round(float(popular.mean()), 5)}
    noise = [rng.gumbel(scale=EXPLORATION, size=len(table)) for _ in cases]
    explored = [top((np.log(everybody + 1) + extra).astype(np.float32), case) for extra, case in zip(noise, cases)]
    result |= ratio("stranger_explored_over_popularity", gains(explored, cases), popular, rng)
    shown = {"stranger_coverage": [top(everybody, case) for case in cases], "stranger_explored_coverage": explored}
    result |= {name: round(len(np.unique(np.concatenate(lists))) / len(table), 4) for name, lists in shown.items()}
    for name, bands in {"": people.band, "_unplanted": rng.permutation(people.band)}.items():
        by_band = _by_band(people, bands, table, everybody)
        ranked = [top(by_band[int(world.band[case.number])], case) for case in cases]
        result |= ratio(f"stranger_segment{name}_over_popularity", gains(ranked, cases), popular, rng)
    return result


def _by_band(people: Simulation, bands: Ints, table: ItemTable, everybody: Floats) -> dict[int, Floats]:
    """Popularity within each band, as the service reads it."""
    owner = np.repeat(bands, np.diff(people.users.events))
    found = {}
    for band in np.unique(bands).tolist():
        of_band = np.flatnonzero(owner == band)
        part = replace(people.users, row=people.users.row[of_band], kind=people.users.kind[of_band])
        found[band] = segment_popularity(part.popularity(table), everybody)
    return found
