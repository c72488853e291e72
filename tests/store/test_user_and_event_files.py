"""Users and events from files: three formats, the same result; what cannot be used is named and skipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from persona.errors import BadInput
from persona.store import Event, Preference, Profile, Store, Traits
from persona.store.importing import import_events, import_users

SUFFIXES = ["csv", "parquet", "jsonl"]
ADA = Profile(
    id="ada",
    traits=Traits(skin_tone=7, undertone="warm", size_top="M", size_bottom="38", size_shoe=38.5),
    preferences=(
        Preference(facet="colour", value="green", weight=1),
        Preference(facet="category", value="dress", weight=0.8),
        Preference(facet="pattern", value="checked", weight=-0.5),
    ),
    consents={"personalisation": True, "analytics": False},
)
USERS: list[dict[str, Any]] = [
    {
        "id": "ada", "skin_tone": 7, "undertone": "warm", "size_top": "M", "size_bottom": 38, "size_shoe": 38.5,
        "likes": "colour=green; category=dress:0.8", "dislikes": "pattern=checked:0.5",
        "consents": "personalisation;analytics=no",
    },
    {"id": "bob"},
]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the format that the path's name says."""
    frame = pd.DataFrame(rows)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_users(store: Store, tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"users.{suffix}", USERS)
    report = import_users(store, path)
    assert (report.read, report.added, report.updated_or_duplicate, report.skipped) == (2, 2, 0, [])
    assert store.users(["ada", "bob"]) == [ADA, Profile(id="bob")]
    again = import_users(store, path)
    assert (again.read, again.added, again.updated_or_duplicate, again.skipped) == (2, 0, 2, [])


BAD_USERS = {
    "id": ("", "id: is missing"),
    "skin_tone": ("11", "skin_tone: Input should be less than or equal to 10"),
    "undertone": ("hot", "undertone: Input should be 'cool', 'neutral' or 'warm'"),
    "likes": ("colour=green:1.5", "likes: 'colour=green:1.5': the weight has to be a number above 0, at most 1"),
    "dislikes": ("colour=grün", "dislikes: 'colour=grün': value 'grün' is no colour: choose from black, white"),
    "consents": ("personalisation=maybe", "consents: 'personalisation=maybe': write the purpose alone, or with =yes"),
    "source": ("elsewhere", "source: Input should be 'app'"),
}


@pytest.mark.parametrize("column", BAD_USERS)
def test_a_bad_user_is_named_and_skipped(sqlite_store: Store, tmp_path: Path, column: str) -> None:
    value, why = BAD_USERS[column]
    columns = list(BAD_USERS)
    bad = [{"id": "bad", column: value}.get(name, "") for name in columns]
    lines = [columns, ["first"] + [""] * 6, bad, ["last"] + [""] * 6]
    path = tmp_path / "users.csv"
    path.write_text("\n".join(",".join(f'"{cell}"' for cell in line) for line in lines), encoding="utf-8-sig")
    report = import_users(sqlite_store, path)
    assert sqlite_store.user_ids() == ["first", "last"]
    assert (report.read, report.added) == (3, 2)
    (said,) = report.skipped
    assert said.startswith(f"users.csv:3: {why}")


@pytest.mark.parametrize(
    ("likes", "why"),
    [
        ("green", "write facet=value"), ("size=12", "facet: Input should be"), ("colour=green:much", "above 0"),
        ("colour=green:0", "above 0"), ("colour=green:nan", "above 0"),
        ("colour=green;colour=green:0.5", "stand twice"),
    ],
)  # fmt: skip
def test_likes_that_cannot_be(sqlite_store: Store, tmp_path: Path, likes: str, why: str) -> None:
    report = import_users(sqlite_store, write(tmp_path / "users.jsonl", [{"id": "bad", "likes": likes}]))
    assert why in report.skipped[0]
    assert sqlite_store.count_users() == 0


def rows_of(events: list[Event]) -> list[dict[str, Any]]:
    return [event.model_dump() for event in events]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_events(filled: Store, tmp_path: Path, an_event: Callable[..., Event], suffix: str) -> None:
    events = [an_event(f"k{n}", minute=n, type=kind) for n, kind in enumerate(["view", "like", "purchase"])]
    path = write(tmp_path / f"events.{suffix}", rows_of(events))
    report = import_events(filled, path)
    assert (report.read, report.added, report.updated_or_duplicate, report.skipped) == (3, 3, 0, [])
    assert filled.history("u1") == events
    again = import_events(filled, path)
    assert (again.read, again.added, again.updated_or_duplicate, again.skipped) == (3, 0, 3, [])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_events_say_which_answer_led_to_them(
    filled: Store, tmp_path: Path, an_event: Callable[..., Event], suffix: str
) -> None:
    events = [an_event("a", rec_id="r-1"), an_event("b", minute=1), an_event("c", minute=2, rec_id="7")]
    path = write(tmp_path / f"events.{suffix}", rows_of(events))
    assert import_events(filled, path).added == 3
    assert filled.history("u1") == events
    changed = [event.model_copy(update={"rec_id": "r-2"}) for event in events]  # the same keys, other content
    report = import_events(filled, write(tmp_path / f"changed.{suffix}", rows_of(changed)))
    assert (report.added, len(report.skipped)) == (0, 3)
    assert (
        "rec_id: String should have at most 64"
        in import_events(
            filled, write(tmp_path / f"long.{suffix}", rows_of([an_event("d").model_copy(update={"rec_id": "r" * 65})]))
        ).skipped[0]
    )


