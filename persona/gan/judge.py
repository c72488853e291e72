"""Who judges a generator: a category classifier and a condition reader that saw real pictures only.

Both stand on SqueezeNet's features: a logistic regression tells the category, a ridge regression the condition. They
are fitted on real pictures of the training owners.
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

from persona.catalog.perceptual import Perceptual
from persona.errors import BadInput
from persona.gan.networks import CONDITION

PARTS = 256  # principal components of the features that the judges read


@dataclass(frozen=True)
class RealSet:
    """Real pictures, premultiplied uint8 (n, s, s, 4) at the generator's size, conditions (n, 64), categories (n,).

    Raises BadInput for other shapes and for conditions that are not finite.
    """

    rgba: NDArray[np.uint8]
    conditions: NDArray[np.float32]
    categories: list[str]

    def __post_init__(self) -> None:
        n = len(self.rgba)
        if self.rgba.ndim != 4 or self.rgba.shape[3] != 4 or self.rgba.dtype != np.uint8:
            raise BadInput(
                "pictures", f"{self.rgba.dtype} {self.rgba.shape}, wanted uint8 (n, side, side, 4), premultiplied"
            )
        if self.conditions.shape != (n, CONDITION) or len(self.categories) != n:
            given = f"conditions {self.conditions.shape} and {len(self.categories)} categories"
            raise BadInput("conditions", f"{given} for {n} pictures, wanted ({n}, {CONDITION}) and {n}")
        if not (finite := np.isfinite(self.conditions).all(1)).all():
            raise BadInput("conditions", f"row {int(finite.argmin())} is not finite; compute it again")

    def __len__(self) -> int:
        return len(self.rgba)

    def rows(self, rows: NDArray[np.integer]) -> RealSet:
        """Some of them, in this order."""
        return RealSet(self.rgba[rows], self.conditions[rows], [self.categories[row] for row in rows])


@dataclass(frozen=True)
class Impression:
    """Features (n, 512) and (n, 3584), category names (n,), conditions as read from the pictures (n, 64)."""

    final: NDArray[np.float32]
    levels: NDArray[np.float32]
    categories: NDArray[np.str_]
    conditions: NDArray[np.float64]


class Judge:
    """Classifier and condition reader fitted on real pictures, whose features are kept: see the module.

    Raises BadInput where nothing can be learnt: pictures that are all the same, or a single category.
    """

    def __init__(self, perceptual: Perceptual, train: RealSet) -> None:
        if len(set(train.categories)) < 2:
            kind = train.categories[0] if train.categories else "none"
            raise BadInput("categories", f"all {len(train)} garments are of one ({kind}): import some of another")
        if (train.rgba == train.rgba[0]).all():
            raise BadInput("pictures", f"all {len(train)} are the same; check the import")
        self.perceptual, self.train = perceptual, train
        self.final, self.levels = perceptual(train.rgba)
        self._reduce = make_pipeline(*_reducer(len(train)))
        seen = self._reduce.fit_transform(self.levels)
        self._category = make_pipeline(*_classifier()).fit(seen, train.categories)
        self._condition = make_pipeline(StandardScaler(), Ridge(100.0)).fit(seen, train.conditions)

    def look(self, rgba: NDArray[np.uint8]) -> Impression:
        """What the judge makes of pictures (n, s, s, 4)."""
        final, levels = self.perceptual(rgba)
        seen = self._reduce.transform(levels)
        return Impression(final, levels, self._category.predict(seen), self._condition.predict(seen))


def classifier_of(levels: NDArray[np.floating], categories: NDArray[np.str_]) -> Pipeline:
    """The judge's kind of classifier, fitted on other pictures: features (n, 3584) and their names (n,)."""
    return make_pipeline(*_reducer(len(levels)), *_classifier()).fit(levels, categories)


def _reducer(pictures: int) -> list[Any]:
    return [StandardScaler(), PCA(min(PARTS, pictures - 1), random_state=0, svd_solver="randomized")]


def _classifier() -> list[Any]:
    return [StandardScaler(), LogisticRegression(C=0.03, max_iter=400)]
