"""Landmarks of each half of the face, by what lies there: what the masks are drawn along."""

from __future__ import annotations

from dataclasses import dataclass

from persona.makeup.face import LEFT_BROW, LEFT_CHEEK, RIGHT_BROW, RIGHT_CHEEK


@dataclass(frozen=True)
class Side:
    """Landmarks of one half of the face, from the outer end inward. The lines above the eye rise from lash to brow."""

    above: tuple[int, ...]
    below: tuple[int, ...]
    crease: tuple[int, ...]
    fold: tuple[int, ...]
    under: tuple[int, ...]
    brow: tuple[tuple[int, ...], tuple[int, ...]]
    cheek: tuple[int, int]
    bone: tuple[int, ...]  # the cheekbone under the eye's outer half
    temple: int
    ear: int
    jaw: tuple[int, ...]  # from ear to chin
    corner: int  # of the mouth
    nostril: tuple[int, ...]


_RIGHT = Side(
    above=(33, 246, 161, 160, 159, 158, 157, 173, 133), below=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    crease=(130, 247, 30, 29, 27, 28, 56, 190, 243), fold=(226, 113, 225, 224, 223, 222, 221, 189, 244),
    under=(130, 25, 110, 24, 23, 22, 26, 112, 243), brow=RIGHT_BROW, cheek=RIGHT_CHEEK, bone=(116, 117, 118),
    temple=127, ear=93, jaw=(58, 172, 136, 150, 149, 176, 148, 152), corner=61, nostril=(98, 97, 2),
)  # fmt: skip
_LEFT = Side(
    above=(263, 466, 388, 387, 386, 385, 384, 398, 362), below=(263, 249, 390, 373, 374, 380, 381, 382, 362),
    crease=(359, 467, 260, 259, 257, 258, 286, 414, 463), fold=(446, 342, 445, 444, 443, 442, 441, 413, 464),
    under=(359, 255, 339, 254, 253, 252, 256, 341, 463), brow=LEFT_BROW, cheek=LEFT_CHEEK, bone=(345, 346, 347),
    temple=356, ear=323, jaw=(288, 397, 365, 379, 378, 400, 377, 152), corner=291, nostril=(327, 326, 2),
)  # fmt: skip
SIDES: tuple[Side, Side] = (_RIGHT, _LEFT)
