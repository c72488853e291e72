"""The co-occurrence counts of the store's users: kept in a file, brought up to date by reading only who has changed."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from persona.catalog.pictures import write_whole
from persona.errors import BadInput
from persona.store import Store
from persona.store.events import POPULARITY, Mark
from persona.taste.companions import Companions
from persona.taste.cooccurrence import Cooccurrence, CooccurrenceConfig, Fusion

FILE = "cooccurrence.npz"  # under the setting PERSONA_HOME
PURPOSE = "personalisation"  # users who refused it are not counted
_FORMAT = 1

Known = tuple[int, str, str]
"""An event: row number, item id, type."""
log = logging.getLogger(__name__)


class _Astray(Exception):
    """The counts are not of this store's events as they are now, so nothing can be subtracted from them."""


@dataclass(frozen=True)
class Tally:
    """Counts and what they were made from. Never changed: replaced whole.

    items: ids in the order of the counts' rows, which is that of their first event and not the catalogue's. marks: of
    each user, how many events are counted and the row number of the last; with these, events that arrive late or are
    committed out of order are neither lost nor counted twice. last_key: of the event that was stored last, by which a
    file of another database is told.
    """

    counts: Cooccurrence
    items: tuple[str, ...] = ()
    marks: Mapping[str, Mark] = field(default_factory=dict, repr=False)
    last_key: str | None = None

    @classmethod
    def empty(cls, config: CooccurrenceConfig | None = None) -> Tally:
        """Nothing counted yet."""
        return cls(Cooccurrence.empty(0, config))

    def refreshed(self, store: Store) -> Tally:
        """Brought up to date with the store, as if counted anew; only the events of users who changed are read.

        Changed is who did something, withdrew or gave consent, or was erased. What was erased by another way than
        `without` cannot be subtracted any more: then all is counted anew, which the log tells.
        """
        try:
            if self.marks and store.event_key(_last(self.marks)) != self.last_key:
                raise _Astray("they are of another database, or their last event was erased")
            return self._refreshed(store)
        except (_Astray, BadInput) as why:
            log.warning("co-occurrence is counted anew: %s", why)
            return Tally.empty(self.counts.config)._refreshed(store)

    def without(self, user_id: str, store: Store) -> Tally | None:
        """Without a user who is about to be erased. None where the events are gone already: then count anew."""
        try:
            return self._changed([user_id], {}, store) if user_id in self.marks else self
        except (_Astray, BadInput):
            return None

    def over(self, index: Mapping[str, int]) -> Cooccurrence:
        """The counts in a catalogue's rows. index: row by item id, 0 to n - 1."""
        return self.counts.arranged(np.array([index.get(name, -1) for name in self.items], np.int64), len(index))

    def _refreshed(self, store: Store) -> Tally:
        now = store.favourable_marks(PURPOSE)
        changed = [user for user in self.marks.keys() | now.keys() if self.marks.get(user) != now.get(user)]
        return self._changed(sorted(changed), now, store) if changed else self

    def _changed(self, users: Sequence[str], now: Mapping[str, Mark], store: Store) -> Tally:
        """With these users' events up to the marks of now in place of those that are counted."""
        place = {name: row for row, name in enumerate(self.items)}
        old, new, marks = _Flat(place), _Flat(place), dict(self.marks)
        for user, events in _everyone(users, store):
            before, after = _until(events, self.marks.get(user)), _until(events, now.get(user))
            if len(before) != self.marks.get(user, Mark(0, 0)).events:
                raise _Astray("events that are counted were erased")
            old.append(before)
            new.append(after)
            marks.pop(user, None)
            if after:
                marks[user] = Mark(len(after), max(number for number, *_ in after))
        counts = self.counts.arranged(range(len(self.items)), len(place))
        counts = counts.subtract(*old.arrays()) if old.rows else counts
        counts = counts.add(*new.arrays()) if new.rows else counts
        return Tally(counts, tuple(place), marks, store.event_key(_last(marks)))

    # the file

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        counts, marks = self.counts, [(mark.events, mark.last) for mark in self.marks.values()]
        header = {"items": self.items, "users": list(self.marks), "last_key": self.last_key, **_made_by(counts.config)}
        file = io.BytesIO()
        np.savez(
            file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), taken=counts.taken,
            marks=np.array(marks, np.int64).reshape(-1, 2), data=counts.counts.data, indices=counts.counts.indices,
            indptr=counts.counts.indptr,
        )  # fmt: skip
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path, config: CooccurrenceConfig | None = None, *, marks: bool = True) -> Tally:
        """Read the file. None there, damaged, or counted by other rules: an empty tally, and a line in the log.

        marks: False leaves them out, which of a million users take more than all else; the tally then stays as it is.
        """
        config = config or CooccurrenceConfig()
        if not path.exists():
            return cls.empty(config)
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                return _read({name: arrays[name] for name in arrays.files}, config, marks)
        except Exception as error:  # what a damaged zip can raise is nowhere listed
            log.warning("%s: co-occurrence is counted anew: %s: %s", path, type(error).__name__, error)
            return cls.empty(config)


