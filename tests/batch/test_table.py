"""The index: what is written comes back, in any tool, and the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from persona.batch.draft import Draft
from persona.batch.making import Made
from persona.batch.table import IndexWriter, Rows, by_user, entries_of, made_pictures, named_pictures, table_of
from persona.errors import BadInput
from tests.batch.made_up import MODELS, made_up

Write = Callable[[Sequence[Rows]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes tables as one index, and says where it is."""

    def written(tables: Sequence[Rows]) -> Path:
        draft = Draft(tmp_path, "index", 3, "parquet")
        writer = IndexWriter(draft)
        for table in tables:
            writer.write(table)
        writer.close()
        return tmp_path / draft.finish().name

    return written


def rows_of(*people: Made) -> list[Rows]:
    """A table for each."""
    return [table_of(one, *MODELS) for one in people]


def test_entries_come_back(write: Write) -> None:
    """From the file, with reasons and detail; vectors to the bit."""
    people = {name: made_up(name) for name in ("u1", "u2")}
    read = dict(by_user(write(rows_of(*people.values()))))
    assert list(read) == ["u1", "u2"]
    for name, rows in read.items():
        assert entries_of(rows) == list(people[name].entries)
        for row in rows.to_pylist():
            assert (row["user_id"], row["watermark"], row["taste_model"]) == (name, 7, MODELS[0])
            wanted = people[name].features.get(row["generation_id"])
            assert (row["feature"] is None) == (wanted is None)
            assert wanted is None or (np.array(row["feature"], np.float32) == wanted).all()


def test_made_pictures_are_those_that_no_owner_has() -> None:
    """Not a real item's; each once, with what it is."""
    (rows,) = rows_of(made := made_up("u1"))
    assert list(made_pictures(rows)) == list(made.pictures)
    assert made_pictures(rows)[made.entries[1].picture] == {
        "kind": "garment", "model": MODELS[1], "generated": True, "licence": "generated",
    }  # fmt: skip


def test_pieces_made_for_an_outfit_are_named(write: Write) -> None:
    """Since the catalogue lacked them, their pictures are in the archive, too."""
    made = made_up("u1")
    pieces = [
        {"slot": "shoes", "item_id": "i1", "generation_id": None, "picture": "a" * 64},
        {"slot": "top", "item_id": None, "generation_id": "g1", "picture": "b" * 64},
    ]
    entries = [
        one.model_copy(update={"detail": {"pieces": pieces}} if one.kind == "outfit" else {}) for one in made.entries
    ]
    index = write([table_of(replace(made, entries=tuple(entries)), *MODELS)])
    assert set(named_pictures(index).to_pylist()) == {*made.pictures, "b" * 64}


def test_bytes_follow_from_the_rows_alone(write: Write) -> None:
    """However they are handed over, over more than one row group."""
    (rows,) = rows_of(made_up("u1", garments=30))
    many = [rows] * 300
    one_by_one = write(many)
    together = write([Rows.from_batches([batch for one in many for batch in one.to_batches()])])
    read_back = write([rows for _, rows in by_user(one_by_one)])
    assert one_by_one == together == read_back  # the name tells the content
    assert sum(rows.num_rows for _, rows in by_user(one_by_one)) == 33 * 300


def test_pandas_reads_it(write: Write) -> None:
    """Columns of plain types."""
    frame = pd.read_parquet(write(rows_of(made_up("u1"), made_up("u2"))).parent)
    assert frame.groupby("user_id")["kind"].agg(list).to_dict()["u2"] == [
        "item",
        "garment",
        "garment",
        "outfit",
        "look",
    ]
    assert frame["seed"].dtype == np.int64
    assert frame["score"].dtype == np.float64
    assert frame["generated"].dtype == bool
    assert frame["reasons"][0][0]["item_id"] == "demo-0001"
    assert frame["feature"][1].shape == (64,)
    assert frame["feature"][1].dtype == np.float32


def test_duckdb_reads_it(write: Write) -> None:
    """Also into reasons and detail."""
    folder = write(rows_of(made_up("u1"), made_up("u2"))).parent
    found = duckdb.sql(
        f"SELECT user_id, reasons[1].text, len(feature), detail->>'$.pieces[0].slot', title "
        f"FROM '{folder}/*.parquet' WHERE kind IN ('item', 'outfit') ORDER BY user_id, kind"
    ).fetchall()
    assert found[:2] == [
        ("u1", "you liked “Bluse”", None, None, "Bluse, weiß"),
        ("u1", "you liked “Bluse”", 64, "dress", ""),
    ]
    assert len(found) == 4


def test_a_damaged_file_is_named(write: Write) -> None:
    """With what to do; also where the damage is in the middle."""
    path = write(rows_of(made_up("u1")))
    content = bytearray(path.read_bytes())
    content[100] ^= 255
    path.write_bytes(content)
    with pytest.raises(BadInput, match=f"{path}: is damaged"):
        list(by_user(path))
    path.write_bytes(content[:50])
    with pytest.raises(BadInput, match="make it anew"):
        list(by_user(path))
