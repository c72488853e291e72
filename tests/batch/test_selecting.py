"""What may stand behind `--users`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from persona.batch.selecting import select
from persona.errors import BadInput
from persona.store import Profile, Store


def test_everybody_or_a_segment() -> None:
    assert (select("all").users, select("all").ids) == ("all", None)
    chosen = select("skin_tone=3, age_band=25-34,active_days=30,face_shape=unknown,source=demo,size_shoe=38.5")
    assert chosen.users == "segment"
    assert chosen.segment == {
        "skin_tone": 3, "age_band": "25-34", "active_days": 30, "face_shape": None, "source": "demo", "size_shoe": 38.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("everyone", "neither `all`"),
        ("shoe=3", "'shoe' is nothing to choose users by"),
        ("skin_tone=30", "less than or equal to 10, or unknown"),
        ("age_band=young", "'18-24'"),
        ("active_days=0", "whole number of days"),
        ("active_days=x", "whole number of days"),
        ("source=web", "choose from app"),
        ("skin_tone=3,", "nothing to choose users by"),
    ],
)
def test_what_cannot_be_is_named(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        select(text)
    assert caught.value.field == "users"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", "u2\nu1\n\nu1\nbad id\n"),
        ("ids.csv", "user_id,n\nu2,1\nu1,2\nu1,3\nbad id,4\n"),
        ("ids.jsonl", '{"user_id": "u2"}\n{"user_id": "u1"}\n\n{"user_id": "bad id"}\n'),
    ],
)
def test_users_of_a_list_and_rows_that_name_nobody(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    chosen = select(str(path))
    assert chosen.ids == ["u1", "u2"]
    assert len(chosen.skipped.skipped) == 1
    assert "bad id" in chosen.skipped.skipped[0]
    assert chosen.users == select(str(path)).users != "all"


def test_users_of_a_parquet_file_are_the_same_list(tmp_path: Path, sqlite_store: Store) -> None:
    (tmp_path / "ids.txt").write_text("u1\nu2\nu3\n")
    rows: dict[str, Any] = {"user_id": ["u3", "u2", "u1"]}
    pq.write_table(pa.table(rows), tmp_path / "ids.parquet")
    chosen = select(str(tmp_path / "ids.parquet"))
    assert chosen.users == select(str(tmp_path / "ids.txt")).users
    sqlite_store.bulk_users([Profile(id="u1"), Profile(id="u2", consents={"personalisation": False})])
    assert chosen.missing(sqlite_store) == ["u2", "u3"]


def test_lists_of_nobody(tmp_path: Path) -> None:
    for name, content in {"a.txt": b"\n", "b.csv": b"user_id\n", "c.txt": b"no id\n", "d.txt": b"\xff\n"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match="users: "):
            select(str(tmp_path / name))
    (tmp_path / "e.csv").write_text("id\nu1\n")
    with pytest.raises(BadInput, match="user_id"):
        select(str(tmp_path / "e.csv"))
