"""What all pictures for analysts share: colours that colour-blind people tell apart, and figures as files.

Figures are matplotlib's, drawn by Agg without its global state, so that threads may draw at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from persona.recommend.provenance import Label, encode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Paul Tol's "muted" scheme (SRON technical note 18-002), for the colour-blind; a shape beside each colour
COLOURS = (
    "#332288", "#117733", "#CC6677", "#88CCEE", "#999933", "#AA4499", "#44AA99", "#882255", "#DDCC77", "#661100",
    "#6699CC", "#000000",
)  # fmt: skip
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
INK, SOFT, PALE = "#1d1b18", "#655f55", "#d8d3ca"
DPI = 110
MADE = Label("compositeWithTrainedAlgorithmicMedia", "Chart with pictures made with AI by persona")
DRAWN = Label("algorithmicallyEnhanced", "Chart by persona")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """A figure as it looks, uint8 (h, w, 3)."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def as_file(figure: Figure, *, generated: bool) -> bytes:
    """A figure as a WebP file; generated: a picture that a model made is on it, which the file then says."""
    return encode(pixels(figure), "webp", MADE if generated else DRAWN)


def bare(axes: Axes, *, title: str = "") -> None:
    """Take frame and ticks away."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, fontsize=9, color=SOFT)


def show(axes: Axes, picture: NDArray[np.uint8] | None, caption: str = "") -> None:
    """A garment, premultiplied uint8 (h, w, 4), on white; nothing where there is none."""
    from persona.catalog.pictures import on_white

    bare(axes)
    if picture is not None:
        axes.imshow(on_white(picture))
    if caption:
        axes.set_xlabel(caption, fontsize=8, color=SOFT)


def percent(share: float) -> str:
    """A share for people."""
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"


def listed(words: Sequence[str]) -> str:
    """Words as a sentence has them."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
