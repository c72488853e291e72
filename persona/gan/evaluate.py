"""The figures of a generator: how good, how varied and how obedient its garments are, in the eyes of a `Judge`.

Beside every figure stands what real held-out garments reach (floor or ceiling) and what it falls to where it should
(control). Every figure compares sets of equal size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import delta_e_2000, garment_lab
from persona.errors import BadInput
from persona.gan.distances import frechet, kernel_distance, pairwise, precision_recall_density_coverage, spread
from persona.gan.judge import Judge, RealSet, classifier_of
from persona.gan.model import GarmentModel, sample

CANDIDATES = 100  # conditions to a retrieval
PER_CONDITION = 4  # pictures to a condition, for the spread
CONDITIONS = 60  # of them, for the spread
FEWEST = 120  # held-out pictures
STUDENTS = 2000  # generated pictures that a classifier is trained on; drawing them costs more than all the rest
RESAMPLES = 2000  # of a bootstrap interval
_NOTHING = (100.0, 0.0, 0.0)  # the colour of an empty picture: the page's


@dataclass(frozen=True)
class Confusion:
    """Garments asked for as one category that the judge takes for another: how many generated ones and real ones."""

    asked: str
    taken_for: str
    generated: int
    real: int


@dataclass(frozen=True)
class Evaluation:
    """figures: by the keys of `persona evaluate gan`. made: pictures (n, s, s, 4) under the held-out conditions.

    confusions: those that generated garments meet oftener than real ones, the costliest first.
    """

    figures: dict[str, Any]
    made: NDArray[np.uint8]
    confusions: list[Confusion]


def check_sizes(train: int, held: int) -> None:
    """Raise BadInput where there are too few pictures to judge by."""
    for count, wanted, kind in ((held, FEWEST, "held-out garments"), (train, 2 * held, "garments that are not")):
        if count < wanted:
            raise BadInput(
                "catalogue",
                f"{count} {kind}, wanted {wanted}: import more (`persona import clothing`), or name others with --real",
            )


def evaluate(model: GarmentModel, judge: Judge, held: RealSet, *, seed: int = 0, truncation: float = 1.0) -> Evaluation:
    """Judge a generator by held-out real pictures, whose conditions it is given. Raises BadInput naming the field."""
    train = judge.train
    check_sizes(len(train), len(held))
    if held.rgba.shape[1] != model.size:
        raise BadInput("pictures", f"{held.rgba.shape[1]} px, wanted the model's {model.size}")
    rng = np.random.default_rng(seed)
    made = generate(model, held, seed, truncation)
    fake, real = judge.look(made), judge.look(held.rgba)
    floor = judge.final[rng.choice(len(train), len(held), replace=False)]
    copies = judge.perceptual(train.rgba[rng.choice(len(train), len(held), replace=False), :, ::-1])[0]
    shuffled, truth = rng.permutation(len(held)), np.array(held.categories)
    figures = {
        **_distances(fake.final, real.final, floor),
        "retrieval_top1": retrieval(fake.conditions, held.conditions, seed),
        "retrieval_ceiling": retrieval(real.conditions, held.conditions, seed),
        "retrieval_shuffled": retrieval(fake.conditions[shuffled], held.conditions, seed),
        "retrieval_chance": 1 / CANDIDATES,
        **category_figures(fake.categories == truth, real.categories == truth, rng),
        "category_shuffled": float((fake.categories[shuffled] == truth).mean()),
        **colour_figures(made, held, train, shuffled),
        **_spread_figures(model, judge, held, seed, truncation),
        **_copy_figures(fake.final, real.final, copies, judge.final),
        **classification_accuracy(model, judge, real.levels, truth, seed=seed, truncation=truncation),
        "by_category": _by_category(fake.categories, real.categories, truth, train.categories),
        "held_out": len(held),
        "trained_on": len(train),
        "truncation": truncation,
    }
    return Evaluation(figures, made, confusions(fake.categories, real.categories, truth))


def generate(model: GarmentModel, real: RealSet, seed: int, truncation: float, times: int = 1) -> NDArray[np.uint8]:
    """Pictures (n * times, s, s, 4) under the conditions of a real set, each condition `times` in a row."""
    conditions = np.repeat(real.conditions, times, 0)
    names = [name for name in real.categories for _ in range(times)]
    seeds = [seed * 1_000_003 + i for i in range(len(names))]
    return sample(model, conditions, names, seeds, truncation)


def _distances(fake: NDArray[np.floating], real: NDArray[np.floating], floor: NDArray[np.floating]) -> dict[str, float]:
    """Distances of generated from held-out pictures (n, 512), beside those of as many training pictures."""
    fake_frechet, floor_frechet = frechet(fake, real), frechet(floor, real)
    return {
        "frechet": fake_frechet,
        "frechet_floor": floor_frechet,
        "frechet_ratio": _ratio(fake_frechet, floor_frechet),
        "kernel": kernel_distance(fake, real),
        "kernel_floor": kernel_distance(floor, real),
        **precision_recall_density_coverage(real, fake),
        **{f"{name}_ceiling": value for name, value in precision_recall_density_coverage(real, floor).items()},
    }


def retrieval(read: NDArray[np.floating], conditions: NDArray[np.floating], seed: int = 0) -> float:
    """How often what is read from picture i is nearer (cosine) to conditions[i] than to 99 others drawn at random."""
    n, rng = len(read), np.random.default_rng(seed)
    a, b = _unit(read), _unit(conditions)
    hits = 0
    for i in range(n):
        others = rng.permutation(n)
        others = others[others != i][: CANDIDATES - 1]
        hits += bool(a[i] @ b[i] > (b[others] @ a[i]).max())
    return hits / n


def _unit(x: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-9), np.float64)


def category_figures(
    fake: NDArray[np.bool_], real: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, float | list[float]]:
    """Category accuracy from what the judge told right, (n,) of generated and of real pictures of the same garments.

    Intervals are 95 %, by a bootstrap over the garments; the ratio's keeps each garment's two pictures together.
    """
    drawn = rng.integers(len(fake), size=(RESAMPLES, len(fake)))
    fakes, reals = fake[drawn].mean(1), real[drawn].mean(1)
    ratios = fakes / np.maximum(reals, 1 / len(fake))
    return {
        "category_accuracy": float(fake.mean()),
        "category_interval": [float(bound) for bound in np.quantile(fakes, [0.025, 0.975])],
        "category_ceiling": float(real.mean()),
        "category_ratio": float(fake.mean() / max(real.mean(), 1 / len(fake))),
        "category_ratio_interval": [float(bound) for bound in np.quantile(ratios, [0.025, 0.975])],
    }


def classification_accuracy(
    model: GarmentModel,
    judge: Judge,
    held_levels: NDArray[np.floating],
    truth: NDArray[np.str_],
    *,
    seed: int = 0,
    truncation: float = 1.0,
) -> dict[str, float]:
    """Classification accuracy score (Ravuri and Vinyals 2019): train on generated pictures, test on real ones.

    A classifier of the judge's kind sees generated pictures alone, made under the conditions of training garments, and
    is asked about held-out real ones (features (n, 3584), names (n,)). Ceiling: the same from the real pictures of
    those garments. Shuffled: from the generated ones under each other's names.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(judge.train), min(STUDENTS, len(judge.train)), replace=False)
    some = judge.train.rows(rows)
    levels, names = judge.perceptual(generate(model, some, seed + 2, truncation))[1], np.array(some.categories)

    def score(seen: NDArray[np.floating], told: NDArray[np.str_]) -> float:
        return float((classifier_of(seen, told).predict(held_levels) == truth).mean())

    return {
        "classification_accuracy_score": score(levels, names),
        "classification_accuracy_score_ceiling": score(judge.levels[rows], names),
        "classification_accuracy_score_shuffled": score(levels, rng.permutation(names)),
        "classification_pictures": len(rows),
    }


