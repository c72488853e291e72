"""A map of tastes: users as dots, near each other where their tastes are, coloured by segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from persona.analyze.drawing import COLOURS, INK, PALE, SHAPES, SOFT, new_figure
from persona.analyze.segmentation import Segmentation
from persona.analyze.tastes import Floats, features, mean_shares, read_tastes, shares
from persona.catalog.pictures import on_white, shrunk
from persona.errors import BadInput
from persona.store.popularity import SEGMENT

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

MOST = 1000  # users on the map, drawn at random: more hide each other
BETTER = 0.02  # by so much more must t-SNE be trusted, whose distances mean nothing, to be shown instead of PCA
_NEIGHBOURS = 10
_THUMBNAIL = 56  # pixels
Method = Literal["pca", "tsne"]


@dataclass(frozen=True)
class TasteMap:
    """n users laid out. points: float32 (n, 2); segments: of each; method: how; trusted: trustworthiness of each that
    was tried (Venna and Kaski 2001): near 1 where neighbours on the map are neighbours in taste, .5 by chance."""

    points: Floats
    segments: NDArray[np.str_]
    method: Method
    trusted: dict[str, float]


def lay_out(store: AnalystStore, segmentation: Segmentation, seed: int = 0, most: int = MOST) -> TasteMap:
    """Place users of segments that may be told of. Raises BadInput where there are none."""
    sizes = segmentation.sizes
    shown = {name for name in segmentation.names if sizes[name] >= SEGMENT}
    tastes = read_tastes(store)
    of_user = dict(zip(segmentation.frame["user_id"], segmentation.frame["segment"].astype(str), strict=True))
    segments = np.array([of_user.get(name, "") for name in tastes.users["user_id"]], dtype=str)
    rows = np.flatnonzero(tastes.decided & np.isin(segments, sorted(shown)))
    if len(rows) < SEGMENT:
        raise BadInput("segmentation", f"no segment has {SEGMENT} users who like something: nothing to draw")
    rng = np.random.default_rng([seed, 2])
    chosen = np.sort(rng.permutation(rows)[:most])
    everybody = mean_shares(shares(tastes.weights[rows]))
    points, method, trusted = _project(features(tastes.weights[chosen], everybody), seed)
    return TasteMap(points, segments[chosen], method, trusted)


def _project(points: Floats, seed: int) -> tuple[Floats, Method, dict[str, float]]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE, trustworthiness

    flat = PCA(2, random_state=seed).fit_transform(points)
    near = min(_NEIGHBOURS, len(points) // 2 - 1)
    trusted = {"pca": float(trustworthiness(points, flat, n_neighbors=near))}
    perplexity = min(30, (len(points) - 1) / 3)
    bent = TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(points)
    trusted["tsne"] = float(trustworthiness(points, bent, n_neighbors=near))
    if trusted["tsne"] > trusted["pca"] + BETTER:
        return bent.astype(np.float32), "tsne", trusted
    return flat.astype(np.float32), "pca", trusted


def draw_map(laid: TasteMap, names: tuple[str, ...], thumbnails: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """The map as a figure. names: of the segments, in the order of their colours; thumbnails: a garment of a segment,
    premultiplied uint8 (h, w, 4), by its name."""
    figure = new_figure(8.5, 6.5)
    axes = figure.subplots()
    for number, name in enumerate(names):
        own = laid.points[laid.segments == name]
        if not len(own):
            continue
        colour, shape = COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)]
        axes.scatter(own[:, 0], own[:, 1], s=16, c=colour, marker=shape, alpha=0.55, linewidths=0, label=name)
    for number, name in enumerate(names):  # above all dots
        own = laid.points[laid.segments == name]
        if name in thumbnails and len(own):
            image = OffsetImage(on_white(shrunk(thumbnails[name], _THUMBNAIL)), zoom=0.8)
            edge = {"edgecolor": COLOURS[number % len(COLOURS)], "linewidth": 2}
            axes.add_artist(AnnotationBbox(image, tuple(np.median(own, 0)), pad=0.15, bboxprops=edge))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9, labelcolor=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(PALE)
    words = {"pca": "PCA", "tsne": "t-SNE"}[laid.method]
    axes.set_xlabel(f"{len(laid.points):,} users; {words}, trusted {laid.trusted[laid.method]:.2f}", color=SOFT)
    return figure
