"""Cards of segments: what its users like more than everybody, the colours and things, and a garment made for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from persona.analyze.drawing import COLOURS, INK, SOFT, bare, listed, new_figure, percent, show
from persona.analyze.profiles import SegmentProfile
from persona.catalog.colour import lab_to_srgb

BARS, THINGS = 6, 5

Picture = NDArray[np.uint8]


def draw_card(profile: SegmentProfile, things: Sequence[Picture], archetype: Picture | None, number: int = 0) -> Figure:
    """A card as a figure. things: pictures of what they like; archetype: the generated garment, premultiplied uint8
    (h, w, 4); number: of the segment, for its colour."""
    figure = new_figure(7.5, 4.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.9), squeeze=False)[0]
    figure.suptitle(profile.name, fontsize=14, color=INK, x=0.02, ha="left")
    show(left.subplots(), archetype, "generated" if archetype is not None else "no picture could be generated")
    top, middle, bottom = right.subfigures(3, 1, height_ratios=(2.2, 0.45, 1), squeeze=False)[:, 0]
    _bars(top, profile, COLOURS[number % len(COLOURS)])
    _strip(middle, profile.colours)
    for axes, picture in zip(bottom.subplots(1, THINGS), [*things, *[None] * THINGS], strict=False):
        show(axes, picture)
    return figure


def standing_out(profile: SegmentProfile, count: int = BARS) -> pd.DataFrame:
    """The tastes that a segment has surely more of than everybody, most first."""
    more = profile.tastes[profile.tastes["low"] > 0]
    return more.sort_values("difference", ascending=False, kind="stable").head(count)


def _bars(part: SubFigure, profile: SegmentProfile, colour: str) -> None:
    tastes = standing_out(profile)[::-1]
    axes = part.subplots()
    places = np.arange(len(tastes))
    error = np.array([tastes["difference"] - tastes["low"], tastes["high"] - tastes["difference"]])
    axes.barh(places, tastes["share"], color=colour, xerr=error, ecolor=INK, height=0.6)
    axes.plot(tastes["everybody"], places, "|", color=INK, markersize=14, markeredgewidth=2)
    axes.set_yticks(places, tastes["value"].tolist(), fontsize=9)
    axes.tick_params(length=0, colors=INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("share of what they like in the facet; |: everybody's", fontsize=8, color=SOFT)


def _strip(part: SubFigure, colours: pd.DataFrame) -> None:
    axes = part.subplots()
    draw_strip(axes, colours)
    bare(axes)


def draw_strip(axes: Axes, colours: pd.DataFrame, place: float = 0) -> None:
    """Colours side by side, each as wide as its share."""
    at = 0.0
    labs = colours[["lab_l", "lab_a", "lab_b"]].to_numpy(float)
    for share, rgb in zip(colours["share"].tolist(), (lab_to_srgb(labs) / 255).tolist(), strict=True):
        axes.barh(place, share, left=at, color=[tuple(rgb)], height=0.8, edgecolor="#00000033")
        at += share


def card_alt(profile: SegmentProfile, archetype: str | None) -> str:
    """What is on a card, for who cannot see it. archetype: what was generated, such as "dress"."""
    more = [
        f"{row.value} ({percent(row.share)}, everybody {percent(row.everybody)})"  # type: ignore[arg-type]
        for row in standing_out(profile, 4).itertuples()
    ]
    said = f"More than everybody they like {listed(more)}." if more else "They like what everybody likes."
    made = f" Beside it a generated picture: {archetype}." if archetype else ""
    return f"Segment {profile.name}, {percent(profile.size / profile.everybody)} of the users. {said}{made}"
