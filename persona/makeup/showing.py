"""Looks on the face chart."""

from __future__ import annotations

from persona.makeup.analysis import Shape
from persona.makeup.chart import draw_chart
from persona.makeup.face import Bytes
from persona.makeup.look import Look
from persona.makeup.named import NamedLook
from persona.makeup.render import apply


def draw_look(look: Look | NamedLook, shape: Shape = "oval", monk: int = 5, side: int = 512) -> Bytes:
    """A look on the drawn face of a shape and Monk tone: uint8 (side, side, 3). A named look follows that skin.

    Raises BadInput as `draw_chart` does.
    """
    chart = draw_chart(shape, monk, side)
    return apply(chart.picture, chart.face, look.on(monk) if isinstance(look, NamedLook) else look)
