"""Frames as CSV and Parquet."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from persona.analyze.files import write_csv, write_parquet

WHEN = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)


def parquet(*frames: pd.DataFrame) -> Any:
    file = io.BytesIO()
    assert write_parquet(frames, file) == sum(map(len, frames))
    return pq.ParquetFile(io.BytesIO(file.getvalue()))


def csv(*frames: pd.DataFrame) -> str:
    file = io.BytesIO()
    assert write_csv(frames, file) == sum(map(len, frames))
    return file.getvalue().decode()


def test_columns_whose_kind_shows_later_are_whole() -> None:
    early = pd.DataFrame({"n": [1, 2], "who": [None, None], "mixed": [1, 2], "word": pd.Categorical(["a", "b"])})
    late = pd.DataFrame({"n": [2.5], "who": ["x"], "mixed": ["three"], "word": pd.Categorical(["c"])})
    table = parquet(early, late).read().to_pylist()
    assert [row["n"] for row in table] == [1.0, 2.0, 2.5]
    assert [row["who"] for row in table] == [None, None, "x"]
    assert [row["mixed"] for row in table] == ["1", "2", "three"]
    assert [row["word"] for row in table] == ["a", "b", "c"]


def test_times_keep_their_zone_and_parts_are_row_groups() -> None:
    part = pd.DataFrame({"at": pd.to_datetime([WHEN]), "day": [WHEN.date()], "none": pd.Series([None], dtype=object)})
    file = parquet(part, part)
    assert file.num_row_groups == 2
    assert str(file.schema_arrow.field("at").type) == "timestamp[us, tz=UTC]"
    assert str(file.schema_arrow.field("day").type) == "date32[day]"
    assert file.read().to_pylist()[0]["at"] == WHEN
    assert "2026-03-31 23:30:00+00:00" in csv(part)


def test_a_result_without_rows_has_its_columns() -> None:
    empty = pd.DataFrame({"a": pd.Series([], dtype=object), "b": pd.Series([], dtype="int64")})
    assert csv(empty) == "a,b\r\n"
    assert parquet(empty).schema_arrow.names == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "=cmd|' /C calc'!A0"]
)
def test_no_text_is_a_formula(text: str) -> None:
    for column in (pd.Series([text]), pd.Series([text], dtype=object), pd.Series(pd.Categorical([text]))):
        read = pd.read_csv(io.StringIO(csv(pd.DataFrame({"a": column}), pd.DataFrame({"a": column}))), dtype=str)
        assert list(read["a"]) == [f"'{text}"] * 2
    assert csv(pd.DataFrame({text: [1]})).lstrip('"').startswith("'")
    assert parquet(pd.DataFrame({"a": [text]})).read().to_pylist() == [{"a": text}]


def test_what_is_no_formula_stays() -> None:
    said = 'a-b, 1=1 "quoted"\nnext'
    frame = pd.DataFrame({"text": [said, None], "n": [-5, 2], "x": [-0.5, None], "bytes": [b"\x00\xff", b""]})
    read = pd.read_csv(io.StringIO(csv(frame)))
    assert read["text"][0] == said
    assert pd.isna(read["text"][1])
    assert list(read["n"]) == [-5, 2]
    assert read["x"][0] == -0.5
    assert read["bytes"][0] == "00ff"
