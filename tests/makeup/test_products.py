"""Product tables: every bad row is named, and what is near is near to an eye."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.catalog.colour import delta_e_2000
from persona.errors import BadInput
from persona.makeup.look import Product
from persona.makeup.monk import MONK, monk_lab
from persona.makeup.products import OTHER_FINISH, ProductTable, match, match_skin
from persona.makeup.wearer import Tone, wearer_of
from persona.store.reading import ImportReport

from .examples import face

HEADER = "id,name,brand,region,colour,finish,price,licence\n"


def table(*rows: str) -> ProductTable:
    return ProductTable.read((HEADER + "\n".join(rows)).encode())


LIPS = table(
    "a,Brick,Co,lips,#a0402c,matte,9.50,",
    'b,Brick gloss,Co,lipstick,"40.6,37.5,32.2",gloss,,',
    "c,Rose,Co,Lips,#c9707a,satin,12,CC0-1.0",
    "d,Navy,Co,lips,#101060,matte,1,",
    "e,Brick blush,Co,blush,#a0402c,matte,5,",
)
BRICK = Product(region="lips", lab="#a0402c", opacity=0.8, finish="matte")  # type: ignore[arg-type]


def test_a_full_row() -> None:
    rose = LIPS.products[2]
    assert (rose.id, rose.name, rose.brand, rose.region, rose.finish, rose.price) == (
        "c", "Rose", "Co", "lips", "satin", 12,
    )  # fmt: skip
    assert rose.lab == Product(region="lips", lab="#c9707a", opacity=1).lab  # type: ignore[arg-type]
    assert LIPS.products[1].price is None
    assert LIPS.products[4].region == "cheeks"


def test_the_nearest_come_first_with_words_for_how_near() -> None:
    found = match(BRICK, LIPS, 5)
    assert found is not None
    assert [m.product.id for m in found] == ["a", "b"]  # rose and navy are beyond far; a blush is no lipstick
    assert (found[0].distance, found[0].penalty, found[0].nearness) == (0, 0, "near")
    assert found[1].penalty == OTHER_FINISH
    assert match(BRICK, LIPS, 1) == found[:1]


def test_nothing_near_is_none() -> None:
    green = Product(region="lips", lab="#00ff00", opacity=1)  # type: ignore[arg-type]
    assert match(green, LIPS) is None
    assert match(BRICK.model_copy(update={"region": "liner"}), LIPS) is None
    with pytest.raises(BadInput, match="count: 0 is too few"):
        match(BRICK, LIPS, 0)


labs = st.tuples(st.floats(5, 95), st.floats(-60, 60), st.floats(-60, 60))


@given(wanted=labs, colours=st.lists(labs, min_size=1, max_size=12), count=st.integers(1, 4))
def test_matches_are_the_nearest(wanted: tuple, colours: list, count: int) -> None:  # type: ignore[type-arg]
    rows = table(*(f'p{i},P,,lids,"{c[0]},{c[1]},{c[2]}",satin,,' for i, c in enumerate(colours)))
    found = match(Product(region="lids", lab=wanted, opacity=1), rows, count)
    distances = sorted(float(delta_e_2000(wanted, product.lab)) for product in rows.products)
    near = [distance for distance in distances if distance < 14][:count]
    assert [m.distance for m in found or ()] == pytest.approx(near, abs=0.006)


SHADES = table(*(f"m{i},Tone {i},,foundation,{colour},satin,," for i, colour in enumerate(MONK, start=1)))


@pytest.mark.parametrize("monk", range(1, 11))
def test_foundation_is_the_own_tone_and_never_lighter(monk: int) -> None:
    skin = monk_lab(monk)
    found = match_skin(wearer_of(face(monk)).tones, "satin", SHADES, 3)
    assert found is not None
    assert found[0].product.id == f"m{monk}"
    assert found[0].tones == (monk,)
    assert all(m.product.lab[0] <= skin[0] + 1 for m in found)
    product = Product(region="skin", lab=skin, opacity=0.3)
    assert all(m.product.lab[0] <= skin[0] + 1 for m in match(product, SHADES, 3) or ())


def test_a_lighter_foundation_is_no_match_however_near() -> None:
    lighter = table('a,A,,skin,"52.5,10,20",satin,,', 'b,B,,skin,"47,10,20",satin,,')
    found = match_skin([Tone(6, "neutral", (50.0, 10.0, 20.0), 1.0)], "satin", lighter)
    assert found is not None
    assert [m.product.id for m in found] == ["b"]


def test_undertone_decides_between_equally_near_foundations() -> None:
    either = table('rosy,A,,skin,"60,12,16",satin,,', 'golden,B,,skin,"60,8.2,18.6",satin,,')
    for undertone, wanted in (("cool", "rosy"), ("warm", "golden")):
        tone = Tone(6, undertone, (60.0, 10.0, 17.5), 1.0)  # type: ignore[arg-type]
        found = match_skin([tone], "satin", either, 1)
        assert found is not None
        assert found[0].product.id == wanted


def test_an_uncertain_skin_gets_a_range_of_foundations() -> None:
    unsure = wearer_of(face(None, None, certain=False, monk_range=(4, 7)))
    found = match_skin(unsure.tones, "satin", SHADES)
    assert found is not None
    assert [(m.product.id, m.tones) for m in found] == [("m4", (4,)), ("m5", (5,)), ("m6", (6,)), ("m7", (7,))]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("a,A,,nose,#ffffff,,,", "products.csv:2: region: 'nose' is unknown: write skin"),
        ("a,A,,,#ffffff,,,", "products.csv:2: region: is missing: write skin"),
        ("a,A,,lips,,,,", "products.csv:2: colour: is missing: write #rrggbb, or CIELAB"),
        ("a,A,,lips,red,,,", "products.csv:2: colour: 'red' is no colour: write #rrggbb"),
        ('a,A,,lips,"40,52",,,', "products.csv:2: lab.2: is missing"),
        ('a,A,,lips,"400,52,1",,,', "products.csv:2: lab.0"),
        ('a,A,,lips,"nan,52,1",,,', "products.csv:2: lab.0"),
        ("a,A,,lips,#ffffff,sparkly,,", "products.csv:2: finish: 'sparkly' is unknown: write matte"),
        ("a,A,,lips,#ffffff,,cheap,", "products.csv:2: price"),
        ("a,A,,lips,#ffffff,,-1,", "products.csv:2: price"),
        (",A,,lips,#ffffff,,,", "products.csv:2: id: is missing"),
        ("a,,,lips,#ffffff,,,", "products.csv:2: name: is missing"),
        ("a,A,,lips,#ffffff,,,\na,B,,lips,#ffffff,,,", "products.csv:3: id: 'a' stands twice"),
        ("a,A", "products.csv:2: row: has 2 cells where the header has 8"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row: str, named: str) -> None:
    content = (HEADER + row).encode()
    with pytest.raises(BadInput) as error:
        ProductTable.read(content)
    assert named in str(error.value)
    report = ImportReport()
    ProductTable.read(content, report)
    assert named in report.skipped[0]
    assert report.read == report.added + len(report.skipped)


def test_many_wrong_rows_are_counted() -> None:
    with pytest.raises(BadInput, match=re.escape("| and 2 more")):
        table(*(f"{i},A,,nose,#ffffff,,," for i in range(7)))


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    for content, named in (
        (b"", "is empty"),
        (b"id,name,region\n", "missing 'colour'"),
        (b"id,name,colour\n", "missing 'region or kind'"),
        (HEADER.encode() + "ä".encode("latin-1"), "not UTF-8"),
        (b"id,name,region,colour,shade\n", "unknown 'shade'"),
    ):
        with pytest.raises(BadInput, match=named):
            ProductTable.read(content)
    with pytest.raises(BadInput, match="is no file"):
        ProductTable.read(tmp_path / "none.csv")


def test_a_file_reads_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(HEADER + "a,A,,lips,#ffffff,,,\n")
    assert ProductTable.read(path) == ProductTable.read(path.read_bytes())