class Ledger:
    """The tally of a running service, and its file, which several processes may share. Not for several threads at once.

    path: of the file; None keeps the counts in memory alone. Without a fusion that would use them nothing is counted.
    held: counts that stay as they are, instead of those.
    """

    def __init__(self, store: Store, fusion: Fusion, path: Path | None = None, held: Tally | None = None) -> None:
        self._store, self._fusion, self._path = store, fusion, path
        self._tally, self._stamp, self._held = held or Tally.empty(), self._on_disk(), held is not None
        if path is not None and not fusion.neutral and not self._held:
            self._tally = Tally.load(path)

    @property
    def overtaken(self) -> bool:
        """Whether another process has written the file since this one read or wrote it."""
        return not self._fusion.neutral and not self._held and self._stamp != self._on_disk()

    @property
    def size(self) -> tuple[int, int]:
        """Users and pairs of items that are counted."""
        return len(self._tally.marks), int(self._tally.counts.counts.nnz)

    def refresh(self) -> None:
        """Bring the counts up to date with the store, and the file with the counts."""
        if not self._fusion.neutral and not self._held:
            before = self._latest()
            self._keep(before.refreshed(self._store), before)

    def last(self) -> Tally:
        """The counts as they were last brought up to date by anybody, without marks; counted now if never before."""
        if self._fusion.neutral:
            return Tally.empty()
        if self._path is None or not self._path.exists():
            fresh = Ledger(self._store, self._fusion, self._path)
            fresh.refresh()
            return replace(fresh._tally, marks={}, last_key=None)
        return replace(Tally.load(self._path, marks=False), last_key=None)

    @contextmanager
    def erasing(self, user_id: str) -> Iterator[None]:
        """While the store erases a user: they are subtracted here and in the file once they are gone there."""
        before = self._latest()
        rest = before.without(user_id, self._store)
        yield
        if self._fusion.neutral:
            if self._path is not None:
                self._path.unlink(missing_ok=True)  # of another model's service: counted anew when it is wanted
        else:
            self._keep(Tally.empty().refreshed(self._store) if rest is None else rest, before)

    def companions(self, index: Mapping[str, int]) -> Companions | None:
        """The counts in a catalogue's rows, with the fusion; None without one. index: row by item id."""
        if self._fusion.neutral:
            return None
        counts = self._tally.over(index)
        _ = counts.strengths  # made and kept now, so that nobody's answer has to wait for it
        return Companions(counts, self._fusion)

    def _latest(self) -> Tally:
        if self.overtaken and self._path is not None:
            self._stamp = self._on_disk()
            self._tally = Tally.load(self._path)
        return self._tally

    def _keep(self, tally: Tally, before: Tally) -> None:
        self._tally = tally
        if self._path is None or (tally is before and self._stamp is not None):
            return
        try:
            tally.save(self._path)
        except OSError as error:
            log.warning("%s: cannot be written (%s); the counts are kept in memory", self._path, error)
        self._stamp = self._on_disk()

    def _on_disk(self) -> tuple[int, int] | None:
        """What changes when the file is written."""
        try:
            status = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns) if status is not None else None


@dataclass
class _Flat:
    """Sequences as they are gathered, flat. place: row by item id, to which new items are added."""

    place: dict[str, int]
    starts: list[int] = field(default_factory=lambda: [0])
    rows: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def append(self, events: Iterable[Known]) -> None:
        for _, item_id, kind in events:
            self.rows.append(self.place.setdefault(item_id, len(self.place)))
            self.weights.append(POPULARITY[kind])
        self.starts.append(len(self.rows))

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        return np.array(self.starts), np.array(self.rows), np.array(self.weights)


def _everyone(users: Sequence[str], store: Store) -> Iterator[tuple[str, list[Known]]]:
    """The users' events, and none for those who have none."""
    missing = set(users)
    for user, events in store.favourable_events(users):
        missing.remove(user)
        yield user, events
    for user in sorted(missing):
        yield user, []


def _until(events: Sequence[Known], mark: Mark | None) -> list[Known]:
    return [event for event in events if event[0] <= mark.last] if mark else []


def _last(marks: Mapping[str, Mark]) -> int:
    return max((mark.last for mark in marks.values()), default=0)


def _made_by(config: CooccurrenceConfig) -> dict[str, Any]:
    """What other counts of the same events would come from."""
    return {"format": _FORMAT, "config": asdict(config), "weights": POPULARITY}


def _read(arrays: Mapping[str, NDArray[Any]], config: CooccurrenceConfig, marked: bool) -> Tally:
    header = json.loads(arrays["header"].tobytes())
    if any(header[name] != value for name, value in _made_by(config).items()):
        raise ValueError("it was counted by other rules")
    items, shape = tuple(header["items"]), (len(header["items"]),) * 2
    counts = sp.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape)
    counts.check_format()
    marks, users = arrays["marks"], header["users"]
    if counts.dtype != np.int64 or arrays["taken"].shape != shape[:1] or len(marks) != len(users):
        raise ValueError("its parts do not fit together")
    by_user = {user: Mark(*mark) for user, mark in zip(users, marks.tolist())} if marked else {}
    return Tally(Cooccurrence(config, counts, arrays["taken"]), items, by_user, header["last_key"])
