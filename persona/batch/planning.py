"""Planning a run: what of a directory's catalogue has to be made anew, and for whom, fixed before anything is made."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from persona.batch.changes import Changes, everything
from persona.batch.draft import telling_no_room
from persona.batch.layout import Layout
from persona.batch.lock import driving
from persona.batch.plan import Choose, Plan, Written, write_plan
from persona.batch.types import Manifest, Run, Spec, Versions
from persona.catalog.pictures import write_whole
from persona.errors import BadInput, NoRoom, OutOfDate
from persona.recommend.crowd import Crowd
from persona.store import Store
from persona.store.batches import Member

Members = Callable[[], Iterator[Sequence[Member]]]


@dataclass(frozen=True)
class _Asked:
    """What is to be planned. most: users there can be. items: that can be chosen. manifest: of the catalogue that is
    there already, and renew: all of it is to be made anew. crowd: reads what everybody did."""

    spec: Spec
    versions: Versions
    members: Members
    most: int
    items: Sequence[str]
    manifest: Manifest | None
    renew: bool = False
    crowd: Callable[[], Crowd] = Crowd


def plan(
    out: Path,
    spec: Spec,
    store: Store,
    versions: Versions,
    *,
    ids: Sequence[str] | None = None,
    everybody: bool = False,
    crowd: Callable[[], Crowd] = Crowd,
) -> Run | None:
    """Plan a run into a directory, and write that down; None where nothing has changed since the last one.

    ids: of the users of a list, whose digest the spec has. everybody: all are made anew. crowd: reads what everybody
    did, by which all of the run is ranked (`Recommender.crowd`). A run under way there already is returned as it
    is, if it is of this spec and these versions.

    Raises BadInput, naming `out` or `users` and the remedy: a directory of something else or of another run, or nobody
    to make anything for; OutOfDate where the models are not those that a run under way began with; Conflict where
    somebody else is at work in the directory, NoRoom. Then nothing is changed.
    """
    layout = Layout(out)
    _check(layout, spec)
    if layout.run.exists():
        return _under_way(layout, versions)
    asked = replace(_asked(layout, spec, store, versions, ids, everybody), crowd=crowd)
    with driving(layout):
        if not layout.run.exists():
            return _plan(layout, store, asked)
    _check(layout, spec)  # somebody else planned one meanwhile
    return _under_way(layout, versions)


def plan_removal(out: Path, store: Store) -> Run | None:
    """Plan to take out of a finished catalogue those who were erased, or refuse personalisation, since it was made.

    None where there is nobody. The others stay as they are. Raises as `plan`, and NotFound where there is no catalogue.
    """
    layout = Layout(out)
    manifest = layout.read_manifest()
    with driving(layout):
        if layout.run.exists():
            return layout.read_run()
        before = Plan(layout.plan)
        if not any(store.gone(part) for part in before.users()):
            shutil.rmtree(layout.work, ignore_errors=True)  # what was left of a run that was finished
            return None
        items, most = before.items.to_pylist(), manifest.totals.users
        return _plan(
            layout, store, _Asked(manifest.spec, manifest.versions, _staying(store, before), most, items, manifest)
        )


def preview(
    folder: Path,
    out: Path,
    spec: Spec,
    store: Store,
    versions: Versions,
    *,
    ids: Sequence[str] | None = None,
    everybody: bool = False,
) -> Plan:
    """Write what `plan` would into another folder, an empty one, and change nothing else. Raises as `plan`."""
    layout = Layout(out)
    _check(layout, spec)
    _write(layout, folder / "plan", _asked(layout, spec, store, versions, ids, everybody))
    return Plan(folder / "plan")


def _asked(
    layout: Layout, spec: Spec, store: Store, versions: Versions, ids: Sequence[str] | None, everybody: bool
) -> _Asked:
    most = len(ids) if ids is not None else store.count_catalogue_users(spec.segment)
    if not most:
        raise _nobody()
    manifest = layout.read_manifest() if layout.manifest.exists() else None
    renew = everybody or manifest is None or manifest.versions != versions

    def members() -> Iterator[Sequence[Member]]:
        return store.members(ids, None if ids is not None else spec.segment)

    return _Asked(spec, versions, members, most, store.catalogue_items(), manifest, renew)


def _plan(layout: Layout, store: Store, asked: _Asked) -> Run | None:
    shutil.rmtree(layout.work, ignore_errors=True)  # what an interrupted planning left
    try:
        with telling_no_room(layout.out):
            run = _begun(layout, store, asked)
    except NoRoom as error:
        shutil.rmtree(layout.work, ignore_errors=True)
        raise NoRoom(f"{layout.out}: no room for the plan; make room, then plan it again. Nothing changed") from error
    except BaseException:
        shutil.rmtree(layout.work, ignore_errors=True)
        raise
    if run is None:
        shutil.rmtree(layout.work)
    return run


def _begun(layout: Layout, store: Store, asked: _Asked) -> Run | None:
    written = _write(layout, layout.next_plan, asked)
    if not written.todo:
        return None
    run = Run(
        run=uuid4().hex, spec=asked.spec, versions=asked.versions, shards=Plan(layout.next_plan).shards,
        todo=written.todo, users=written.users, changed=written.changed,
    )  # fmt: skip
    asked.crowd().save(layout.crowd)
    store.begin_run(run.run, asked.spec.model_dump(mode="json"))
    try:
        write_whole(layout.run, (run.model_dump_json(indent=1) + "\n").encode())
    except BaseException:
        store.drop_run(run.run)
        raise
    return run


def _write(layout: Layout, folder: Path, asked: _Asked) -> Written:
    choose: Choose = everything
    shards = max(1, math.ceil(asked.most / asked.spec.users_per_shard))
    if asked.manifest is not None:
        before = Plan(layout.plan)
        shards = before.shards
        choose = everything if asked.renew else Changes(layout.out, before, asked.manifest, asked.items)
    written = write_plan(folder, shards, asked.members(), choose, asked.items)
    if not written.users and asked.manifest is None:
        raise _nobody()
    return written


def _nobody() -> BadInput:
    return BadInput("users", "of these there is nobody to make a catalogue for; import users, or choose others")


def _staying(store: Store, before: Plan) -> Members:
    """Who is planned already and not gone, as they were planned."""

    def members() -> Iterator[Sequence[Member]]:
        for shard in before.shards_with_users:
            planned = before.shard(shard)
            gone = store.gone([one.member.user_id for one in planned])
            yield [one.member for one in planned if one.member.user_id not in gone]

    return members


def _under_way(layout: Layout, versions: Versions) -> Run:
    run = layout.read_run()
    check_versions(layout, run.versions, versions)
    return run


def check_versions(layout: Layout, planned: Versions, now: Versions) -> None:
    """Raise OutOfDate, naming what differs, unless a run goes on by what it was begun with."""
    for name, value in planned:
        if value != getattr(now, name):
            raise OutOfDate(
                f"{layout.out}: the run was planned with {name} {value}, and here it is {getattr(now, name)}; put that "
                f"back and `persona batch resume {layout.out}`, or remove {layout.work} to plan it anew"
            )


def _check(layout: Layout, spec: Spec) -> None:
    """Raise BadInput unless the directory is empty, or of a run of this spec."""
    if not layout.out.exists():
        return
    if not layout.out.is_dir():
        raise BadInput("out", f"{layout.out} is a file; name a directory")
    if layout.run.exists():
        _compare(layout, layout.read_run().spec, spec, "the run under way there")
    elif layout.manifest.exists():
        _compare(layout, layout.read_manifest().spec, spec, "the catalogue there")
    elif strange := sorted(one.name for one in layout.out.iterdir() if one not in (layout.work, layout.lock)):
        raise BadInput(
            "out", f"{layout.out} holds something else ({', '.join(strange[:3])}); name an empty or new directory"
        )


def _compare(layout: Layout, there: Spec, asked: Spec, what: str) -> None:
    for name, value in asked:
        if value != getattr(there, name):
            raise BadInput(
                "out",
                f"{layout.out}: {what} has {name} {getattr(there, name)}, asked for is {value}; ask for the same, or "
                "name another directory",
            )
