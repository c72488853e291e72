"""Views as Parquet: the right types, parted as others read it, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from persona.analyze import AnalystStore, open_store
from persona.analyze.dictionary import dictionary
from persona.analyze.parquet import write_parquet
from persona.errors import BadInput, Conflict
from persona.store import Store
from tests.analyze.histories import Act, Past, Version, day, remember, stock


@pytest.fixture
def analysts(store: Store) -> Iterator[AnalystStore]:
    stock(store)
    acts = [Act(day(n), "like", "dress") for n in (0, 20, 40, 70)]
    profiles = [Version(day(-9), "25-34", {"colour=green": 1.0}), Version(day(3))]
    remember(store, Past("a", profiles, acts, {"m@1": day(2)}), Past("b", acts=[Act(day(40), "hide", "shirt")]))
    with open_store(store.url) as opened:
        yield opened


def test_a_file_reads_as_the_frame_does(analysts: AnalystStore, tmp_path: Path) -> None:
    for view in dictionary():
        frame = analysts.frame(view)
        written = analysts.to_parquet(view, tmp_path / view)
        assert (written.rows, written.files) == (len(frame), 1)
        assert written.bytes == (tmp_path / view).stat().st_size
        read = pq.ParquetFile(tmp_path / view).read().to_pandas()
        assert list(read.columns) == list(frame.columns)
        for name, column in dictionary()[view].columns.items():
            if column.type in ("time", "word", "int", "flag"):
                assert read[name].astype(str).tolist() == frame[name].astype(str).tolist() or column.null
    schema = pq.read_schema(tmp_path / "fct_event")
    assert schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("day").type == pa.date32()
    assert pa.types.is_dictionary(schema.field("type").type)
    assert not schema.field("user_id").nullable
    assert schema.field("item_id").nullable
    stated = pq.ParquetFile(tmp_path / "dim_user_history").read().to_pylist()
    assert {row["stated"] for row in stated} == {'{"colour=green": 1.0}', "{}"}
    (vector,) = pq.ParquetFile(tmp_path / "fct_user_embedding").read()["vector"].to_pylist()
    assert vector == [float(pd.Series([day(2).timestamp()], dtype="float32").iloc[0])]


def test_parts_are_folders_that_duckdb_reads(analysts: AnalystStore, tmp_path: Path) -> None:
    out = tmp_path / "events"
    written = analysts.to_parquet("fct_event", out, partition_by="month")
    assert (written.rows, written.files) == (5, 3)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [
        "month=2025-01-01", "month=2025-02-01", "month=2025-03-01",
    ]  # fmt: skip
    source = f"read_parquet('{out}/**/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(
        f'SELECT month, type, count(*), epoch(min("at")) FROM {source} GROUP BY 1, 2 ORDER BY 1, 2'
    ).fetchall()
    assert [row[1:3] for row in found] == [("like", 2), ("hide", 1), ("like", 1), ("like", 1)]
    assert found[0][0] == datetime(2025, 1, 1).date()
    assert found[0][3] == day(0).timestamp()
    analysts.to_parquet("fct_event", out, ["type", "origin"], where="user_id = :who", parameters={"who": "b"})
    assert [str(path.relative_to(out)) for path in out.rglob("*.parquet")] == [
        "type=hide/origin=retrieved/part-0.parquet"
    ]
    assert analysts.to_parquet("fct_event", out, ["type"], where="user_id = 'nobody'").rows == 0
    assert analysts.to_parquet("fct_event", tmp_path / "then", as_of=day(30)).rows == 2


def test_what_others_wrote_stays(analysts: AnalystStore, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("years of work")
    (tmp_path / "file.parquet").write_text("something else")
    for name, parting in (("theirs", ["type"]), ("theirs", []), ("file.parquet", []), ("file.parquet", ["type"])):
        with pytest.raises(Conflict, match="was not written by this"):
            analysts.to_parquet("fct_event", tmp_path / name, parting)
    assert (tmp_path / "theirs" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "new").mkdir()
    assert analysts.to_parquet("fct_event", tmp_path / "new", "type").rows == 5  # an empty folder is anybody's
    with pytest.raises(Conflict):
        analysts.to_parquet("fct_event", tmp_path / "new")


def test_what_fails_leaves_nothing_and_what_was_there(analysts: AnalystStore, tmp_path: Path) -> None:
    for name, parting in (("events", ["type"]), ("events.parquet", [])):
        analysts.to_parquet("fct_event", tmp_path / name, parting)

        def breaking() -> Iterator[pd.DataFrame]:
            yield analysts.frame("fct_event")
            raise OSError("the line is cut")

        view = dictionary()["fct_event"]
        with pytest.raises(OSError, match="the line is cut"):
            write_parquet(breaking(), view, list(view.columns), tmp_path / name, parting)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "e"))) == [
        "events",
        "events.parquet",
    ]
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/events/**/*.parquet'").fetchall() == [(5,)]
    assert pq.ParquetFile(tmp_path / "events.parquet").metadata.num_rows == 5


def test_columns_that_cannot_part_are_told(analysts: AnalystStore, tmp_path: Path) -> None:
    for name in ("user_id", "at", "event_id", "colour"):
        with pytest.raises(BadInput, match=r"partition_by.*choose from day, month, type, origin"):
            analysts.to_parquet("fct_event", tmp_path / "out", name)
    assert not (tmp_path / "out").exists()
