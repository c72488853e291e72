"""How good the taste model is, on simulated users held out whole, beside the controls that it must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from persona.catalog.split import SHARE, held_out
from persona.taste.cases import DRAWS, Case, Values, cases_of, gains, ratio, top
from persona.taste.companions import Companions
from persona.taste.deletion import deletion
from persona.taste.evaluate_cold import new_items, strangers
from persona.taste.evaluate_modes import evaluate_modes
from persona.taste.fusing import counts_of
from persona.taste.history import history_of
from persona.taste.model import TasteModel
from persona.taste.simulate import DEFAULT, STATED, Simulator, Tastes, simulate, utilities
from persona.taste.table import DIMENSIONS, STATEMENTS, Floats, ItemTable
from persona.taste.users import Ints, Users
from persona.taste.wardrobe import wardrobes

Scorer = Callable[[int], Floats]


def evaluate_simulated(
    model: TasteModel, table: ItemTable, *, users: int = 1000, crowd: int = 5000, seed: int = 1_000_000,
    settings: Simulator = DEFAULT,
) -> dict[str, Any]:  # fmt: skip
    """The keys of `persona evaluate taste --data simulated`, on this catalogue.

    A crowd is simulated for the items' popularity and co-occurrence, then the held-out users, each stating three
    preferences. All items are ranked but those of the shown history; wanted is all that the user liked, saved, put in
    the cart or bought later. `*_over_popularity`: mean NDCG@10 over that of the popularity ranking for the same users,
    with a 95 % interval (bootstrap over users). Controls: `encoder`, without co-occurrence; `random`; `wrong_user`,
    another user's vector; `told`, the simulator's own utility and exposure for somebody with no other taste than the
    three stated preferences; and `oracle`, the same with the whole latent taste, which no model can know. The rest:
    `new_items`, `strangers`, `evaluate_modes` and `deletion`.
    """
    crowded = simulate(table, crowd, seed, settings).users
    table = table.with_popularity(crowded.popularity(table))
    companions = Companions(counts_of(crowded, len(table)), model.config.fusion)
    world = simulate(table, users, seed + 1, replace(settings, stating=1.0, statements=(3, 3)))
    shown = np.float32(settings.exposure) * np.log(table.popularity + 1)
    oracle = utilities(world.tastes, table, settings) + shown
    stated = cases_of(world.users, shown=0, preferences=True)
    one = cases_of(world.users, shown=1, preferences=False)
    both = cases_of(world.users, shown=10, preferences=True)
    rng = np.random.default_rng(seed)
    result: dict[str, Any] = {}
    told = utilities(_as_stated(world.users, settings), table, replace(settings, appeal=0)) + shown
    result |= _compare("three_preferences", model, table, companions, stated, {"oracle": oracle, "told": told}, rng)
    result |= _compare("one_event", model, table, companions, one, {"oracle": oracle}, rng)
    result |= _compare("ten_events_and_preferences", model, table, companions, both, {"oracle": oracle}, rng)
    result |= new_items(model, table, both, rng)
    result |= strangers(table, settings, users=users, crowd=crowd, seed=seed)
    result |= evaluate_modes(model, table, both, oracle, rng)
    result |= deletion(model, table, both, rng, companions)
    return result | {"users": users, "crowd": crowd, "items": len(table), "seed": seed, "data": "simulated"}


def _as_stated(users: Users, settings: Simulator) -> Tastes:
    """The tastes of people who have the affinities that these users stated, and no others."""
    affinity = np.zeros((len(users), len(STATEMENTS)), np.float32)
    owner = np.repeat(np.arange(len(users)), np.diff(users.stated))
    affinity[owner, users.statement] = STATED * users.weight * settings.deviations()[users.statement]
    return Tastes(affinity, np.zeros((len(users), DIMENSIONS), np.float32))


def _compare(
    name: str,
    model: TasteModel,
    table: ItemTable,
    companions: Companions,
    cases: Sequence[Case],
    ceilings: dict[str, Floats],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """NDCG@10 and HR@10 of the model and of each control, and the model's ratio to popularity."""
    vectors, prior = model.item_vectors(table), model.prior(table)
    people = model.encode_many([(case.profile, case.history) for case in cases], table)
    scorers: dict[str, Scorer] = {
        "": lambda i: vectors @ people[i] + prior + companions.bonus(cases[i].history),
        "_encoder": lambda i: vectors @ people[i] + prior,
        "_popularity": lambda i: table.popularity,
        "_random": lambda i: rng.random(len(table), np.float32),
        "_wrong_user": lambda i: vectors @ people[i - 1] + prior,
    }
    for ceiling, known in ceilings.items():
        scorers[f"_{ceiling}"] = lambda i, known=known: known[cases[i].number]  # type: ignore[misc]
    result: dict[str, Any] = {f"{name}_users": len(cases)}
    measured: dict[str, Values] = {}
    for control, scorer in scorers.items():
        ranked = [top(scorer(i), case) for i, case in enumerate(cases)]
        measured[control] = gains(ranked, cases)
        hits = [np.isin(rows, case.wanted).any() for rows, case in zip(ranked, cases, strict=True)]
        result[f"{name}{control}_ndcg10"] = round(float(measured[control].mean()), 5)
        result[f"{name}{control}_hr10"] = round(float(np.mean(hits)), 4)
    return result | ratio(f"{name}_over_popularity", measured[""], measured["_popularity"], rng)


