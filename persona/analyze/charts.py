"""Charts over months and cohorts: how tastes drift, and the colours that people like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from persona.analyze.cards import draw_strip
from persona.analyze.drawing import COLOURS, INK, SOFT, listed, new_figure, percent
from persona.analyze.likes import liked_colours, some
from persona.analyze.tastes import read_tastes
from persona.store.popularity import SEGMENT

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore


def draw_drift(drift: pd.DataFrame) -> Figure:
    """How alike tastes of one month and the next are. drift: rows of month_to, cosine, low, high and control."""
    figure = new_figure(8, 3.6)
    axes = figure.subplots()
    months = pd.to_datetime(drift["month_to"]).dt.strftime("%b %Y").tolist()
    places = np.arange(len(drift))
    error = np.array([drift["cosine"] - drift["low"], drift["high"] - drift["cosine"]]).clip(0)
    axes.errorbar(places, drift["cosine"], error, fmt="-o", color=COLOURS[0], capsize=3, label="month against the last")
    axes.plot(places, drift["control"], "--s", color=COLOURS[2], label="control: chance alone")
    axes.set_xticks(places, months, rotation=45, ha="right", fontsize=9)
    axes.set_ylabel("cosine of mean tastes", color=SOFT)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def drift_alt(drift: pd.DataFrame) -> str:
    """What that chart shows."""
    least = drift.iloc[int(drift["cosine"].to_numpy(float).argmin())]
    month, chance = pd.Timestamp(least["month_to"]).strftime("%B %Y"), float(least["control"])
    return (
        f"Line chart of how alike mean tastes of consecutive months are, {len(drift)} pairs. "
        f"They differ most in {month}: cosine {float(least['cosine']):.3f}, where chance alone gives {chance:.3f}."
    )


def palettes(store: AnalystStore, by: str = "age_band", seed: int = 0) -> dict[str, pd.DataFrame]:
    """The colours that each cohort of a trait likes, see `liked_colours`, of cohorts of SEGMENT users or more."""
    users = read_tastes(store, [by]).users
    cohorts = users["user_id"].groupby(users[by].astype("str")).apply(list)
    large = {str(name): some(ids, seed) for name, ids in cohorts.sort_index().items() if len(ids) >= SEGMENT}
    found = {name: liked_colours(store, ids) for name, ids in large.items()}
    return {name: colours for name, colours in found.items() if len(colours)}


def draw_palettes(palettes: Mapping[str, pd.DataFrame]) -> Figure:
    """A strip of colours for each cohort."""
    figure = new_figure(8, 1 + 0.55 * len(palettes))
    axes = figure.subplots()
    for place, colours in enumerate(palettes.values()):
        draw_strip(axes, colours, place)
    axes.set_yticks(range(len(palettes)), list(palettes), fontsize=10)
    axes.invert_yaxis()
    axes.tick_params(length=0, colors=INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of what they liked, saved or bought; colours as measured", fontsize=9, color=SOFT)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def palettes_alt(palettes: Mapping[str, pd.DataFrame]) -> str:
    """What that chart shows."""
    said = [
        f"{name}: {listed([f'{row.colour} {percent(row.share)}' for row in colours.head(3).itertuples()])}"  # type: ignore[arg-type]
        for name, colours in palettes.items()
    ]
    return f"Strips of the colours that each cohort likes. Most of all, {'; '.join(said)}."
