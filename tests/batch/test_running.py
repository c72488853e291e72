"""Driving a run to its end: what is left of it, who is gone, and that a kill at any point changes nothing."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from persona.batch import finish as ending
from persona.batch.layout import Layout
from persona.batch.planning import plan, plan_removal
from persona.batch.running import run_shards
from persona.batch.types import Archive, Spec, shard_of
from persona.errors import BadInput, Conflict, NotFound
from persona.store import Event, Item, Profile, Rights, Store
from tests.batch import driven
from tests.batch.driven import VERSIONS, Inline, finished, picture_of

SPEC = Spec(users_per_shard=4)
MORNING = datetime(2025, 5, 4, 10, tzinfo=UTC)
Contents = dict[str, bytes]


class Stopped(BaseException):
    """As if the process had been killed here."""


@pytest.fixture
def peopled(store: Store) -> Store:
    """Sixteen users and an item."""
    store.bulk_users(Profile(id=f"u{n:02d}") for n in range(16))
    store.put_items([Item(id="i1", category="dress", rights=Rights(licence="CC0-1.0", source="https://example.org"))])
    return store


def like(store: Store, user: str, key: str = "k1") -> None:
    store.add_events([Event(key=key, user_id=user, item_id="i1", type="like", at=MORNING)])


def contents(out: Path) -> Contents:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def shown(out: Path) -> bytes:
    return b"".join(contents(out).values())


def archives() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("archive", ["tar", "files"])


def test_a_run_makes_every_shard_once_and_leaves_nothing_of_itself(peopled: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = plan(out, SPEC, peopled, VERSIONS)
    assert run is not None
    executor = Inline(peopled)
    manifest = run_shards(out, peopled, executor)
    assert executor.made == list(run.todo)
    assert [record.shard for record in manifest.shards] == list(run.todo)
    assert (manifest.totals.users, manifest.totals.rows) == (16, 32)
    named = {file.name for record in manifest.shards for file in record.files}
    assert named | {".lock", "manifest.json"} == {name for name in contents(out) if not name.startswith("plan/")}
    assert Layout(out).read_manifest() == manifest
    assert peopled.run_state(run.run) == "done"
    with pytest.raises(NotFound, match="no run is under way"):
        run_shards(out, peopled, executor)


@archives()
def test_what_is_made_for_those_who_changed_takes_the_place_of_the_old(
    peopled: Store, tmp_path: Path, archive: Archive
) -> None:
    spec = SPEC.model_copy(update={"archive": archive})
    out = finished(tmp_path / "out", spec, peopled)
    before = contents(out)
    like(peopled, "u01")
    plan(out, spec, peopled, VERSIONS)
    run_shards(out, peopled, Inline(peopled))
    shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
    fresh = finished(tmp_path / "fresh", spec, peopled)
    now = contents(out)
    assert {name: now[name] for name in now if not name.startswith("plan/")} == {
        name: content for name, content in contents(fresh).items() if not name.startswith("plan/")
    }
    assert picture_of("u01", 0) in b"".join(before.values())
    assert picture_of("u01", 0) not in b"".join(now.values())
    unchanged = [name for name in before if name.startswith("index/") and f"index/{shard_of('u01', 4):05d}" not in name]
    assert len(unchanged) == 3
    assert all(now[name] == before[name] for name in unchanged)


@archives()
def test_who_is_erased_in_mid_run_is_in_nothing_of_it(peopled: Store, tmp_path: Path, archive: Archive) -> None:
    out = tmp_path / "out"
    spec = SPEC.model_copy(update={"archive": archive})
    run = plan(out, spec, peopled, VERSIONS)
    assert run is not None
    last = run.todo[-1]
    early = next(f"u{n:02d}" for n in range(16) if shard_of(f"u{n:02d}", 4) == run.todo[0])
    refusing = next(f"u{n:02d}" for n in range(16) if shard_of(f"u{n:02d}", 4) == run.todo[1])

    def erase(shard: int) -> None:
        if shard == last:  # when their own shards are made
            peopled.delete_user(early)
            peopled.put_user(Profile(id=refusing, consents={"personalisation": False}))

    executor = Inline(peopled, before=erase)
    manifest = run_shards(out, peopled, executor)
    assert executor.made == [*run.todo, run.todo[0], run.todo[1]]
    assert manifest.totals.users == 14
    assert [record.left_out for record in manifest.shards] == [1, 1, 0, 0]
    files = b"".join(content for name, content in contents(out).items() if not name.startswith("plan/"))
    for user in (early, refusing):
        assert user.encode() not in files
    assert plan(out, spec, peopled, VERSIONS) is None


@archives()
def test_who_is_erased_later_goes_without_anybody_being_made_anew(
    peopled: Store, tmp_path: Path, archive: Archive
) -> None:
    spec = SPEC.model_copy(update={"archive": archive})
    out = finished(tmp_path / "out", spec, peopled)
    peopled.delete_user("u05")
    removal = plan_removal(out, peopled)
    assert removal is not None
    assert removal.changed == 0
    run_shards(out, peopled, Inline(peopled))
    assert picture_of("u05", 0) not in shown(out)
    assert picture_of("u06", 0) in shown(out)
    assert b"u05" not in b"".join((out / "plan" / name).read_bytes() for name in os.listdir(out / "plan"))
    assert plan_removal(out, peopled) is None


def test_shards_that_have_nobody_are_there_all_the_same(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC.model_copy(update={"users_per_shard": 1}), peopled)
    peopled.delete_user("u03")
    assert plan_removal(out, peopled) is not None
    manifest = run_shards(out, peopled, Inline(peopled))
    assert [record.shard for record in manifest.shards] == list(range(16))
    assert 0 in {record.users for record in manifest.shards}
    assert manifest.totals.users == 15
    assert picture_of("u03", 0) not in shown(out)


def test_a_picture_that_others_have_too_stays(peopled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driven, "picture_of", lambda user, mark: b"the same" if mark == 0 else b"another")
    monkeypatch.setattr(ending, "AT_ONCE", 1)
    spec = SPEC.model_copy(update={"archive": "files"})
    out = finished(tmp_path / "out", spec, peopled)
    like(peopled, "u01")
    plan(out, spec, peopled, VERSIONS)
    run_shards(out, peopled, Inline(peopled))
    assert sorted(content for name, content in contents(out).items() if name.endswith(".webp")) == [
        b"another",
        b"the same",
    ]


def test_it_goes_on_from_what_is_made_and_makes_anew_what_is_damaged(peopled: Store, tmp_path: Path) -> None:
    clean = contents(finished(tmp_path / "clean", SPEC, peopled))
    out = tmp_path / "out"
    run = plan(out, SPEC, peopled, VERSIONS)
    assert run is not None

    def stop(shard: int) -> None:
        if shard == run.todo[3]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_shards(out, peopled, Inline(peopled, before=stop))
    index = Layout(out).work / "index"
    next(index.glob(f"{run.todo[0]:05d}-*")).unlink()
    torn = next(index.glob(f"{run.todo[2]:05d}-*"))
    torn.write_bytes(torn.read_bytes()[:-1])
    (index / "00001-abc.part").write_bytes(b"half")
    executor = Inline(peopled)
    run_shards(out, peopled, executor)
    assert executor.made == [run.todo[0], run.todo[2], run.todo[3]]
    assert contents(out) == clean


def test_sigterm_stops_it_as_ctrl_c_does(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.put_user(Profile(id="u1"))
    out, before = tmp_path / "out", signal.getsignal(signal.SIGTERM)
    plan(out, SPEC, sqlite_store, VERSIONS)
    with pytest.raises(KeyboardInterrupt):
        run_shards(out, sqlite_store, Inline(sqlite_store, before=lambda shard: os.kill(os.getpid(), signal.SIGTERM)))
    assert signal.getsignal(signal.SIGTERM) is before


def changes_of_files(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> None:
    """Call this before anything is renamed or removed."""
    for owner, name in ((os, "rename"), (os, "replace"), (Path, "unlink"), (shutil, "rmtree"), (Store, "end_run")):
        original = getattr(owner, name)

        def counted(*args: object, _original: Callable[..., object] = original, **options: object) -> object:
            before()
            return _original(*args, **options)

        monkeypatch.setattr(owner, name, counted)


@archives()
def test_a_kill_at_any_step_of_the_end_changes_nothing(sqlite_store: Store, tmp_path: Path, archive: Archive) -> None:
    spec = SPEC.model_copy(update={"archive": archive})
    store = sqlite_store
    store.bulk_users(Profile(id=f"u{n:02d}") for n in range(6))
    store.put_items([Item(id="i1", category="dress", rights=Rights(licence="CC0-1.0", source="https://example.org"))])
    old = finished(tmp_path / "old", spec, store)
    like(store, "u01")
    shutil.copytree(old, tmp_path / "clean")
    plan(tmp_path / "clean", spec, store, VERSIONS)
    run_shards(tmp_path / "clean", store, Inline(store))
    clean, steps = contents(tmp_path / "clean"), 0
    for steps in range(1000):
        out = tmp_path / f"killed-{steps}"
        shutil.copytree(old, out)
        run = plan(out, spec, store, VERSIONS)
        assert run is not None
        if not _stopped_at(steps, out, store):
            break
        if Layout(out).run.exists():
            assert run_shards(out, store, Inline(store)) == Layout(out).read_manifest()
        else:
            assert (plan(out, spec, store, VERSIONS) if archive == "tar" else plan_removal(out, store)) is None
        assert contents(out) == clean
        assert not Layout(out).work.exists()
        assert store.run_state(run.run) == "done"
        shutil.rmtree(out)
    assert steps > 8


def _stopped_at(step: int, out: Path, store: Store) -> bool:
    """Drive the run until its end has come so many steps; whether it came that far."""
    left = [step]

    def count() -> None:
        if Layout(out).next_manifest.exists() or not Layout(out).run.exists():
            left[0] -= 1
            if left[0] < 0:
                raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        changes_of_files(patch, count)
        try:
            run_shards(out, store, Inline(store))
        except Stopped:
            return True
    return False


def test_what_a_shard_raises_stops_the_run(peopled: Store, tmp_path: Path) -> None:
    def fail(shard: int) -> None:
        raise BadInput("shard", str(shard))

    plan(tmp_path / "out", SPEC, peopled, VERSIONS)
    with pytest.raises(BadInput, match="shard"):
        run_shards(tmp_path / "out", peopled, Inline(peopled, before=fail))


@pytest.fixture
def planned(peopled: Store, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A run under way, and its id."""
    run = plan(tmp_path / "out", SPEC, peopled, VERSIONS)
    assert run is not None
    return tmp_path / "out", run.run


def test_another_database_or_driver_is_refused(planned: tuple[Path, str], peopled: Store) -> None:
    out, run = planned

    def again(shard: int) -> None:
        run_shards(out, peopled, Inline(peopled))

    with pytest.raises(Conflict, match="another process"):
        run_shards(out, peopled, Inline(peopled, before=again))
    peopled.end_run(run, {})
    with pytest.raises(Conflict, match="another copy"):
        run_shards(out, peopled, Inline(peopled))
    peopled.drop_run(run)
    with pytest.raises(NotFound, match="this database knows nothing"):
        run_shards(out, peopled, Inline(peopled))
