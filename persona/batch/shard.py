"""Makes the shards of a run: who is planned is made or carried over, who is gone is left out, and the store is told.

A shard's files are on the disk before its row is written: whatever dies in between, it is made again and is the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Set
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from persona.arms import Split, arms_of
from persona.batch.draft import telling_no_room
from persona.batch.layout import Layout
from persona.batch.planning import check_versions
from persona.batch.reading import Shard
from persona.batch.table import Rows
from persona.batch.types import Run, ShardRecord, Versions
from persona.batch.writing import ModelsOf, ShardWriter
from persona.settings import Settings

if TYPE_CHECKING:
    from persona.batch.making import Made, Maker
    from persona.batch.plan import Plan
    from persona.store import Store


def open_maker(out: Path, settings: Settings) -> ShardMaker:
    """Open the store and the models, to make shards of the run in a directory: a `persona.batch.types.Open`.

    This process computes with the number of threads that was planned. A run that makes nothing, but only removes users,
    needs no models. Raises OutOfDate where models, device, threads or batch are others than planned, NotFound where no
    run is under way.
    """
    from persona.batch.plan import Plan
    from persona.store import Store

    layout = Layout(out)
    run = layout.read_run()
    with ExitStack() as opened:
        store = opened.enter_context(Store.open(settings.url))
        maker = _open_models(out, settings, run, opened) if run.changed else None
        models_of = arm_models(settings, run.versions)
        return ShardMaker(layout, run, Plan(layout.next_plan), maker, store, models_of, opened.pop_all())


def _open_models(out: Path, settings: Settings, run: Run, opened: ExitStack) -> Maker:
    """What makes the run's pictures. opened: what is to be closed later is put there."""
    import torch

    from persona.batch.making import Maker
    from persona.recommend.crowd import Crowd
    from persona.recommend.recommender import Recommender

    torch.set_num_threads(run.versions.threads)
    recommender = Recommender.open(settings, Crowd.load(Layout(out).crowd))
    opened.callback(recommender.close)
    maker = Maker(recommender, run.spec)
    opened.callback(maker.close)
    check_versions(Layout(out), run.versions, maker.versions)
    return maker


def arm_models(settings: Settings, versions: Versions) -> ModelsOf:
    """Says by whose models a user's catalogue is made."""

    @cache
    def split() -> Split:  # looked up when somebody is made: to remove users, no models need to be there
        return Split({name: arm.share for name, arm in arms_of(settings).items()})

    def models_of(user_id: str) -> tuple[str, str]:
        arm = split().of(user_id)
        return versions.taste[arm], versions.generator[arm]

    return models_of


@dataclass
class ShardMaker:
    """Makes one shard after the other: a `persona.batch.types.Make`. Not to be shared between threads.

    maker: None where nobody is to be made. owned: what is to be closed with it.
    """

    layout: Layout
    run: Run
    plan: Plan
    maker: Maker | None
    store: Store
    models_of: ModelsOf
    owned: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        known = self.layout.manifest.exists()
        self._before: Mapping[int, ShardRecord] = (
            {record.shard: record for record in self.layout.read_manifest().shards} if known else {}
        )

    def __call__(self, number: int) -> ShardRecord:
        """Make a shard and have the store say so. Raises NoRoom, with nothing half written, on a full disk."""
        planned = {one.member.user_id: one.todo for one in self.plan.shard(number)}
        gone = self.store.gone(planned)
        before = self._before.get(number)
        source = None if before is None else Shard(self.layout.out, before)
        while True:
            with telling_no_room(self.layout.out):
                record = self._write(number, planned, gone, source)
            kept = [user_id for user_id in planned if user_id not in gone]
            went = self.store.end_shard(self.run.run, number, record.model_dump(mode="json"), kept)
            if not went:
                return record
            gone |= went  # those who stay are carried over from what was just written
            planned = dict.fromkeys(planned, False)
            source = Shard(self.layout.work, record)

    def close(self) -> None:
        """Let go of models and store."""
        self.owned.close()

    def _write(self, number: int, planned: Mapping[str, bool], gone: Set[str], source: Shard | None) -> ShardRecord:
        """planned: whether to make it anew, by user, in the order of the ids. source: of those who are carried over."""
        made = self._make(user_id for user_id, todo in planned.items() if todo and user_id not in gone)
        carried = _Carried(source)
        writing = ShardWriter(self.layout.work, number, self.run.spec.archive, self.models_of)
        with closing(made), writing as writer:
            for user_id, todo in planned.items():
                if user_id in gone:
                    writer.leave_out()
                elif todo:
                    writer.add(next(made))
                else:
                    carried.give(user_id, writer)
            return writer.finish()

    def _make(self, user_ids: Iterable[str]) -> Generator[Made, None, None]:
        if self.maker is not None:
            yield from self.maker.make(user_ids)


class _Carried:
    """Users' rows and pictures from files that were written before, in the order of the ids."""

    def __init__(self, source: Shard | None) -> None:
        self._source = source
        self._users: Iterator[tuple[str, Rows]] = iter(()) if source is None else source.users()
        self._next = next(self._users, None)
        self._set_aside = {} if source is None else {one.user_id: one for one in source.record.set_aside}

    def give(self, user_id: str, writer: ShardWriter) -> None:
        """Write what there is of a user, who may have nothing."""
        while self._next is not None and self._next[0] < user_id:
            self._next = next(self._users, None)
        if user_id in self._set_aside:
            writer.set_aside(self._set_aside[user_id])
        elif self._source is not None and self._next is not None and self._next[0] == user_id:
            writer.carry(self._next[1], self._source.pictures.read)
