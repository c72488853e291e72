"""Histories from a file, as public benchmarks give them, and how a benchmark splits them.

A line is `user item item ...`, oldest first, by itself or gzipped. No times: where the model wants to know how long ago
something was, all events are equally far apart.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persona.errors import BadInput
from persona.taste.history import TYPE_CODES
from persona.taste.table import UNKNOWN, Codes, Floats
from persona.taste.users import Ints, Users

DAY = 86400.0  # seconds: how far apart the events are taken to be
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Sequences:
    """What u users took, oldest first: user i took rows[starts[i]:starts[i + 1]], places in items."""

    users: list[str]
    items: list[str]
    starts: Ints
    rows: Ints

    def __len__(self) -> int:
        return len(self.users)

    @property
    def lengths(self) -> Ints:
        """Events of each user, int64 (u,)."""
        return np.diff(self.starts)

    def kept(self, counts: Ints) -> Sequences:
        """The same users with only the first events of each, as many as counts (u,) says."""
        place = np.arange(len(self.rows)) - np.repeat(self.starts[:-1], self.lengths)
        kept = place < np.repeat(counts, self.lengths)
        starts = np.concatenate([[0], np.cumsum(np.minimum(counts.clip(min=0), self.lengths))])
        return Sequences(self.users, self.items, starts, self.rows[kept])

    def popularity(self) -> Floats:
        """Events of each item, float32 (n,)."""
        return np.bincount(self.rows, minlength=len(self.items)).astype(np.float32)

    def as_users(self) -> Users:
        """As the taste model's training reads them: purchases, a day apart."""
        place = np.arange(len(self.rows)) - np.repeat(self.starts[:-1], self.lengths)
        return Users(
            self.users,
            self.starts,
            self.rows,
            np.full(len(self.rows), TYPE_CODES["purchase"]),
            (DAY * place).astype(np.float64),
            np.zeros(len(self) + 1, np.int64),
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
            np.ones(len(self), bool),
        )


@dataclass(frozen=True)
class PlainItems:
    """Items of which no more is known than ids and attributes, for the taste model (`persona.taste.table.Items`)."""

    ids: list[str]
    attributes: Codes
    popularity: Floats
    feature_version: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def features(self) -> Floats:
        """Content vectors of no numbers, float32 (n, 0)."""
        return np.zeros((len(self.ids), 0), np.float32)


@dataclass(frozen=True)
class Cases:
    """What is to be foreseen. users: int64 (c,); places: int64 (c,), of the event among the user's, whose history is
    all that comes before it, or the last `shown` of that."""

    sequences: Sequences
    users: Ints
    places: Ints
    shown: int | None = None

    def __len__(self) -> int:
        return len(self.users)

    @property
    def targets(self) -> Ints:
        """The items' rows, int64 (c,)."""
        return self.sequences.rows[self.sequences.starts[self.users] + self.places]

    @property
    def lengths(self) -> Ints:
        """Events before each, int64 (c,)."""
        return self.places if self.shown is None else np.minimum(self.places, self.shown)

    def histories(self) -> tuple[Ints, Ints]:
        """Flat: starts int64 (c + 1,) and rows (m,)."""
        starts, events = self.events()
        return starts, self.sequences.rows[events]

    def events(self) -> tuple[Ints, Ints]:
        """The same as places in the sequences' rows, for what else is known of each event."""
        starts: Ints = np.concatenate([[0], np.cumsum(self.lengths)])
        first = self.sequences.starts[self.users] + self.places - self.lengths
        return starts, np.asarray(np.repeat(first - starts[:-1], self.lengths) + np.arange(starts[-1]), np.int64)

    def batches(self, size: int) -> Iterator[Cases]:
        """So many at a time."""
        for at in range(0, len(self), size):
            part = slice(at, at + size)
            yield Cases(self.sequences, self.users[part], self.places[part], self.shown)


@dataclass(frozen=True)
class Split:
    """What may be trained on, what decides when to stop and how to weigh, and what is reported."""

    train: Sequences
    validation: Cases
    test: Cases


def leave_one_out(sequences: Sequences) -> Split:
    """Of every user with three events or more the last is the test, the one before it the validation."""
    lengths = sequences.lengths
    users = np.flatnonzero(lengths >= 3)
    held = np.where(lengths >= 3, 2, 0)
    validation, test = (Cases(sequences, users, lengths[users] - back) for back in (2, 1))
    return Split(sequences.kept(lengths - held), validation, test)


def by_position(sequences: Sequences, share: float = 0.8) -> Split:
    """Positions as time: all users' events at a position below the `share` quantile are the past, the next is the test.

    The last position of the past is the validation. No event of anybody's from a later position is trained on. What it
    cannot do, as the file has no times: a position is not a date, so a new user's first events stand beside those
    of years ago, and who has few events is never asked about.
    """
    place = np.arange(len(sequences.rows)) - np.repeat(sequences.starts[:-1], sequences.lengths)
    cut = max(2, int(np.quantile(place, share)))
    lengths = sequences.lengths
    validation = Cases(sequences, np.flatnonzero(lengths > cut - 1), np.full((lengths > cut - 1).sum(), cut - 1))
    test = Cases(sequences, np.flatnonzero(lengths > cut), np.full((lengths > cut).sum(), cut))
    return Split(sequences.kept(np.minimum(lengths, cut - 1)), validation, test)


def read_sequences(path: Path) -> Sequences:
    """Read a file of histories. Raises BadInput naming the line for a user without items or one that stands twice."""
    users: dict[str, list[str]] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        name, *taken = line.split()
        if not taken:
            raise BadInput("data", f"{path.name}:{number}: user {name!r} has no items; wanted `user item item ...`")
        if name in users:
            raise BadInput("data", f"{path.name}:{number}: user {name!r} stands twice; put all on one line")
        users[name] = taken
    if sum(len(taken) >= 3 for taken in users.values()) < 2:
        raise BadInput("data", f"{path.name}: under two users with three items; wanted lines of `user item item ...`")
    items = sorted({item for taken in users.values() for item in taken})
    place = {item: row for row, item in enumerate(items)}
    starts = np.cumsum([0, *map(len, users.values())])
    return Sequences(list(users), items, starts, np.array([place[i] for taken in users.values() for i in taken]))


def read_attributes(path: Path, items: list[str]) -> tuple[Codes, int]:
    """Attributes of items from JSON, item to list of ids: int64 (n, m), -1 unknown, and how many there are.

    Raises BadInput for anything else.
    """
    try:
        told = json.loads(_text(path))
        known = [list(map(int, told.get(item, ()))) for item in items]
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput("attributes", f"{path.name}: wanted JSON of item to list of whole numbers ({error})") from error
    codes = {value: code for code, value in enumerate(sorted({value for row in known for value in row}))}
    attributes = np.full((len(items), max(map(len, known), default=0)), UNKNOWN, np.int64)
    for row, values in enumerate(known):
        attributes[row, : len(values)] = [codes[value] for value in values]
    return attributes, len(codes)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if raw.startswith(_GZIP) else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInput("data", f"{path} cannot be read ({error}); wanted text, or text gzipped") from error
