"""The maker of catalogues: users in, their entries and pictures out, in the order of the users.

A pipeline, so that no part waits for another: people are read some at a time and their wishes made in one thread, a
second draws them in full passes whoever they are of, others measure, explain and encode. Each is bounded in how far it
runs ahead, so memory is the same for a thousand users and for a million. Where the models have a single thread of a CPU
all is done in that one: a twentieth sooner. Nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeVar

import torch

from persona.batch.ahead import ahead, in_order
from persona.batch.begun import Begun, Doors
from persona.batch.passes import Wisher, drawn_together
from persona.batch.types import Spec, Versions
from persona.errors import Busy, NoRoom, OutOfDate, TooLate, Unavailable
from persona.recommend import Recommender
from persona.recommend.drawing import Drawer
from persona.recommend.entries import Entry
from persona.recommend.look_taste import LookShelf
from persona.recommend.person import LONGEST_MEMORY, Person, stored_people
from persona.store.engine import batches
from persona.store.records import Event
from persona.taste.table import Floats
from persona.workers import cores

AT_ONCE = 50  # users read by one query
AHEAD = 32  # users that each part of the pipeline may be ahead of the next
HELD = 512  # users that wait for a full pass of their generator
PIECES = 256  # decoded pictures of garments that are remembered for flat-lays, 64 KiB each
MOST_FINISHERS = 8  # threads
STOPS = (Unavailable, NoRoom, OutOfDate, Busy, TooLate, MemoryError, torch.OutOfMemoryError)
"""Errors that are not about a user: they stop the work."""

State = Literal["made", "left_out", "set_aside"]
T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """What became of a user.

    state: left_out for one who was erased or refuses personalisation, set_aside for one of whom nothing can be made.
    why: of these two, in words without anything personal. watermark: of the last event that counted. pictures: WebP
    files by their sha256, without those of the catalogue's own items. features: content vectors float32 (64,) of what
    can be liked, by generation.
    """

    user_id: str
    state: State
    why: str = ""
    watermark: int = 0
    entries: tuple[Entry, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    features: Mapping[str, Floats] = field(default_factory=dict, repr=False)


class _Settled(Wisher):
    """A user for whom nothing is drawn, since it is clear what becomes of them."""

    def __init__(self, made: Made, drawer: Drawer) -> None:
        super().__init__(drawer)
        self.made = made


class Maker:
    """Makes the catalogues of users as a run's spec has it. One thread may use it at a time."""

    def __init__(self, recommender: Recommender, spec: Spec) -> None:
        """recommender: stays the caller's, who closes it. Raises OutOfDate where looks are wanted and their models are
        not there."""
        self._recommender, self._spec, self._store = recommender, spec, recommender.store
        looks: LookShelf | None = recommender.makeup.look_shelf() if "looks" in spec.kinds else None
        self._doors = Doors(spec, lru_cache(PIECES)(recommender.pictures.get), recommender.makeup, looks)
        self._pool = ThreadPoolExecutor(_finishers(recommender), "persona-finish")

    @property
    def versions(self) -> Versions:
        """What makes the pictures."""
        arms, drawer = self._recommender.arms, self._recommender.main.atelier.drawer
        device = drawer.generator.device.type
        return Versions(
            taste={name: arm.taste.version for name, arm in arms.items()},
            generator={name: arm.generator.version for name, arm in arms.items()},
            looks=self._recommender.makeup.version,
            visual=drawer.visual.version,
            device=device,
            threads=torch.get_num_threads() if device == "cpu" else 1,
            batch=drawer.largest,
        )

    def make(self, user_ids: Iterable[str]) -> Generator[Made, None, None]:
        """Yield what becomes of each user, in the order of the ids.

        Who cannot be read or made anything for is set aside by name, and the rest goes on. Raises what is nobody's
        fault: Unavailable, NoRoom, MemoryError and the like. Closing it ends all that is under way.
        """
        begun = self._begun(user_ids)
        if self._alone:
            finished = self._in_turn(drawn_together(begun, HELD))
        else:
            drawn = ahead(drawn_together(ahead(begun, AHEAD, "persona-begin"), HELD), AHEAD, "persona-passes")
            finished = in_order(self._pool, self._finished, drawn, AHEAD)
        with closing(finished):
            yield from finished

    @property
    def _alone(self) -> bool:
        """Whether one thread does everything: where the models have but one, others would only stand in its way."""
        return self._recommender.main.generator.device.type == "cpu" and torch.get_num_threads() == 1

    def _in_turn(self, drawn: Generator[Begun | _Settled, None, None]) -> Generator[Made, None, None]:
        with closing(drawn):
            yield from map(self._finished, drawn)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _begun(self, user_ids: Iterable[str]) -> Generator[Begun | _Settled, None, None]:
        for part in batches(user_ids, AT_ONCE):
            people, events = self._read(part)
            for user_id in part:
                person = people.get(user_id)
                yield self._settled(person) if isinstance(person, Made) else self._begin(user_id, person, events)

    def _read(self, user_ids: Sequence[str]) -> tuple[dict[str, Person | Made], Mapping[str, Sequence[Event]]]:
        """People, or what becomes of those who cannot be read, and events of all kinds where looks are made."""
        try:
            people = stored_people(self._store, user_ids)
            looks = self._doors.looks is not None
            return dict(people), self._store.last_events(people, LONGEST_MEMORY) if looks else {}
        except Exception as error:
            if _stops(error):
                raise
            if len(user_ids) == 1:
                return {user_ids[0]: _set_aside(user_ids[0], "read", error)}, {}
            parts = [self._read([user_id]) for user_id in user_ids]
            if all(isinstance(one, Made) for people, _ in parts for one in people.values()):
                raise  # what is wrong with everybody is no fault of theirs
            return (
                {name: one for people, _ in parts for name, one in people.items()},
                {name: done for _, events in parts for name, done in events.items()},
            )

    def _begin(self, user_id: str, person: Person | None, events: Mapping[str, Sequence[Event]]) -> Begun | _Settled:
        if person is None:
            return self._settled(Made(user_id, "left_out", "erased"))
        if not person.personal:
            return self._settled(Made(user_id, "left_out", "refuses personalisation"))
        arm = self._recommender.assigned(user_id)
        done = events.get(user_id, ())
        begun = _guarded(user_id, "read", lambda: Begun(arm, person, done, self._doors))
        return self._settled(begun) if isinstance(begun, Made) else begun

    def _settled(self, made: Made) -> _Settled:
        return _Settled(made, self._recommender.main.atelier.drawer)

    def _finished(self, user: Begun | _Settled) -> Made:
        return user.made if isinstance(user, _Settled) else _guarded(user.user_id, "made", lambda: _made(user))


def _made(user: Begun) -> Made:
    entries, kept = user.finish()
    return Made(user.user_id, "made", "", user.watermark, entries, kept.pictures, kept.features)


def _guarded(user_id: str, what: str, work: Callable[[], T]) -> T | Made:
    """What the work comes to, or the user set aside by it."""
    try:
        return work()
    except Exception as error:
        if _stops(error):
            raise
        return _set_aside(user_id, what, error)


def _stops(error: Exception) -> bool:
    """Whether it is not about a user. A file that cannot be decoded is an OSError too, one without a number."""
    return isinstance(error, STOPS) or (isinstance(error, OSError) and error.errno is not None)


def _set_aside(user_id: str, what: str, error: Exception) -> Made:
    """Told without the error's own words, which may say something of the user."""
    return Made(user_id, "set_aside", f"cannot be {what} ({type(error).__name__})")


def _finishers(recommender: Recommender) -> int:
    """Threads that measure and encode: on a CPU the models need the rest."""
    if recommender.main.generator.device.type == "cpu":
        return 1
    return max(1, min(MOST_FINISHERS, cores() - 2))
