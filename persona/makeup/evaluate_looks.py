"""The figures of the makeup cGAN: does a look follow its condition, do looks of one condition differ, and are they of
the person they were made for? In the eyes of a `LookJudge`, with controls and ceilings beside every figure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from persona.catalog.colour import colour_name, delta_e_2000
from persona.gan.distances import pairwise, precision_recall_density_coverage, spread
from persona.gan.evaluate import CANDIDATES, retrieval
from persona.makeup.corpus import named
from persona.makeup.description import describe
from persona.makeup.look import Look
from persona.makeup.look_judge import SEED, LookJudge
from persona.makeup.lookgan import LookGenerator
from persona.makeup.tastes import SIMULATOR, corpus_items, leanings, look_table, looks_for
from persona.store.records import EVENT_TYPES
from persona.taste.cases import Case, Values, cases_of, gains, ratio, top
from persona.taste.history import HistoryEntry
from persona.taste.interests import interests_of
from persona.taste.model import TasteModel
from persona.taste.simulate import Tastes, act, draw_tastes, liking, simulate, utilities
from persona.taste.table import FACET_CODES, FACET_NAMES, UNKNOWN, Floats, ItemTable
from persona.taste.wins import wins_of

HELD_OUT = 2_000_003  # seed of the looks that are asked for
CONDITIONS, EACH = 60, 4  # for the spread: conditions, and looks of each
USERS, SHOWN = 120, 10  # simulated users, and likes of theirs that the taste model reads


JUDGED_BY, TABLE = 3000, 1200  # looks that the judge is trained on, and variations that simulated users act on


def figures_of(models: Path, garments: ItemTable | None = None) -> dict[str, Any]:
    """All figures of the shipped `look-gan` and `taste-look`, with their versions; some minutes, most of them the
    judge's training and its charts.

    garments: those of the store, for what garments say of a taste in looks; None: not measured. Raises as the readers
    of model folders.
    """
    generator, taste = LookGenerator.load(models / "look-gan"), TasteModel.load(models / "taste-look")
    judge = LookJudge.trained(named(JUDGED_BY, SEED))
    table = look_table(corpus_items(TABLE, SEED + 1))
    result = evaluate_looks(generator, judge) | evaluate_wins(generator, taste, judge, table)
    if garments is not None:
        result |= evaluate_tastes(taste, table, garments)
    return result | {"look_model": generator.version, "look_taste": taste.version}


def evaluate_looks(
    generator: LookGenerator, judge: LookJudge, *, count: int = 400, known: int = 3000, seed: int = 0
) -> dict[str, Any]:
    """How well a generator follows conditions, and how various it is; `count` held-out looks give the conditions.

    - `look_retrieval_top1`: how often the description that the judge reads from a generated look's picture is nearer to
      its own condition than to 99 others; `_ceiling`: from the held-out look itself; `_shuffled`: another's picture.
    - `look_lips_de00`: median CIEDE2000 between the lips' pigments of a generated look and the look asked for, weighed
      by nothing, where both have some; `_nearest_real`: of the corpus' look of the nearest description; `_shuffled`.
    - `look_spread_ratio`: distance, as read, between looks of one condition over that between the corpus' looks of the
      nearest descriptions (of `known` looks); `_z`: with the same noise on the condition, so by z alone; `_shuffled`:
      between generated looks of different conditions.
    - `look_precision`, `look_recall`, `look_coverage` in the judge's features, of looks generated for other looks of
      the corpus; `_ceiling`: of these looks themselves.
    """
    rng = np.random.default_rng(seed)
    real, corpus = named(count, HELD_OUT + seed), named(known, HELD_OUT + seed + 1)
    conditions, others = describe(real), describe(corpus)
    made = generator.draw(conditions, [seed * 1_000_003 + number for number in range(count)])
    charts, shuffled = judge.charts(count, SEED + 2), rng.permutation(count)
    fake, (true, true_features) = judge.look(made, charts)[0], judge.look(real, charts)
    nearest = [corpus[row] for row in pairwise(conditions, others).argmin(1)]
    some = rng.choice(known, count, replace=False)  # others than were asked for: fakes of the same would be nearer
    floor = judge.look([corpus[row] for row in some], charts)[1]
    like_some = judge.look(generator.draw(others[some], some.tolist()), charts)[1]
    figures = {
        "look_retrieval_top1": retrieval(fake.numpy(), conditions, seed),
        "look_retrieval_ceiling": retrieval(true.numpy(), conditions, seed),
        "look_retrieval_shuffled": retrieval(fake.numpy()[shuffled], conditions, seed),
        "look_retrieval_chance": 1 / CANDIDATES,
        "look_lips_de00": _lips(made, real),
        "look_lips_de00_nearest_real": _lips(nearest, real),
        "look_lips_de00_shuffled": _lips([made[row] for row in shuffled], real),
        **_spread(generator, judge, conditions, corpus, others, seed),
        **_quality(true_features.numpy(), like_some.numpy(), floor.numpy()),
    }
    return {name: round(value, 4) for name, value in figures.items()} | {"look_held_out": count, "look_seed": seed}


def _lips(made: list[Look], wanted: list[Look]) -> float:
    pairs = [(one.on("lips"), other.on("lips")) for one, other in zip(made, wanted, strict=True)]
    gaps = [float(delta_e_2000(one.lab, other.lab)) for one, other in pairs if one and other]
    return float(np.median(gaps)) if gaps else float("nan")


def _spread(
    generator: LookGenerator, judge: LookJudge, conditions: Floats, corpus: list[Look], others: Floats, seed: int
) -> dict[str, float]:
    some = conditions[:CONDITIONS]
    count = len(some)
    seeds = [seed * 1_000_003 + 500_000 + number for number in range(count * EACH)]
    repeated = np.repeat(some, EACH, 0)
    made, by_z = generator.draw(repeated, seeds), generator.draw(repeated, seeds, noise=0.0)
    near = np.argsort(pairwise(some, others), 1)[:, :EACH].ravel()
    charts = judge.charts(count, SEED + 3).repeat_interleave(EACH)
    read = judge.look(made, charts)[0].numpy().reshape(count, EACH, -1)
    real = judge.look([corpus[row] for row in near], charts)[0].numpy().reshape(count, EACH, -1)
    z_only = judge.look(by_z, charts)[0].numpy().reshape(count, EACH, -1)
    mixed = read.reshape(EACH, count, -1).swapaxes(0, 1)
    floor = spread(real)
    return {
        "look_spread": spread(read), "look_spread_real": floor, "look_spread_ratio": spread(read) / floor,
        "look_spread_z": spread(z_only) / floor,
        "look_spread_shuffled": spread(mixed) / floor,
    }  # fmt: skip


def _quality(real: Floats, fake: Floats, floor: Floats) -> dict[str, float]:
    wanted = ("precision", "recall", "coverage")
    own, best = (precision_recall_density_coverage(real, other) for other in (fake, floor))
    return {f"look_{name}": own[name] for name in wanted} | {f"look_{name}_ceiling": best[name] for name in wanted}


def evaluate_wins(
    generator: LookGenerator, taste: TasteModel, judge: LookJudge, table: ItemTable, *, users: int = USERS,
    seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Whether looks suit the simulated users they were made for better than other users.

    The users' true tastes judge, on what the judge reads in the picture and on the name of the lips' colour.
    `look_win_right_over_wrong_user`: share of pairs, with a 95 % interval; `_ceiling`: with each user's best-ranked
    looks of the table in the place of generated ones; `_shuffled`: looks handed to the wrong users, a half.
    """
    world = simulate(table, 3 * users, seed + 3_000_000, SIMULATOR)
    cases = cases_of(world.users, SHOWN, preferences=True)[:users]
    numbers = [case.number for case in cases]
    tastes = Tastes(world.tastes.affinity[numbers], world.tastes.visual[numbers])
    vectors, prior = taste.item_vectors(table), taste.prior(table)
    found = [interests_of(taste, case.profile, case.history, table, vectors) for case in cases]
    made = [
        look
        for number, person in enumerate(found)
        for look in looks_for(person, generator, table, vectors, prior, EACH, seed + number)
    ]
    people = taste.encode_many([(case.profile, case.history) for case in cases], table, vectors)
    best = np.argsort(-(people @ vectors.T), 1)[:, :EACH].ravel()
    owners = np.repeat(np.arange(len(cases)), EACH)
    real = [Look.model_validate(table.items[row].look) for row in best]
    likes, likes_best = (_likes(judge, looks, tastes) for looks in ([each.look for each in made], real))
    right, ceiling = wins_of(likes, owners, seed=seed), wins_of(likes_best, owners, seed=seed)
    wrong = wins_of(likes, np.roll(owners, EACH * (len(cases) // 2)), seed=seed)
    return {
        "look_win_right_over_wrong_user": round(right.share, 4),
        "look_win_interval": [round(right.low, 4), round(right.high, 4)],
        "look_win_ceiling": round(ceiling.share, 4),
        "look_win_shuffled": round(wrong.share, 4),
        "look_win_users": right.users,
    }


def _likes(judge: LookJudge, looks: list[Look], tastes: Tastes) -> Floats:
    """How much each user likes each look, (n, users): by the description as read, and the name of the lips' colour."""
    read = judge.look(looks, judge.charts(len(looks), SEED + 4))[0].numpy()
    codes = np.full((len(looks), len(FACET_NAMES)), UNKNOWN, np.int64)
    for row, look in enumerate(looks):
        told = look.on("lips") or (look.products[-1] if look.products else None)
        if told is not None:
            codes[row, FACET_NAMES.index("colour")] = FACET_CODES["colour"][colour_name(told.lab)]
    return liking(tastes, codes, read).T


def evaluate_tastes(
    taste: TasteModel, table: ItemTable, garments: ItemTable, *, users: int = 1000, crowd: int = 5000,
    seed: int = 4_000_000,
) -> dict[str, Any]:  # fmt: skip
    """Whether what somebody did with garments says anything of the looks they like: `look_garments_only_*`.

    Simulated users like the same colours and styles in both; what else they like in looks is theirs in looks alone.
    They act on garments, then on looks; from the garments alone (`leanings`) the looks are ranked. NDCG@10, and its
    ratio to popularity with a 95 % interval; `_wrong_user`: from another's garments; `_oracle`: by the latent taste.
    """
    popular = table.with_popularity(simulate(table, crowd, seed, SIMULATOR).users.popularity(table))
    world = simulate(popular, users, seed + 1, replace(SIMULATOR, stating=0.0))
    cases = cases_of(world.users, shown=0, preferences=False)
    worn = _worn(world.tastes, [case.number for case in cases], garments, seed)
    profiles = [leanings(case.profile, history, garments) for case, history in zip(cases, worn, strict=True)]
    people = taste.encode_many([(profile, []) for profile in profiles], popular)
    vectors, prior = taste.item_vectors(popular), taste.prior(popular)
    shown = np.float32(SIMULATOR.exposure) * np.log(popular.popularity + 1)
    truth = utilities(world.tastes, popular, SIMULATOR) + shown
    by: dict[str, Values] = {
        "": _ranked([vectors @ person + prior for person in people], cases),
        "_popularity": _ranked([popular.popularity] * len(cases), cases),
        "_wrong_user": _ranked([vectors @ person + prior for person in np.roll(people, 1, 0)], cases),
        "_oracle": _ranked([truth[case.number] for case in cases], cases),
    }
    result: dict[str, Any] = {
        f"look_garments_only{name}_ndcg10": round(float(own.mean()), 5) for name, own in by.items()
    }
    rng = np.random.default_rng(seed)
    return result | ratio("look_garments_only_over_popularity", by[""], by["_popularity"], rng)


def _ranked(scores: list[Floats], cases: list[Case]) -> Values:
    return gains([top(own, case) for own, case in zip(scores, cases, strict=True)], cases)


def _worn(tastes: Tastes, numbers: list[int], garments: ItemTable, seed: int) -> list[list[HistoryEntry]]:
    """Histories over garments of these users, thirty steps each; in pictures of garments they have a taste apart."""
    rng = np.random.default_rng(seed)
    visual = draw_tastes(len(numbers), rng, SIMULATOR).visual
    steps = np.full(len(numbers), 30, np.int64)
    starts, row, kind, at = act(Tastes(tastes.affinity[numbers], visual), steps, garments, rng, SIMULATOR)
    entries = [
        HistoryEntry(EVENT_TYPES[k], datetime.fromtimestamp(float(t), UTC), int(r)) for r, k, t in zip(row, kind, at)
    ]
    return [entries[starts[i] : starts[i + 1]] for i in range(len(numbers))]
