"""The named looks: thirty, full and varied, fit for every skin; none lightens it."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from persona.catalog.colour import delta_e_2000, srgb_to_lab
from persona.errors import NotFound
from persona.makeup.chart import draw_chart
from persona.makeup.face import LIPS_OUTER
from persona.makeup.look import FINISHES, PLACEMENTS, REGIONS, Lab, lab_of_hex
from persona.makeup.monk import MONK
from persona.makeup.named import NamedLook, Shade, named_look, named_looks
from persona.makeup.showing import draw_look
from persona.store.records import OCCASIONS, SEASONS, STYLES

from .measured import inside, median

TONES = range(1, 11)
LOOKS = named_looks()


def test_thirty_looks_of_every_kind() -> None:
    assert len(LOOKS) == 30
    assert len({look.id for look in LOOKS}) == len({look.title for look in LOOKS}) == 30
    assert all(look.id.startswith("look-") for look in LOOKS)
    assert {occasion for look in LOOKS for occasion in look.occasions} == set(OCCASIONS)
    assert {season for look in LOOKS for season in look.seasons} == set(SEASONS)
    assert {look.style for look in LOOKS} == set(STYLES)
    shades = [shade for look in LOOKS for shade in look.products]
    assert {shade.region for shade in shades} == set(REGIONS)
    assert {shade.finish for shade in shades} == set(FINISHES)
    used = {(shade.region, shade.placement or PLACEMENTS[shade.region][0]) for shade in shades}
    assert len(used) >= 18


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.id)
def test_a_look_suits_every_skin(look: NamedLook) -> None:
    for monk in TONES:
        made, skin = look.on(monk), lab_of_hex(MONK[monk - 1])
        assert [p.region for p in made.products] == [region for region in REGIONS if made.on(region)]
        foundation, contour, highlight = made.on("skin"), made.on("contour"), made.on("highlight")
        if foundation is not None:
            assert foundation.lab == pytest.approx(skin, abs=1e-3)  # evens without lightening
        if contour is not None:
            assert contour.lab[0] < skin[0]
        if highlight is not None:
            assert highlight.lab[0] > skin[0] - 8  # gold is a little darker than the palest skin


def test_no_two_looks_are_alike() -> None:
    def layers(look: NamedLook) -> np.ndarray:
        made = look.on(5)
        flat = np.zeros((len(REGIONS), 3))
        for product in made.products:
            flat[REGIONS.index(product.region)] = np.array(product.lab) * product.opacity
        return flat

    flat = [layers(look) for look in LOOKS]
    for one in range(len(flat)):
        for other in range(one):
            assert np.linalg.norm(flat[one] - flat[other], axis=1).max() > 8, (LOOKS[one].id, LOOKS[other].id)


def test_the_skin_that_was_measured_is_what_foundation_and_contour_follow() -> None:
    measured: Lab = (61.0, 14.0, 21.0)
    made = named_look("look-bridal-soft-glam").on(4, measured)
    foundation, contour = made.on("skin"), made.on("contour")
    assert foundation is not None
    assert contour is not None
    assert foundation.lab == measured
    assert contour.lab == pytest.approx((48.0, 17.0, 25.0))


def test_colours_between_two_depths_lie_between_them() -> None:
    shade = Shade(region="lips", by_depth=("#c58a7a", "#ad6a57", "#87473a"), opacity=1, finish="satin")
    lightness = [shade.on(monk, (50.0, 0.0, 0.0)).lab[0] for monk in TONES]
    assert lightness == sorted(lightness, reverse=True)
    assert shade.on(5, (50.0, 0.0, 0.0)).lab == pytest.approx(lab_of_hex("#ad6a57"), abs=1e-3)
    assert lightness[0] == lightness[1] > lightness[2]
    assert lightness[9] < lightness[8] < lightness[7]


@pytest.mark.parametrize("colour", [{}, {"hex": "#ffffff", "of_skin": (0, 0, 0)}, {"by_depth": ("#ffffff", "#000000")}])
def test_a_shade_says_its_colour_once(colour: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="by_depth"):
        Shade.model_validate({"region": "lips", "opacity": 1, "finish": "matte", **colour})


def test_an_unknown_look() -> None:
    with pytest.raises(NotFound, match=r"look-none.*'look-barely-there'"):
        named_look("look-none")


@pytest.mark.parametrize("monk", [2, 5, 9])
def test_red_lips_are_red_on_every_skin_and_the_rest_of_the_picture_stays(monk: int) -> None:
    look, chart = named_look("look-classic-red"), draw_chart("square", monk, 384)
    drawn = draw_look(look, "square", monk, 384)
    lips = np.median(srgb_to_lab(drawn[inside(chart, LIPS_OUTER)]), 0)
    wanted = look.on(monk).on("lips")
    assert wanted is not None
    assert delta_e_2000(lips, np.array(wanted.lab)) < 8
    assert delta_e_2000(median(chart, inside(chart, LIPS_OUTER)), np.array(wanted.lab)) > 15
    assert (drawn[:30] == chart.picture[:30]).all()
    assert (drawn[-30:] == chart.picture[-30:]).all()


def test_a_look_of_its_own_is_drawn_as_it_is() -> None:
    look = named_look("look-fuchsia-pop").on(2)
    assert (draw_look(look, "oval", 9, 128) != draw_look(named_look("look-fuchsia-pop"), "oval", 9, 128)).any()
    assert (draw_look(look.only({"lips"}), "oval", 9, 128) != draw_chart("oval", 9, 128).picture).any()


def test_placements_are_what_their_regions_have() -> None:
    for look in LOOKS:
        for shade in look.products:
            assert shade.placement is None or shade.placement in PLACEMENTS[shade.region]
    assert set(get_args(Shade.model_fields["region"].annotation)) == set(REGIONS)
