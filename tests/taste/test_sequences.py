from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.errors import BadInput
from persona.taste.sequences import Cases, Sequences, by_position, leave_one_out, read_attributes, read_sequences

LINES = "ann hat shoes dress hat2\nbob hat shirt\n\ncem shoes hat shirt dress hat2 polo\n"
Taken = st.lists(st.lists(st.integers(0, 9), min_size=0, max_size=12), min_size=1, max_size=8)


def written(folder: Path, text: str) -> Sequences:
    path = folder / "data.txt"
    path.write_text(text)
    return read_sequences(path)


def sequences_of(taken: list[list[int]]) -> Sequences:
    starts = np.cumsum([0, *map(len, taken)])
    return Sequences(
        [f"u{i}" for i in range(len(taken))],
        [str(i) for i in range(10)],
        starts,
        np.array([row for rows in taken for row in rows], int),
    )


def shown(cases: Cases) -> list[list[int]]:
    starts, rows = cases.histories()
    return [rows[low:high].tolist() for low, high in itertools.pairwise(starts)]


def test_a_file_is_read_plain_or_gzipped(tmp_path: Path) -> None:
    plain = written(tmp_path, LINES)
    (tmp_path / "data.gz").write_bytes(gzip.compress(LINES.encode()))
    zipped = read_sequences(tmp_path / "data.gz")
    assert plain.users == zipped.users == ["ann", "bob", "cem"]
    assert [plain.items[row] for row in plain.rows[plain.starts[1] : plain.starts[2]]] == ["hat", "shirt"]
    assert plain.rows.tolist() == zipped.rows.tolist()
    assert plain.lengths.tolist() == [4, 2, 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ann hat shirt\nbob\n", "data.txt:2: user 'bob' has no items"),
        ("ann a b c\nann a\n", "data.txt:2: user 'ann' stands twice"),
        ("", "under two users with three items"),
        ("ann a b c\nbob a b\n", "under two users with three items"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        written(tmp_path, text)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "half.gz").write_bytes(gzip.compress(LINES.encode() * 100)[:-20])
    (tmp_path / "picture.txt").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("half.gz", "picture.txt", "missing.txt"):
        with pytest.raises(BadInput, match="cannot be read"):
            read_sequences(tmp_path / name)


def test_attributes_are_padded_and_numbered_anew(tmp_path: Path) -> None:
    path = tmp_path / "told.json"
    path.write_text('{"hat": [70, 5], "shirt": [5], "sock": [1]}')
    codes, count = read_attributes(path, ["hat", "shirt", "dress"])
    assert codes.tolist() == [[1, 0], [0, -1], [-1, -1]]
    assert count == 2
    for wrong in ("[1]", '{"hat": 3}', '{"hat": ["red"]}', "{"):
        path.write_text(wrong)
        with pytest.raises(BadInput, match=r"attributes: told\.json"):
            read_attributes(path, ["hat"])


def test_leave_one_out_by_hand(tmp_path: Path) -> None:
    data = written(tmp_path, LINES)
    split = leave_one_out(data)
    name = np.array(data.items)
    assert [name[rows].tolist() for rows in shown(split.test)] == [
        ["hat", "shoes", "dress"], ["shoes", "hat", "shirt", "dress", "hat2"],
    ]  # fmt: skip
    assert name[split.test.targets].tolist() == ["hat2", "polo"]
    assert name[split.validation.targets].tolist() == ["dress", "hat2"]
    assert name[split.train.rows].tolist() == ["hat", "shoes", "hat", "shirt", "shoes", "hat", "shirt", "dress"]
    assert split.train.popularity()[data.items.index("hat")] == 3


@given(Taken)
def test_leave_one_out_trains_on_nothing_that_is_asked(taken: list[list[int]]) -> None:
    data = sequences_of(taken)
    split = leave_one_out(data)
    for number, row in enumerate(taken):
        part = slice(split.train.starts[number], split.train.starts[number + 1])
        assert split.train.rows[part].tolist() == (row[:-2] if len(row) >= 3 else row)
    assert split.test.targets.tolist() == [row[-1] for row in taken if len(row) >= 3]
    assert shown(split.validation) == [row[:-2] for row in taken if len(row) >= 3]


@given(Taken, st.floats(0.1, 0.9))
def test_by_position_trains_on_no_later_position(taken: list[list[int]], share: float) -> None:
    data = sequences_of([*taken, [1, 2, 3, 4]])
    split = by_position(data, share)
    cut = int(split.test.places[0]) if len(split.test) else None
    assert split.train.lengths.max() <= (split.validation.places.max(initial=0) or len(data.rows))
    if cut is not None:
        assert set(split.test.places.tolist()) == {cut}
        assert set(split.validation.places.tolist()) == {cut - 1}
        assert split.train.lengths.tolist() == [min(n, cut - 1) for n in data.lengths]


@given(Taken, st.integers(0, 4), st.integers(1, 3))
def test_cases_can_show_less_and_come_in_batches(taken: list[list[int]], few: int, size: int) -> None:
    full = leave_one_out(sequences_of(taken)).test
    less = Cases(full.sequences, full.users, full.places, few)
    assert shown(less) == [rows[max(0, len(rows) - few) :] for rows in shown(full)]
    assert less.lengths.tolist() == [len(rows) for rows in shown(less)]
    assert [rows for part in less.batches(size) for rows in shown(part)] == shown(less)
