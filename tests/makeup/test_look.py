import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from persona.makeup.look import PLACEMENTS, REGIONS, Look, Product, lab_of_hex

RED = {"region": "lips", "lab": "#b0102a", "opacity": 0.8}


def test_a_colour_may_be_written_as_hex_or_cielab():
    product = Product(**RED)
    assert product.hex == "#b0102a"
    assert Product(region="lips", lab=product.lab, opacity=0.8) == product
    assert product.lab == pytest.approx((37.4, 59.5, 31.0), abs=0.1)


@given(st.integers(0, 0xFFFFFF))
def test_hex_survives_cielab(value: int):
    text = f"#{value:06x}"
    assert Product(region="lids", lab=lab_of_hex(text), opacity=1).hex == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lab": "crimson"}, "no colour: write #rrggbb"),
        ({"lab": [140, 0, 0]}, "less than or equal to 100"),
        ({"lab": [50, 0, float("nan")]}, "finite"),
        ({"opacity": 1.5}, "less than or equal to 1"),
        ({"region": "nose"}, "Input should be 'skin'"),
        ({"finish": "wet"}, "'gloss'"),
        ({"placement": "wing"}, "choose from full, blurred"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_wrong_product_is_refused_by_name(change: dict, said: str):
    with pytest.raises(ValidationError, match=said):
        Look(products=[{**RED, **change}])


def test_a_region_takes_one_product():
    with pytest.raises(ValidationError, match="lips stands twice"):
        Look(products=[RED, RED])


@pytest.mark.parametrize("region", REGIONS)
def test_the_usual_placement_is_filled_in(region: str):
    assert Product(region=region, lab=(50, 0, 0), opacity=1).placement == PLACEMENTS[region][0]


def test_a_look_is_edited_by_region_and_comes_back_from_json():
    look = Look(title="Red", products=[RED, {"region": "cheeks", "lab": "#c8505a", "opacity": 0.4}])
    darker = look.with_product(Product(region="lips", lab="#5c1030", opacity=0.9))
    assert [p.region for p in darker.products] == ["cheeks", "lips"]
    assert darker.on("lips").hex == "#5c1030"
    assert look.on("lips").hex == "#b0102a"
    assert look.only({"cheeks"}).products == (look.on("cheeks"),)
    assert look.on("brows") is None
    assert Look.model_validate_json(look.model_dump_json()) == look
