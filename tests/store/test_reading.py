"""Rows of tables, with their line numbers and types."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from persona.errors import BadInput
from persona.store.reading import ImportReport, read_rows


def test_csv_lines_count_what_an_editor_counts(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text('id,title\n1,"two\nlines"\n\n 2 ,\n3,a,b\n4,plain\n')
    report = ImportReport()
    rows = list(read_rows(path, required=("id",), report=report))
    assert rows == [
        (2, {"id": "1", "title": "two\nlines"}),
        (5, {"id": "2", "title": None}),
        (7, {"id": "4", "title": "plain"}),
    ]
    assert report.read == 4
    assert report.skipped == ["items.csv:6: row: has 3 cells where the header has 2"]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    at = datetime(2025, 5, 4, 10, 0, 0, 123456, UTC)
    frame = pd.DataFrame({"id": ["1", "2"], "price": [9.5, None], "tags": [["a"], None]})
    frame["at"] = pd.Series([pd.Timestamp(at) + pd.Timedelta(789, "ns"), None]).astype("datetime64[ns, UTC]")
    frame.to_parquet(tmp_path / "items.parquet")
    first, second = read_rows(tmp_path / "items.parquet")
    assert first == (1, {"id": "1", "price": 9.5, "at": at, "tags": ["a"]})
    assert type(first[1]["at"]) is datetime
    assert second == (2, {"id": "2", "price": None, "at": None, "tags": None})


def test_jsonl_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"id": 1}\n{"id": \n\n[1]\n{"id": 2, "more": null}\n')
    report = ImportReport()
    assert list(read_rows(path, required=("id",), optional=(), report=report)) == [
        (1, {"id": 1}),
        (5, {"id": 2, "more": None}),
    ]
    assert [line.split(": ")[0] for line in report.skipped] == ["items.jsonl:2", "items.jsonl:4"]
    assert str(report) == "4 read, 0 added, 0 known already, 2 skipped"


def test_any_columns_and_columns_twice(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("id,colour,colour\n1,red,green\n")
    with pytest.raises(BadInput, match=r"columns: items\.csv: twice 'colour'; any columns are read"):
        list(read_rows(path))
