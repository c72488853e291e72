"""Rows of item tables: every bad value is named, every good one is understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from persona.catalog.measure import seasons_of, style_of
from persona.catalog.rows import Defaults, Wanted, category_of, identifier_of, wanted_of_folders, wanted_of_table
from persona.catalog.sources import Folder
from persona.errors import BadInput
from persona.store import ImportReport
from persona.store.records import CATEGORIES, SEASONS, STYLES, Identifier


def read(folder: Path, table: str, text: str, defaults: Defaults | None = None) -> tuple[list[Wanted], ImportReport]:
    (folder / table).write_text(text)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).touch()
    report = ImportReport()
    return list(wanted_of_table(Folder(folder), table, defaults or Defaults(), report)), report


def test_a_full_row(tmp_path: Path) -> None:
    wanted, report = read(
        tmp_path,
        "items.csv",
        "file,id,category,title,price,owner,colour,pattern,style,seasons,licence,source\n"
        "a.jpg,one,T-Shirt,A shirt,12.50,shop,navy,striped,smart,winter; spring,CC-BY-4.0,example.org\n",
    )
    item = wanted[0].item
    assert not report.skipped
    assert (wanted[0].where, wanted[0].file) == ("items.csv:2", "a.jpg")
    assert (item.id, item.category, item.title, item.price, item.owner) == ("one", "t-shirt", "A shirt", 12.5, "shop")
    assert (item.colour, item.pattern, item.style, item.seasons) == ("navy", "striped", "smart", ("spring", "winter"))
    assert (item.rights.licence, item.rights.source) == ("CC-BY-4.0", "example.org")


def test_what_a_row_leaves_open(tmp_path: Path) -> None:
    defaults = Defaults(licence="CC0-1.0", source="here", owner="me", id_prefix="x-", owner_prefix="of-")
    wanted, _ = read(tmp_path, "items.csv", "picture,label,sender_id\na.jpg,Hoodie,\nb.jpg,Shorts,7\n", defaults)
    assert [(w.item.id, w.item.owner) for w in wanted] == [("x-a", "me"), ("x-b", "of-7")]
    assert wanted[0].item.style == style_of("hoodie")
    assert wanted[0].item.seasons == seasons_of("hoodie")
    assert wanted[0].item.rights.licence == "CC0-1.0"


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("category", "spoon", "category: 'spoon' is unknown: choose from t-shirt"),
        ("category", "", "category: is missing"),
        ("file", "z.jpg", "file: 'z.jpg' is not there"),
        ("file", "../a.jpg", "file: '../a.jpg' leads out"),
        ("file", "", "file: is missing"),
        ("price", "cheap", "price: 'cheap' is no number"),
        ("price", "-1", "price: '-1'"),
        ("price", "inf", "price: 'inf'"),
        ("price", "nan", "price: 'nan'"),
        ("id", "-bad id-", "id: "),
        ("colour", "mauve", "colour: "),
        ("pattern", "dotted", "pattern: "),
        ("style", "punk", "style: "),
        ("seasons", "spring;monsoon", "seasons: 'monsoon' is unknown"),
        ("title", "x" * 300, "title: "),
    ],
)
def test_a_bad_value_is_named_with_its_line_and_the_rest_goes_on(
    tmp_path: Path, column: str, value: str, named: str
) -> None:
    good = {"file": "a.jpg", "category": "hat", "price": "1", "id": "", "colour": "", "pattern": "", "style": "",
            "seasons": "", "title": ""}  # fmt: skip
    rows = [good, {**good, "file": "b.jpg", column: value}, {**good, "file": "c.jpg"}]
    text = "\n".join(",".join(row.values()) for row in [dict(zip(good, good)), *rows])
    wanted, report = read(tmp_path, "items.csv", text)
    assert [w.file for w in wanted] == ["a.jpg", "c.jpg"]
    assert len(report.skipped) == 1
    assert report.skipped[0].startswith(f"items.csv:3: {named}")
    assert report.read == 3


def test_an_id_that_stands_twice_is_named(tmp_path: Path) -> None:
    wanted, report = read(tmp_path, "items.csv", "file,category,id\na.jpg,hat,1\nb.jpg,hat,1\nc.jpg,hat,2\n")
    assert [w.item.id for w in wanted] == ["1", "2"]
    assert report.skipped == ["items.csv:3: id: '1' stands already at items.csv:2: give each item its own"]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("file,label,weight", "unknown 'weight'"),
        ("label,price", "lacks file"),
        ("file,price", "lacks category"),
        ("price", "lacks category and file"),
    ],
)
def test_wrong_columns_import_nothing(tmp_path: Path, header: str, named: str) -> None:
    with pytest.raises(BadInput, match=rf"columns: items.csv.*{named}"):
        read(tmp_path, "items.csv", f"{header}\n" + ",".join("1" for _ in header.split(",")) + "\n")


def test_a_column_twice_under_two_names(tmp_path: Path) -> None:
    _, report = read(tmp_path, "items.csv", "file,category,label\na.jpg,hat,shoes\n")
    assert report.skipped == ["items.csv:2: category: is given in two columns: leave one"]


def test_parquet_and_jsonl_say_the_same(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"file": "a.jpg", "category": "hat", "price": 3.5, "owner": 12, "seasons": ["summer"], "id": 5},
        {"file": "b.jpg", "category": "shoes", "price": None, "owner": 13, "seasons": [], "id": 6},
    ]
    _, _ = read(tmp_path, "x.csv", "file,category\n")
    pd.DataFrame(rows).to_parquet(tmp_path / "items.parquet")
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = []
    for table in ("items.parquet", "items.jsonl"):
        report = ImportReport()
        found.append([w.item for w in wanted_of_table(Folder(tmp_path), table, Defaults(source="s"), report)])
        assert not report.skipped
    assert found[0] == found[1]
    assert [(i.id, i.price, i.owner) for i in found[0]] == [("5", 3.5, "12"), ("6", None, "13")]


def test_folders_named_after_categories(tmp_path: Path) -> None:
    for name in ("T-Shirts/1.jpg", "hat/1.png", "hat/2.txt", "spoons/3.jpg", "loose.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    report = ImportReport()
    wanted = list(wanted_of_folders(Folder(tmp_path), Defaults(), report))
    assert [(w.item.id, w.item.category) for w in wanted] == [("T-Shirts-1", "t-shirt"), ("hat-1", "hat")]
    assert [line.split(":")[0] for line in report.skipped] == ["loose.jpg", "spoons/3.jpg"]
    assert report.read == 4
    everything = list(wanted_of_folders(Folder(tmp_path / "hat"), Defaults(category="hat"), ImportReport()))
    assert [w.item.category for w in everything] == ["hat"]


@pytest.mark.parametrize("category", CATEGORIES)
def test_categories_are_understood_as_people_write_them(category: str) -> None:
    for said in (
        category,
        category.upper(),
        category.title(),
        f" {category} ",
        category.replace("-", " "),
        category + "s",
    ):
        assert category_of(said) == category
    assert style_of(category_of(category)) in STYLES
    assert set(seasons_of(category_of(category))) <= set(SEASONS)


@given(st.text(max_size=300))
def test_any_name_makes_a_valid_id(name: str) -> None:
    found = identifier_of(name)
    TypeAdapter(Identifier).validate_python(found)
    assert identifier_of(name) == found


def test_different_names_that_cannot_be_written_make_different_ids() -> None:
    assert identifier_of("платье") != identifier_of("юбка")
    assert identifier_of("x" * 200 + "a") != identifier_of("x" * 200 + "b")
