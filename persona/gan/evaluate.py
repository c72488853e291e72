"""The judge of a generator: networks that saw real pictures only, beside controls and the ceiling of held-out pictures.

The judge sees SqueezeNet's features: a logistic regression tells the category, a ridge regression the condition; both
are fitted on real pictures of the training owners. Every figure compares sets of equal size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from persona.catalog.colour import delta_e_2000, garment_lab
from persona.errors import BadInput
from persona.gan.distances import frechet, kernel_distance, pairwise, precision_recall_density_coverage, spread
from persona.gan.model import GarmentModel, sample
from persona.gan.perceptual import Perceptual

CANDIDATES = 100  # conditions to a retrieval
PER_CONDITION = 4  # pictures to a condition, for the spread
FEWEST = 120  # held-out pictures
_NOTHING = (100.0, 0.0, 0.0)  # the colour of an empty picture: the page's


@dataclass(frozen=True)
class RealSet:
    """Real pictures, premultiplied uint8 (n, s, s, 4) at the generator's size, conditions (n, 64), categories (n,)."""

    rgba: NDArray[np.uint8]
    conditions: NDArray[np.float32]
    categories: list[str]

    def __len__(self) -> int:
        return len(self.rgba)


class Judge:
    """Classifier and condition reader fitted on real pictures; see the module."""

    def __init__(self, perceptual: Perceptual, train: RealSet) -> None:
        self.perceptual = perceptual
        self.final, levels = perceptual(train.rgba)
        parts = min(256, len(train) - 1)
        self._reduce: Pipeline = make_pipeline(StandardScaler(), PCA(parts, random_state=0, svd_solver="randomized"))
        seen = self._reduce.fit_transform(levels)
        self._category = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=400))
        self._category.fit(seen, train.categories)
        self._condition = make_pipeline(StandardScaler(), Ridge(100.0)).fit(seen, train.conditions)

    def look(self, rgba: NDArray[np.uint8]) -> Impression:
        """What the judge makes of pictures (n, s, s, 4)."""
        final, levels = self.perceptual(rgba)
        seen = self._reduce.transform(levels)
        return Impression(final, self._category.predict(seen), self._condition.predict(seen))


@dataclass(frozen=True)
class Impression:
    """Features (n, 512), category names (n,), conditions as read from the pictures (n, 64)."""

    final: NDArray[np.float32]
    categories: NDArray[np.str_]
    conditions: NDArray[np.float64]


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


def evaluate(
    model: GarmentModel,
    train: RealSet,
    held: RealSet,
    perceptual: Perceptual,
    *,
    seed: int = 0,
    truncation: float = 1.0,
) -> dict[str, Any]:
    """The figures of a generator, by the keys of `persona evaluate gan`; conditions are the held-out pictures' own."""
    if len(held) < FEWEST or len(train) < 2 * len(held):
        raise BadInput(
            "real", f"{len(held)} held-out and {len(train)} other pictures, wanted {FEWEST} and twice as many"
        )
    rng = np.random.default_rng(seed)
    judge = Judge(perceptual, train)
    made = generate(model, held, seed, truncation)
    fake, real = judge.look(made), judge.look(held.rgba)
    floor = judge.final[rng.choice(len(train), len(held), replace=False)]
    shuffled = rng.permutation(len(held))
    truth = np.array(held.categories)
    distances = {
        "frechet": frechet(fake.final, real.final),
        "frechet_floor": frechet(floor, real.final),
        "kernel": kernel_distance(fake.final, real.final),
        "kernel_floor": kernel_distance(floor, real.final),
    }
    return {
        **distances,
        "frechet_ratio": distances["frechet"] / distances["frechet_floor"],
        **precision_recall_density_coverage(real.final, fake.final),
        **{f"{name}_ceiling": v for name, v in precision_recall_density_coverage(real.final, floor).items()},
        "retrieval_top1": retrieval(fake.conditions, held.conditions, seed),
        "retrieval_ceiling": retrieval(real.conditions, held.conditions, seed),
        "retrieval_shuffled": retrieval(fake.conditions[shuffled], held.conditions, seed),
        "retrieval_chance": 1 / CANDIDATES,
        "category_accuracy": float((fake.categories == truth).mean()),
        "category_ceiling": float((real.categories == truth).mean()),
        "category_shuffled": float((fake.categories[shuffled] == truth).mean()),
        **colour_error(made, held.rgba, shuffled),
        "spread_ratio": _spread_ratio(model, judge, train, held, seed, truncation),
        "copy_ratio": _nearest(fake.final, judge.final) / _nearest(real.final, judge.final),
        "held_out": len(held),
        "trained_on": len(train),
        "truncation": truncation,
    }


def generate(model: GarmentModel, real: RealSet, seed: int, truncation: float, times: int = 1) -> NDArray[np.uint8]:
    """Pictures (n * times, s, s, 4) under the conditions of a real set, each condition `times` in a row."""
    conditions = np.repeat(real.conditions, times, 0)
    names = [name for name in real.categories for _ in range(times)]
    seeds = [seed * 1_000_003 + i for i in range(len(names))]
    return sample(model, conditions, names, seeds, truncation)


def colour_error(made: NDArray[np.uint8], real: NDArray[np.uint8], shuffled: NDArray[np.int64]) -> dict[str, float]:
    """CIEDE2000 between the dominant colours of generated pictures and of those whose condition they got: medians."""
    a, b = (np.array([garment_lab(picture) or _NOTHING for picture in pictures]) for pictures in (made, real))
    return {
        "colour_de00_median": float(np.median(delta_e_2000(a, b))),
        "colour_de00_shuffled": float(np.median(delta_e_2000(a[shuffled], b))),
    }


def _nearest(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Median distance from a member of a to the nearest of b."""
    return float(np.median(pairwise(a, b).min(1)))


def _spread_ratio(
    model: GarmentModel, judge: Judge, train: RealSet, held: RealSet, seed: int, truncation: float, conditions: int = 60
) -> float:
    """Distance between pictures of one condition over that between the real pictures of the nearest conditions."""
    rows = np.random.default_rng(seed).choice(len(held), conditions, replace=False)
    some = RealSet(held.rgba[rows], held.conditions[rows], [held.categories[row] for row in rows])
    made = judge.look(generate(model, some, seed + 1, truncation, PER_CONDITION)).final
    near = np.argsort(pairwise(some.conditions, train.conditions), 1)[:, :PER_CONDITION]
    return spread(made.reshape(conditions, PER_CONDITION, -1)) / spread(judge.final[near])