def test_without_keys_the_formats_still_agree(filled: Store, tmp_path: Path, an_event: Callable[..., Event]) -> None:
    rows = [{**row, "key": None} for row in rows_of([an_event("x", minute=n / 7) for n in range(3)])]
    reports = [import_events(filled, write(tmp_path / f"events.{suffix}", rows)) for suffix in SUFFIXES]
    assert [(report.added, report.updated_or_duplicate) for report in reports] == [(3, 0), (0, 3), (0, 3)]


def test_bad_events_are_named_and_skipped(filled: Store, tmp_path: Path, an_event: Callable[..., Event]) -> None:
    filled.add_events([an_event("old")])
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    path = tmp_path / "events.csv"
    path.write_text(
        "key,user_id,item_id,generation_id,type,at\n"
        "1,u1,i1,,like,2025-05-04T10:00:00Z\n"
        "2,u9,i1,,like,2025-05-04T10:00:00Z\n"
        "3,u1,i9,,like,2025-05-04T10:00:00Z\n"
        f"4,u1,i1,,like,{soon}\n"
        "5,u1,i1,,like,2025-05-04T10:00:00\n"
        "6,u1,i1,g1,like,2025-05-04T10:00:00Z\n"
        "7,u1,i1,,love,2025-05-04T10:00:00Z\n"
        "8,u1,i1\n"
        "\n"
        "old,u1,i1,,hide,2025-05-04T10:00:00Z\n"
        '"9",u1,i1,,view,"2025-05-04 12:30:00+02:00"\n'
    )
    report = import_events(filled, path)
    assert (report.read, report.added, report.updated_or_duplicate, len(report.skipped)) == (10, 2, 0, 8)
    assert [event.key for event in filled.history("u1")] == ["old", "1", "9"]
    said = {int(line.split(":")[1]): line for line in report.skipped}
    expected = {
        3: "user_id: 'u9' is not known",
        4: "item_id: 'i9' is not known",
        5: "lies in the future",
        6: "at: Input should have timezone info",
        7: "name exactly one of item_id and generation_id",
        8: "type: Input should be 'view'",
        9: "row: has 3 cells where the header has 6",
        11: "key: 'old': an event of other content",
    }
    assert said.keys() == expected.keys()
    for line, why in expected.items():
        assert why in said[line]


@pytest.mark.parametrize("read", [import_users, import_events])
def test_files_that_cannot_be_read(sqlite_store: Store, tmp_path: Path, read: Callable[..., Any]) -> None:
    for name, content, why in [
        ("x.csv", b"", "path: x.csv is empty; wanted "),
        ("x.jsonl", b"\n\n", "path: x.jsonl holds no rows; wanted "),
        ("x.parquet", b"no parquet", "path: x.parquet cannot be read as parquet"),
        ("x.csv", "id,größe\n".encode("latin-1"), "path: x.csv is not UTF-8"),
        ("x.xlsx", b"PK", "path: x.xlsx has to end in one of .csv, .parquet, .jsonl"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=why):
            read(sqlite_store, tmp_path / name)
    with pytest.raises(BadInput, match=r"path: .*none\.csv is no file"):
        read(sqlite_store, tmp_path / "none.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_wrong_columns_import_nothing(
    filled: Store, tmp_path: Path, an_event: Callable[..., Event], suffix: str
) -> None:
    row = an_event("1").model_dump()
    del row["at"], row["item_id"], row["generation_id"]
    path = write(tmp_path / f"events.{suffix}", [{**row, "when": "2025-05-04T10:00:00Z"}])
    wanted = "wanted user_id, item_id or generation_id, type, at"
    with pytest.raises(
        BadInput,
        match=rf"columns: events\.{suffix}: missing 'item_id or generation_id', 'at', unknown 'when'; {wanted}",
    ):
        import_events(filled, path)
    with pytest.raises(BadInput, match=rf"columns: users\.{suffix}: missing 'id', unknown 'name'; wanted id \(and may"):
        import_users(filled, write(tmp_path / f"users.{suffix}", [{"name": "Ada"}]))
    assert filled.count_events() == 0


def test_more_rows_than_one_batch(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persona.store.engine.batches.__defaults__", (7,))
    rows = [
        {"user_id": f"u{n % 4 + 1}", "item_id": "i1", "type": "view", "at": f"2025-05-04T10:{n:02}:00Z"}
        for n in range(40)
    ]
    report = import_events(filled, write(tmp_path / "events.jsonl", rows))
    assert (report.read, report.added, len(report.skipped)) == (40, 30, 10)
    assert report.skipped[-1].startswith("events.jsonl:40: user_id: 'u4' is not known")
    assert [user for user, events in filled.histories() if len(events) == 10] == ["u1", "u2", "u3"]
