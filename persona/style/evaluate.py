"""What `persona evaluate style` says: is the style there, is the content still there, do the controls do what they say?

Every distance of styles is that of the result to the style over that of the untransferred garment to it, in the eyes of
`StyleJudge`: 1 is nothing done. Beside each figure stand colour transfer (Reinhard et al. 2001), the optimisation mode,
and what chance or the style itself would give.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from persona.catalog.pictures import Bytes
from persona.style.colour_transfer import colour_transfer
from persona.style.content import changed_elsewhere, colour_change, edge_cosine, light_change, structural
from persona.style.controls import WHOLE, Controls
from persona.style.features import FeatureNet
from persona.style.judge import Style, StyleJudge, by_level, content_distance, feature_distance, style_distance
from persona.style.model import StyleModel
from persona.style.optimise import STEPS, optimise
from persona.style.pairs import Pair, halves, recut
from persona.style.picture import check

LEVELS = ("conv1", "fire3", "fire5", "fire9")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
CONTROLLED = 12  # pairs that controls are tried on
GRID = (6, 6)  # contents and styles, each with each
RESAMPLES = 1000
_RATIO = "style_distance"


@dataclass(frozen=True)
class Transfer:
    """One pair, and what became of it. optimised: None where that was not tried."""

    pair: Pair
    made: Bytes
    recoloured: Bytes
    optimised: Bytes | None


@dataclass(frozen=True)
class Evaluation:
    """figures: by the keys of `persona evaluate style`. transfers: of every pair, for the eye."""

    figures: dict[str, Any]
    transfers: list[Transfer]


def evaluate(
    model: StyleModel,
    judge: StyleJudge,
    features: FeatureNet,
    pairs: Sequence[Pair],
    *,
    optimised: int = 16,
    steps: int = STEPS,
    seed: int = 0,
) -> Evaluation:
    """Judge a model by pairs that were held out. optimised: on so many of them the optimisation mode is tried, with so
    many steps in these features; some 20 seconds each.

    Paintings are few, and trained on: they have figures by kind alone, and count in no other.
    """
    transfers, seconds = _transfers(model, features, pairs, optimised, steps, seed)
    judged = [_judged(judge, t, pairs[(k + 1) % len(pairs)]) for k, t in enumerate(_shown(transfers, "judging"))]
    rows, styles = [row for row, _ in judged], [own for _, own in judged]
    held = [row for row, pair in zip(rows, pairs) if pair.kind != "painting"]
    kinds = {pair.kind for pair in pairs}
    figures = _summary(held, seed) | seconds
    figures["by_kind"] = {
        kind: {"pairs": len(own), **{key: _median(own, key) for key in _BY_KIND}}
        for kind in sorted(kinds)
        if (own := [row for row, pair in zip(rows, pairs) if pair.kind == kind])
    }
    tried = pairs[:CONTROLLED]
    figures |= _strength(model, judge, tried) | _keeping(model, tried)
    figures |= _together(model, judge, pairs) | _recognised(styles)
    figures["alpha_changed"] = sum(_changed(t) for t in transfers) + sum(_outside(model, pair) for pair in tried)
    return Evaluation(figures | {"pairs": len(held), "optimised_pairs": min(optimised, len(pairs))}, transfers)


def _transfers(
    model: StyleModel, features: FeatureNet, pairs: Sequence[Pair], optimised: int, steps: int, seed: int
) -> tuple[list[Transfer], dict[str, float]]:
    found, times, slow = [], [], []
    for number, pair in enumerate(_shown(pairs, "transfer")):
        began = time.perf_counter()
        made = model.apply(pair.content, model.read(pair.style))
        times.append(time.perf_counter() - began)
        reference = None
        if number < optimised:
            began = time.perf_counter()
            reference = optimise(pair.content, pair.style, features, steps=steps, seed=seed)
            slow.append(time.perf_counter() - began)
        found.append(Transfer(pair, made, colour_transfer(pair.content, pair.style), reference))
    return found, {"seconds": float(np.median(times))} | ({"seconds_optimised": float(np.median(slow))} if slow else {})


def _judged(judge: StyleJudge, transfer: Transfer, other: Pair) -> tuple[dict[str, float], dict[str, Style]]:
    """All figures of one pair, and its styles. other: another pair, for what chance would give."""
    content, style = transfer.pair.content, transfer.pair.style
    region = check(content, None, "picture")
    chance = recut(content, other.content)
    pictures = {"": transfer.made, "_colour_transfer": transfer.recoloured, "_chance": chance}
    if transfer.optimised is not None:
        pictures["_optimised"] = transfer.optimised
    source, seen = judge.look(content), {name: judge.look(picture) for name, picture in pictures.items()}
    left, right = halves(style)
    styles = {
        "goal": judge.style(style), "left": judge.style(style, left), "right": judge.style(style, right),
        "source": source.style, "made": seen[""].style, "recoloured": seen["_colour_transfer"].style,
    }  # fmt: skip
    row = _style_figures(styles, judge.style(other.style))
    if transfer.optimised is not None:
        row[f"{_RATIO}_optimised"] = _ratio(seen["_optimised"].style, styles["goal"], source.style)
        row["style_over_optimised"] = row[_RATIO] / row[f"{_RATIO}_optimised"]
    row |= {f"edge_cosine{name}": edge_cosine(content, picture, region) for name, picture in pictures.items()}
    row |= {f"ssim_structure{name}": structural(content, picture, region) for name, picture in pictures.items()}
    row |= {f"content_distance{name}": content_distance(source, each) for name, each in seen.items()}
    row |= {f"feature_distance{name}": feature_distance(source, each) for name, each in seen.items()}
    return row, styles


def _style_figures(styles: Mapping[str, Style], other: Style) -> dict[str, float]:
    """Ratios to the untransferred pair's distance; other: another pair's style, that the result should be far from."""
    source, goal, made = styles["source"], styles["goal"], styles["made"]
    levels = zip(LEVELS, by_level(made, goal), by_level(source, goal))
    return {
        _RATIO: _ratio(made, goal, source),
        f"{_RATIO}_colour_transfer": _ratio(styles["recoloured"], goal, source),
        f"{_RATIO}_floor": style_distance(styles["left"], styles["right"]) / style_distance(source, goal),
        f"{_RATIO}_wrong": _ratio(made, other, source),
        **{f"{_RATIO}_{name}": after / before for name, after, before in levels},
    }


def _ratio(result: Style, goal: Style, source: Style) -> float:
    return style_distance(result, goal) / style_distance(source, goal)


_BY_KIND = (_RATIO, f"{_RATIO}_colour_transfer", f"{_RATIO}_optimised", f"{_RATIO}_floor", "edge_cosine")
_WITH_INTERVAL = (_RATIO, "style_over_optimised", "edge_cosine")


def _summary(rows: Sequence[Mapping[str, float]], seed: int) -> dict[str, Any]:
    """The median pair's figures, with 95 % intervals (bootstrap over pairs) and the mean of those that have a goal."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    figures: dict[str, Any] = {key: _median(rows, key) for key in keys}
    for key in _WITH_INTERVAL:
        if key in figures:
            values = _values(rows, key)
            picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
            figures[f"{key}_interval"] = np.quantile(np.median(values[picks], 1), [0.025, 0.975]).tolist()
            figures[f"{key}_mean"] = float(values.mean())
    figures["colour_transfer_control"] = figures.pop(f"{_RATIO}_colour_transfer")
    return figures