def evaluate_wardrobes(
    model: TasteModel, table: ItemTable, *, share: float = SHARE, smallest: int = 6, seed: int = 0
) -> dict[str, Any]:
    """On real people: the wardrobes of held-out owners (`catalog.split`), half shown, the other half to be found.

    `wardrobe_auc`: chance that a garment of the hidden half scores above one of other owners (.5 is guessing), mean
    over wardrobes, with a 95 % bootstrap interval; `wardrobe_wrong_auc`: with the vector of another held-out
    wardrobe. Wardrobes have no times and garments no popularity, so neither is used. None, with `wardrobe_why`, under
    two wardrobes.
    """
    held = held_out([item.owner for item in table.items], share)
    owned = list(wardrobes((item for item, out in zip(table.items, held, strict=True) if out), smallest))
    if len(owned) < 2:
        return {
            "wardrobe_auc": None,
            "wardrobe_why": f"{len(owned)} held-out owners of {smallest} garments; import more",
        }
    rng = np.random.default_rng(seed)
    halves = []
    for _, events in owned:
        entries = history_of(events, table)
        order = rng.permutation(len(entries))
        half = len(order) // 2
        rows = np.array([entry.item for entry in entries], np.int64)[order]
        halves.append(([entries[i] for i in order[:half]], rows[:half], rows[half:]))
    people = model.encode_many([(None, shown) for shown, *_ in halves], table)
    scores = people @ model.item_vectors(table).T
    right = np.array([_auc(scores[i], *half[1:]) for i, half in enumerate(halves)])
    wrong = np.array([_auc(scores[i - 1], *half[1:]) for i, half in enumerate(halves)])
    means = right[rng.integers(0, len(right), (DRAWS, len(right)))].mean(1)
    return {
        "wardrobe_auc": round(float(right.mean()), 4),
        "wardrobe_auc_interval": np.quantile(means, [0.025, 0.975]).round(4).tolist(),
        "wardrobe_wrong_auc": round(float(wrong.mean()), 4),
        "wardrobes_held_out": len(owned),
    }


def _auc(scores: Floats, shown: Ints, hidden: Ints) -> float:
    """Chance that a hidden row scores above one that is neither hidden nor shown."""
    others = np.ones(len(scores), bool)
    others[shown] = others[hidden] = False
    below = np.searchsorted(np.sort(scores[others]), scores[hidden])
    return float(below.mean() / max(1, others.sum()))
