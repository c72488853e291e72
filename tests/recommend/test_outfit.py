"""Outfits from candidates, and their flat-lay."""

from __future__ import annotations

import numpy as np
import pytest

from persona.recommend.flatlay import HEIGHT, PAPER, WIDTH, flat_lay, layout
from persona.recommend.outfit import SHAPES, SLOT_OF, Candidate, choose, shapes
from persona.recommend.types import Slot
from persona.store.records import CATEGORIES

from .drawn import COLOURS, draw

RED, GREEN, GREY = (50.0, 60.0, 30.0), (50.0, -50.0, 30.0), (50.0, 0.0, 0.0)
ZERO = np.zeros(64, np.float32)


def candidate(slot: Slot, name: str, fit: float, lab: tuple[float, float, float] | None = GREY) -> Candidate:
    return Candidate(slot, "top", "0" * 64, fit, fit, lab, None, False, ZERO, ZERO, item_id=name)


def test_every_category_but_hats_is_worn_somewhere() -> None:
    assert set(CATEGORIES) - SLOT_OF.keys() == {"hat"}


def test_the_fitting_wins_where_colours_agree_either_way() -> None:
    pieces: dict[Slot, list[Candidate]] = {
        "dress": [candidate("dress", "a", 1), candidate("dress", "b", 2)],
        "shoes": [candidate("shoes", "c", 0)],
    }
    choice = choose(pieces, SHAPES)
    assert choice is not None
    assert [piece.item_id for piece in choice.pieces] == ["b", "c"]
    assert choice.rule == "neutrals"


def test_harmony_outweighs_a_little_fit() -> None:
    tops = [candidate("top", "green", 1.1, GREEN), candidate("top", "grey", 1.0)]
    rest: dict[Slot, list[Candidate]] = {
        "bottom": [candidate("bottom", "red", 1, RED)],
        "shoes": [candidate("shoes", "shoes", 1, None)],
    }
    choice = choose({"top": tops, **rest}, SHAPES)
    assert choice is not None
    assert [piece.item_id for piece in choice.pieces] == ["grey", "red", "shoes"]
    assert choice.rule == "neutral with one accent"


def test_without_shoes_there_is_no_outfit() -> None:
    assert choose({"dress": [candidate("dress", "a", 1)]}, SHAPES) is None
    assert choose({}, SHAPES) is None


def test_cold_seasons_ask_for_an_outer_layer() -> None:
    assert all("outer" in shape for shape in shapes("winter"))
    assert not any("outer" in shape for shape in shapes("summer"))
    assert shapes(None) == list(SHAPES)


def test_an_outfit_around_a_piece_has_its_slot() -> None:
    assert shapes(None, "dress") == [("dress", "shoes")]
    assert all("outer" in shape for shape in shapes("summer", "outer"))
    assert len(shapes(None, "shoes")) == 2


@pytest.mark.parametrize("slots", [shape + extra for shape in SHAPES for extra in ((), ("outer",))])
def test_a_flat_lay_shows_every_piece_whole_on_paper(slots: tuple[Slot, ...]) -> None:
    looks = {"top": ("t-shirt", "red"), "bottom": ("pants", "blue"), "shoes": ("shoes", "green"),
             "dress": ("dress", "yellow"), "outer": ("outwear", "black")}  # fmt: skip
    picture = flat_lay({slot: draw(looks[slot][0], COLOURS[looks[slot][1]]) for slot in slots})
    assert picture.shape == (HEIGHT, WIDTH, 4)
    assert (picture[..., 3] == 255).all()
    assert (np.abs(picture[[0, 0, -1, -1], [0, -1, 0, -1], :3].astype(int) - PAPER) <= 2).all()
    for slot in slots:
        colour = np.array(COLOURS[looks[slot][1]])
        seen = (np.abs(picture[..., :3].astype(int) - colour).max(-1) < 12).mean()
        assert seen > 0.02, slot


def test_small_pictures_are_laid_out_as_large_as_large_ones() -> None:
    large = {"dress": draw("dress", COLOURS["red"]), "shoes": draw("shoes", COLOURS["green"])}
    small = {slot: np.ascontiguousarray(rgba[::2, ::2]) for slot, rgba in large.items()}
    difference = np.abs(flat_lay(large).astype(int) - flat_lay(small)).max(-1)
    assert (difference > 60).mean() < 0.02


def test_a_picture_with_nothing_on_it_lays_nothing() -> None:
    nothing = np.zeros((64, 64, 4), np.uint8)
    assert (flat_lay({"dress": nothing, "shoes": nothing})[..., :3] == PAPER).all()


def test_a_dress_is_not_worn_with_trousers() -> None:
    with pytest.raises(ValueError, match="cannot be worn together"):
        layout(frozenset({"dress", "bottom"}))
