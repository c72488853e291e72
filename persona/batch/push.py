"""Loads finished catalogues into the store, so that the service answers by them at once.

It may be stopped anywhere and begun again: who is pushed already is passed over, and until the end users have either
the catalogue before or the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona.batch.draft import sync_disk, telling_no_room
from persona.batch.layout import Layout
from persona.batch.reading import Catalogues, Shard
from persona.batch.table import Rows, entries_of, made_pictures
from persona.catalog.pictures import Pictures, write_whole
from persona.errors import BadInput
from persona.recommend.entries import Entry
from persona.recommend.keeping import drop
from persona.recommend.seeds import digest
from persona.store import Store
from persona.store.records import Generation

AT_ONCE = 100  # users in memory
Progress = Callable[[int], object]
"""Told how many users more are done."""


@dataclass
class Pushed:
    """Users whose catalogue is in the store now, those who were erased since or refuse personalisation, and how many
    catalogues of runs before were dropped."""

    users: int = 0
    gone: int = 0
    dropped: int = 0


def push(out: Path, store: Store, pictures: Pictures, progress: Progress = lambda users: None) -> Pushed:
    """Put a finished directory's catalogues into the store in place of those before, and the pictures beside the
    service's own.

    Raises as `Catalogues`, NoRoom where the pictures' disk is full, BadInput or NotFound for damaged files.
    """
    catalogues, done = Catalogues(out), Pushed()
    run = "c-" + hashlib.sha256(Layout(out).manifest.read_bytes()).hexdigest()[:32]
    now = datetime.now(UTC)
    for shard in catalogues.shards():
        users = shard.users()
        while part := dict(islice(users, AT_ONCE)):
            known = store.pushed_by(run, list(part))
            _Part(shard, {name: rows for name, rows in part.items() if name not in known}, now).push(
                run, store, pictures, done
            )
            done.users += len(known)
            progress(len(part))
    done.dropped = store.drop_old_catalogues(run)
    return done


@dataclass
class _Part:
    """Some users' rows of a shard."""

    shard: Shard
    users: dict[str, Rows]
    now: datetime

    def push(self, run: str, store: Store, pictures: Pictures, done: Pushed) -> None:
        """Pictures first, then what refers to them, then the catalogues."""
        everybody = len(self.users)
        self._leave_out(store.gone(list(self.users)), store, pictures)
        while self.users:
            with telling_no_room(pictures.root, "persona batch push"):
                self._put_pictures(pictures)
            try:
                self._add_generations(store)
            except BadInput:  # somebody was erased meanwhile
                gone = store.gone(list(self.users))
                if not gone:
                    raise
                self._leave_out(gone, store, pictures)
                continue
            if all(sha256 in pictures for sha256 in self._pictures()):  # or erased with another user meanwhile
                break
        entries = {
            name: [entry.model_dump(mode="json", exclude_none=True) for entry in entries_of(rows)]
            for name, rows in self.users.items()
        }
        pushed = store.push_catalogues(run, self.now, entries) if entries else 0
        done.users += pushed
        done.gone += everybody - pushed

    def _leave_out(self, gone: set[str], store: Store, pictures: Pictures) -> None:
        """Forget users, with pictures of theirs that are nobody else's."""
        before = {sha256 for name in gone for sha256 in made_pictures(self.users[name])}
        self.users = {name: rows for name, rows in self.users.items() if name not in gone}
        for sha256 in before - set(self._pictures()):
            drop(store, pictures, sha256)

    def _pictures(self) -> Iterator[str]:
        return (sha256 for rows in self.users.values() for sha256 in made_pictures(rows))

    def _put_pictures(self, pictures: Pictures) -> None:
        new = {sha256 for sha256 in self._pictures() if not pictures.touch(sha256)}
        for sha256 in sorted(new):
            write_whole(pictures.path(sha256), self.shard.pictures.read(sha256), durable=False)
        if new:
            sync_disk(pictures.root)

    def _add_generations(self, store: Store) -> None:
        """What was made, with its vectors, so that a like counts; looks have none."""
        told: dict[str, tuple[Generation, NDArray[np.float32] | None]] = {}
        for name, rows in self.users.items():
            for entry, vector in zip(entries_of(rows), rows["feature"].to_pylist(), strict=True):
                for piece, feature in drawn_of(name, entry, self.now):
                    told.setdefault(piece.id, (piece, _vector(feature)))
                if (generation := generation_of(name, entry, self.now)) is not None:
                    told[generation.id] = generation, _vector(vector)
        with_vector = {one.id: (one, vector) for one, vector in told.values() if vector is not None}
        if with_vector:
            store.add_generations(
                [one for one, _ in with_vector.values()], np.stack([vector for _, vector in with_vector.values()])
            )
        if plain := [one for one, vector in told.values() if vector is None]:
            store.add_generations(plain)


def generation_of(user_id: str, entry: Entry, now: datetime) -> Generation | None:
    """What the store keeps of a picture that was made for a user; None of a real item.

    By it the picture is found, exported and erased with the user. now: when it is stored.
    """
    if entry.kind == "item" or entry.picture is None:
        return None
    made_from = entry.condition_digest or digest(entry.detail)
    made = digest(user_id, entry.model, made_from, entry.seed, entry.picture)
    return Generation(
        id=entry.generation_id or f"l-{made[:32]}",
        picture=entry.picture,
        user_id=user_id,
        model=entry.model,
        condition_digest=made_from,
        seed=entry.seed,
        category=entry.category,
        reasons=entry.reasons,
        created_at=now,
    )


def drawn_of(user_id: str, entry: Entry, now: datetime) -> list[tuple[Generation, list[float] | None]]:
    """The garments that were made for an outfit because the catalogue had none, as its `detail` tells of them (`drawn`:
    fields of a generation, and its `feature`), with their content vectors."""
    about = {"user_id": user_id, "created_at": now, "reasons": entry.reasons}
    return [
        (Generation.model_validate({**about, **{k: v for k, v in one.items() if k != "feature"}}), one.get("feature"))
        for one in entry.detail.get("drawn", ())
    ]


def _vector(feature: Sequence[float] | None) -> NDArray[np.float32] | None:
    return None if feature is None else np.array(feature, np.float32)
