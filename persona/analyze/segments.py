"""Segments: users of alike taste, found by k-means or chosen by a rule, with names that people can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.naming import names_of
from persona.analyze.rules import parse_rule, who
from persona.analyze.segmentation import OTHERS, UNDECIDED, Segmentation, table_of
from persona.analyze.tastes import VALUES, Floats, Tastes, features, mean_shares, read_tastes, shares
from persona.errors import BadInput
from persona.store.popularity import SEGMENT

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

MOST = 12  # segments that automatic k tries
_TRIED_ON, _COMPARED = 20_000, 3_000  # users that it clusters, and of these those whose silhouettes it takes
_BATCH = 8192
_NEAR = 0.5  # of the least distance between earlier segments: as near as this, a segment is the same as one of them
Ints = NDArray[np.intp]


def segment(
    store: AnalystStore,
    k: int | Literal["auto"] = "auto",
    rule: str | None = None,
    seed: int = 0,
    like: Segmentation | None = None,
) -> Segmentation:
    """Divide everybody whom analysts see by taste, into k segments or, by `rule`, into those of it and others.

    Users are points in the shares of what they like (`persona.analyze.tastes.features`); mini-batch k-means (Sculley
    2010) sets the segments. auto: of 2 to MOST the k with the highest mean silhouette (Rousseeuw 1987) on a sample.
    like: an earlier segmentation; a segment that is the same as one of it, by the best assignment of all, keeps its
    name. The same users and seed give the same segments.

    Raises BadInput for a rule that nobody meets, a k that cannot be, and where too few are decided.
    """
    if rule is not None:
        if k != "auto":
            raise BadInput("k", "goes without a rule; give one of the two")
        return _by_rule(store, rule, seed)
    tastes = read_tastes(store)
    decided = np.flatnonzero(tastes.decided)
    _check_k(k, len(decided))
    told = shares(tastes.weights[decided])
    everybody = mean_shares(told)
    points = features(tastes.weights[decided], everybody)
    silhouette = _silhouettes(points, seed) if k == "auto" else {}
    chosen = max(silhouette, key=lambda one: silhouette[one]) if k == "auto" else k
    labels = _by_size(_clusters(points, chosen, seed))
    centroids = np.stack([mean_shares(told[labels == one]) for one in range(labels.max() + 1)])
    names = _names(centroids, everybody, like)
    whole = np.full(len(tastes.users), len(names))
    whole[decided] = labels
    return _made(tastes, whole, (*names, UNDECIDED), centroids, everybody, silhouette=silhouette, seed=seed)


def _check_k(k: int | str, decided: int) -> None:
    if decided < SEGMENT:
        why = f"there are {decided}: run `persona analyze refresh`, or wait for more events"
        raise BadInput("users", f"segments need {SEGMENT} users or more who liked something, and {why}")
    if isinstance(k, str) and k != "auto":
        raise BadInput("k", f"{k!r}: write auto, or a number of segments")
    if not isinstance(k, str) and not 1 <= k <= min(64, decided // 2):
        raise BadInput("k", f"{k}: choose from 1 to {min(64, decided // 2)}, or auto")


def _clusters(points: Floats, k: int, seed: int) -> Ints:
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(k, random_state=seed, batch_size=_BATCH, n_init=5, reassignment_ratio=0)
    return np.asarray(means.fit(points).predict(points))


def _silhouettes(points: Floats, seed: int) -> dict[int, float]:
    """The mean silhouette of a sample of users, by number of segments."""
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng([seed, 37])
    sample = points[np.sort(rng.permutation(len(points))[:_TRIED_ON])]
    compared = np.sort(rng.permutation(len(sample))[:_COMPARED])
    found = {}
    for k in range(2, min(MOST, len(sample) // SEGMENT) + 1):
        labels = _clusters(sample, k, seed)[compared]
        found[k] = float(silhouette_score(sample[compared], labels)) if len(set(labels.tolist())) > 1 else -1.0
    return found or {1: 0.0}


def _by_size(labels: Ints) -> Ints:
    """The same clusters numbered by size, largest first, without empty ones."""
    found, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    place = np.empty(len(found), np.intp)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(found))
    return np.asarray(place[numbers])


def _names(
    centroids: NDArray[np.float64], everybody: NDArray[np.float64], like: Segmentation | None
) -> tuple[str, ...]:
    kept = _the_same(centroids, like) if like is not None and len(like.names) else {}
    fresh = names_of(centroids, everybody)
    names: list[str] = []
    for one, name in enumerate(fresh):
        others = {*kept.values(), *names}
        names.append(kept[one] if one in kept else _unlike(name, others))
    return tuple(names)


def _unlike(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken."""
    tries = (name, *(f"{name} {number}" for number in range(2, len(taken) + 3)))
    return next(one for one in tries if one not in taken)


def _the_same(centroids: NDArray[np.float64], like: Segmentation) -> dict[int, str]:
    """Names of earlier segments that are still there, by number: the assignment of least distance (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist, pdist

    before = np.sqrt(like.centroids.to_numpy())
    distances = cdist(np.sqrt(centroids), before)
    apart = pdist(before).min() if len(before) > 1 else np.inf
    pairs = zip(*linear_sum_assignment(distances), strict=True)
    return {int(one): like.names[other] for one, other in pairs if distances[one, other] <= _NEAR * apart}


def _by_rule(store: AnalystStore, rule: str, seed: int) -> Segmentation:
    conditions = parse_rule(rule)
    tastes = read_tastes(store, [condition.column for condition in conditions])
    chosen, told = who(tastes.users, conditions), shares(tastes.weights)
    name, decided = ",".join(map(str, conditions)), tastes.decided
    centroid = mean_shares(told[chosen & decided])[None]
    everybody = mean_shares(told[decided])
    return _made(tastes, np.where(chosen, 0, 1), (name, OTHERS), centroid, everybody, seed=seed, rule=name)


def _made(
    tastes: Tastes, numbers: Ints, words: tuple[str, ...], centroids: NDArray[np.float64],
    everybody: NDArray[np.float64], *, silhouette: dict[int, float] | None = None, seed: int, rule: str | None = None,
) -> Segmentation:  # fmt: skip
    segments = pd.Categorical.from_codes(numbers, dtype=pd.CategoricalDtype(list(words)))
    frame = pd.DataFrame({"user_id": tastes.users["user_id"], "segment": segments})
    table = table_of(words[:-1], centroids)
    return Segmentation(frame, words[:-1], table, pd.Series(everybody, VALUES), silhouette or {}, seed, rule)