def colour_figures(
    made: NDArray[np.uint8], held: RealSet, train: RealSet, shuffled: NDArray[np.int64]
) -> dict[str, float]:
    """CIEDE2000 between the dominant colours of generated pictures and of those whose condition they got: medians.

    Beside it that of the real training garments whose conditions are nearest, and of generated ones of others.
    """
    nearest = pairwise(held.conditions, train.conditions).argmin(1)
    real, fake, near = _labs(held.rgba), _labs(made), _labs(train.rgba[nearest])
    return {
        "colour_de00_median": float(np.median(delta_e_2000(fake, real))),
        "colour_de00_nearest_real": float(np.median(delta_e_2000(near, real))),
        "colour_de00_shuffled": float(np.median(delta_e_2000(fake[shuffled], real))),
    }


def _labs(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([garment_lab(picture) or _NOTHING for picture in pictures])


def _copy_figures(
    fake: NDArray[np.floating], real: NDArray[np.floating], copies: NDArray[np.floating], train: NDArray[np.floating]
) -> dict[str, float]:
    """Distance to the nearest training picture over that of held-out ones; near 0 for mirrored training pictures."""
    away, apart, copied = (float(np.median(pairwise(x, train).min(1))) for x in (real, fake, copies))
    return {"copy_ratio": _ratio(apart, away), "copy_ratio_of_copies": _ratio(copied, away)}


def _spread_figures(model: GarmentModel, judge: Judge, held: RealSet, seed: int, truncation: float) -> dict[str, float]:
    """Distance between pictures of one condition over that between the real pictures of the nearest conditions.

    Shuffled: between generated pictures of different conditions, which is how far a generator that ignores them goes.
    """
    rng = np.random.default_rng(seed)
    some = held.rows(rng.choice(len(held), CONDITIONS, replace=False))
    made = judge.perceptual(generate(model, some, seed + 1, truncation, PER_CONDITION))[0]
    near = np.argsort(pairwise(some.conditions, judge.train.conditions), 1)[:, :PER_CONDITION]
    real, groups = spread(judge.final[near]), (CONDITIONS, PER_CONDITION, -1)
    mixed = made.reshape(PER_CONDITION, CONDITIONS, -1).swapaxes(0, 1)
    return {
        "spread_ratio": _ratio(spread(made.reshape(groups)), real),
        "spread_shuffled": _ratio(spread(mixed), real),
    }


def _ratio(value: float, of: float) -> float:
    if of <= 0:
        raise BadInput("pictures", "real ones lie on top of each other: import each garment once")
    return value / of


def _by_category(
    fake: NDArray[np.str_], real: NDArray[np.str_], truth: NDArray[np.str_], trained_on: list[str]
) -> dict[str, dict[str, float]]:
    """By category, the commonest first: how many were held out, the judge's accuracy on generated and real, and how
    many there were to train on."""
    known, table = Counter(trained_on), {}
    for name, count in Counter(truth.tolist()).most_common():
        of = truth == name
        table[name] = {
            "count": count,
            "generated": float((fake[of] == name).mean()),
            "real": float((real[of] == name).mean()),
            "trained_on": known[name],
        }
    return table


def confusions(fake: NDArray[np.str_], real: NDArray[np.str_], truth: NDArray[np.str_]) -> list[Confusion]:
    """Which categories are taken for which others, where generated pictures are oftener than real ones."""
    ours, theirs = (Counter(zip(truth.tolist(), seen.tolist())) for seen in (fake, real))
    found = [Confusion(a, b, ours[a, b], theirs[a, b]) for a, b in ours if a != b and ours[a, b] > theirs[a, b]]
    return sorted(found, key=lambda one: (one.real - one.generated, one.asked, one.taken_for))
