"""A simulated company: users by the million, simulated part by part and stored as they come, in flat memory."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np

from persona.errors import BadInput, Unavailable
from persona.store.loading import Loaded, NewUsers
from persona.store.records import EVENT_TYPES
from persona.taste.simulate import CONSENTS, DEFAULT, Simulation, Simulator, simulate, simulated_ids
from persona.taste.table import STATEMENTS, ItemTable

if TYPE_CHECKING:
    from persona.store import Store

PART = 2000  # users simulated and stored at once
MOST = 200.0  # steps of a user on average
_TRIES = 5  # of so many users as a part has: their number is then within a hundredth or two
_FEW = 3  # parts from which on a process of their own is worth its start

Part = tuple[int, int]  # number of its first user, and how many


def simulate_company(
    store: Store, table: ItemTable, users: int, seed: int = 0, settings: Simulator = DEFAULT
) -> Generator[Loaded, None, None]:
    """Simulate users over a catalogue and store them with their events; yields what became of each part of PART users.

    Every part is one transaction. Users who are there already are passed over: to do it again goes on where it ended.
    """
    todo = []
    for first in range(0, users, PART):
        part = (first, min(PART, users - first))
        known = len(store.known_users(simulated_ids(part[1], seed, first)))
        if known == part[1]:
            yield Loaded(0, 0, known)
        else:
            todo.append(part)
    with closing(_simulated(table, todo, seed, settings)) as parts:
        for new in _columns_ahead(parts, table):
            yield store.load_users(new)
    if len(todo) >= _FEW:
        store.settle()


def _columns_ahead(parts: Iterable[Simulation], table: ItemTable) -> Iterator[NewUsers]:
    """The columns of each part, made while the database works on the part before."""
    with ThreadPoolExecutor(1) as pool:
        before: Future[NewUsers] | None = None
        for made in parts:
            now = pool.submit(columns, made, table)
            if before is not None:
                yield before.result()
            before = now
        if before is not None:
            yield before.result()


def _simulated(
    table: ItemTable, parts: Sequence[Part], seed: int, settings: Simulator
) -> Generator[Simulation, None, None]:
    """Each part, simulated; if there are many, by a process of their own, always one part ahead."""
    if len(parts) < _FEW:
        yield from (simulate(table, count, seed, settings, first=first) for first, count in parts)
        return
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_simulate_parts, args=(theirs, table, parts, seed, settings), daemon=True)
    process.start()
    theirs.close()
    try:
        for _ in parts:
            yield ours.recv()
    except EOFError:
        raise Unavailable("the process that simulates has died; do the same again to go on from there") from None
    finally:
        ours.close()  # it notices when it sends the next part
        process.join()


def _simulate_parts(to: Connection, table: ItemTable, parts: Sequence[Part], seed: int, settings: Simulator) -> None:
    """What that process does: the pipe takes a part when the one before it has been read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever reads is told, and closes the pipe
    with suppress(BrokenPipeError), to:
        for first, count in parts:
            to.send(simulate(table, count, seed, settings, first=first))


def columns(made: Simulation, table: ItemTable) -> NewUsers:
    """Simulated users as the store loads them: the same that `Simulation.profiles` and `.events` are as records."""
    users = made.users
    owners = np.repeat(np.arange(len(users)), np.diff(users.events))
    places = np.arange(len(users.row)) - users.events[owners]
    names = [users.ids[owner] for owner in owners.tolist()]
    keys = [f"{name}-{place}" for name, place in zip(names, places.tolist(), strict=True)]
    items = np.array(table.ids, object)[users.row].tolist()
    kinds = np.array(EVENT_TYPES, object)[users.kind].tolist()
    stating = np.repeat(np.arange(len(users)), np.diff(users.stated))
    positions = np.arange(len(stating)) - users.stated[stating]
    said = zip(stating.tolist(), users.statement.tolist(), users.weight.tolist(), positions.tolist(), strict=True)
    came = np.full(len(users), time.time())
    acted = np.diff(users.events) > 0
    came[acted] = users.at[users.events[:-1][acted]]
    return NewUsers(
        ids=users.ids,
        source="simulated",
        consents=CONSENTS,
        traits=made.traits(),
        stated=[(users.ids[user], *STATEMENTS[code], round(weight, 3), place) for user, code, weight, place in said],
        done=list(zip(keys, names, items, kinds, strict=True)),
        at=users.at,
        since=came,
    )


def steps_for(table: ItemTable, events: float, seed: int = 0, settings: Simulator = DEFAULT) -> Simulator:
    """The settings with which users do so many events on average: of their steps some leave none, more of them the
    smaller the catalogue is. Raises BadInput for more than they can do here."""
    steps = events
    for _ in range(_TRIES):
        if not 3 <= steps <= MOST:
            why = f"{events:.0f} of each user are out of reach: ask for 3 or more, and for no more than they do in"
            raise BadInput("events", f"{why} {MOST:.0f} steps over {len(table)} items, or import more items")
        tried = replace(settings, events=steps)
        steps *= events * PART / len(simulate(table, PART, seed, tried).users.row)
    return tried