def _values(rows: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    found = np.array([row[key] for row in rows if key in row])
    return found[np.isfinite(found)]


def _median(rows: Sequence[Mapping[str, float]], key: str) -> float | None:
    values = _values(rows, key)
    return float(np.median(values)) if len(values) else None


def _strength(model: StyleModel, judge: StyleJudge, pairs: Sequence[Pair]) -> dict[str, Any]:
    """strength_monotone: share of pairs that change more with each step of strength, and change nothing at 0.
    strength_nearer: share of the steps that bring the style nearer. style_distance_by_strength: median ratios."""
    grows: list[bool] = []
    nearer: list[bool] = []
    ratios = []
    for pair in _shown(pairs, "strength"):
        vector = model.read(pair.style)
        made = [model.apply(pair.content, vector, Controls(strength=strength)) for strength in STRENGTHS]
        change = [np.abs(picture.astype(float) - pair.content).mean() for picture in made]
        goal = judge.style(pair.style)
        distance = np.array([style_distance(judge.style(picture), goal) for picture in made])
        grows.append(change[0] == 0 and bool((np.diff(change) > 0).all()))
        nearer.extend((np.diff(distance) < 0).tolist())
        ratios.append(distance / distance[0])
    return {
        "strength_monotone": float(np.mean(grows)),
        "strength_nearer": float(np.mean(nearer)),
        "style_distance_by_strength": dict(zip(map(str, STRENGTHS), np.median(ratios, 0).tolist())),
    }


def _keeping(model: StyleModel, pairs: Sequence[Pair]) -> dict[str, float]:
    """How far colours move (median CIEDE2000 without lightness) where they are to be kept, and light and dark (L*)
    where those are; beside each, how far they move when nothing is to be kept."""
    wanted = {"": WHOLE, "colour": Controls(keep_colour=True), "luminance": Controls(keep_luminance=True)}
    moved: dict[str, list[float]] = {key: [] for key in ("colour_kept", "colour_free", "light_kept", "light_free")}
    for pair in pairs:
        region, vector = check(pair.content, None, "picture"), model.read(pair.style)
        made = {name: model.apply(pair.content, vector, controls) for name, controls in wanted.items()}
        moved["colour_kept"].append(colour_change(pair.content, made["colour"], region))
        moved["colour_free"].append(colour_change(pair.content, made[""], region))
        moved["light_kept"].append(light_change(pair.content, made["luminance"], region))
        moved["light_free"].append(light_change(pair.content, made[""], region))
    units = {"colour": "de00", "light": "l"}
    return {f"{key}_{units[key.split('_')[0]]}": float(np.median(values)) for key, values in moved.items()}


def _together(model: StyleModel, judge: StyleJudge, pairs: Sequence[Pair]) -> dict[str, float]:
    """Contents each with each style. spread_over_styles: how far apart one content's results lie, over how far the
    styles do: 0 where all styles look the same. series_spread: how far apart the results of one style lie, over how far
    the contents do: 0 where a series is all alike, 1 where it is no more so than it was. With colour transfer's."""
    contents = [pair.content for pair in pairs[: GRID[0]]]
    styles = [pair.style for pair in pairs[: GRID[1]]]
    vectors = [model.read(style) for style in styles]
    own, goals = [judge.style(content) for content in contents], [judge.style(style) for style in styles]
    made = [[judge.style(model.apply(content, vector)) for vector in vectors] for content in contents]
    plain = [[judge.style(colour_transfer(content, style)) for style in styles] for content in contents]
    figures = {}
    for name, results in {"": made, "_colour_transfer": plain}.items():
        figures[f"spread_over_styles{name}"] = float(np.mean([_spread(row) for row in results])) / _spread(goals)
        figures[f"series_spread{name}"] = float(np.mean([_spread(row) for row in zip(*results)])) / _spread(own)
    return figures


def _spread(styles: Sequence[Style]) -> float:
    """Mean distance of two of them."""
    return float(np.mean([style_distance(a, b) for k, a in enumerate(styles) for b in styles[:k]]))


def _recognised(styles: Sequence[Mapping[str, Style]]) -> dict[str, float]:
    """How often the style that a result is nearest to is its own, of all pairs' styles. Ceiling: with the left half of
    the style in the result's place, and the right halves to be told from each other."""

    def top1(name: str, goal: str) -> float:
        nearest = [int(np.argmin([style_distance(one[name], other[goal]) for other in styles])) for one in styles]
        return float(np.mean([near == own for own, near in enumerate(nearest)]))

    return {
        "recognised": top1("made", "goal"),
        "recognised_colour_transfer": top1("recoloured", "goal"),
        "recognised_untransferred": top1("source", "goal"),
        "recognised_ceiling": top1("left", "right"),
        "recognised_chance": 1 / len(styles),
    }


def _changed(transfer: Transfer) -> int:
    content = transfer.pair.content
    return changed_elsewhere(content, transfer.made, check(content, None, "picture"))


def _outside(model: StyleModel, pair: Pair) -> int:
    """Pixels that change outside a region given: the left half."""
    half, _ = halves(pair.content)
    return changed_elsewhere(pair.content, model.apply(pair.content, model.read(pair.style), region=half), half)


def _shown(things: Sequence[Any], what: str) -> Any:
    return tqdm(things, desc=what, unit="pair", leave=False)
