"""Planning: who, which shard, what is to be redone; and directories that something is wrong with."""

from __future__ import annotations

import fcntl
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from persona.batch.changes import everything
from persona.batch.layout import Layout
from persona.batch.plan import Plan, shards_of, write_plan
from persona.batch.planning import plan, plan_removal, preview
from persona.batch.types import Spec, shard_of
from persona.errors import BadInput, Conflict, NoRoom, NotFound, OutOfDate
from persona.store import Event, Item, Profile, Rights, Store, Traits
from persona.store.batches import Member
from tests.batch.driven import VERSIONS, finished

SPEC = Spec(users_per_shard=4)
MORNING = datetime(2025, 5, 4, 10, tzinfo=UTC)


def some(count: int) -> list[Member]:
    return [Member(f"u{n:05d}", MORNING + timedelta(seconds=n), n % 7, n) for n in range(count)]


def like(user: str, item: str, key: str) -> Event:
    return Event(key=key, user_id=user, item_id=item, type="like", at=MORNING)


@pytest.fixture
def peopled(store: Store) -> Store:
    """Twenty users, of whom u03 refuses personalisation; two items."""
    ages = ("18-24", "25-34")
    users = [Profile(id=f"u{n:02d}", traits=Traits(age_band=ages[n % 2])) for n in range(20)]
    store.bulk_users([*users[:3], Profile(id="u03", consents={"personalisation": False}), *users[4:]])
    rights = Rights(licence="CC0-1.0", source="https://example.org")
    store.put_items(Item(id=name, category="dress", rights=rights) for name in ("i1", "i2"))
    return store


def todo(planned: Plan) -> set[str]:
    shards = planned.shards_with_users
    return {one.member.user_id for shard in shards for one in planned.shard(shard) if one.todo}


def test_a_plan_holds_everybody_once_in_their_shard_by_id(tmp_path: Path) -> None:
    members = some(500)
    parts: Sequence[Sequence[Member]] = [members[:123], [], members[123:]]
    written = write_plan(tmp_path / "plan", 150, parts, everything, ["i1"])
    planned = Plan(tmp_path / "plan")
    assert planned.shards == 150
    assert written.todo == tuple(range(150))
    assert 100 < len(planned.shards_with_users) < 150
    assert (written.users, written.changed) == (500, 500)
    found = {shard: [one.member for one in planned.shard(shard)] for shard in range(150)}
    assert [member for shard in found for member in found[shard]] == sorted(
        members, key=lambda one: (shard_of(one.user_id, 150), one.user_id)
    )
    assert all(shard_of(member.user_id, 150) == shard for shard in found for member in found[shard])
    assert sorted(user for part in planned.users() for user in part) == [member.user_id for member in members]
    assert planned.items.to_pylist() == ["i1"]
    with pytest.raises(BadInput, match="no shard 150"):
        planned.shard(150)


def test_the_order_of_the_users_does_not_show_in_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = some(300)
    write_plan(tmp_path / "a", 7, [members], everything)
    monkeypatch.setattr("persona.batch.plan.SPILLED", 10)
    write_plan(tmp_path / "b", 7, [members[n : n + 4] for n in range(296, -1, -4)], everything)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_shards_of_many_are_those_of_one() -> None:
    ids = [f"somebody@{n}" for n in range(100)]
    assert shards_of(ids, 17).tolist() == [shard_of(one, 17) for one in ids]
    assert pa.array(shards_of(["x"], 3)).type == pa.int32()


def test_a_plan_that_is_damaged_is_named(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", 2, [some(9)], everything)
    with pytest.raises(BadInput, match="holds no plan"):
        Plan(tmp_path).shard(0)
    for path in (tmp_path / "plan").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadInput, match="damaged"):
        Plan(tmp_path / "plan").shard(0)


def test_the_first_run_is_for_everybody_who_does_not_refuse(peopled: Store, tmp_path: Path) -> None:
    run = plan(tmp_path / "out", SPEC, peopled, VERSIONS)
    assert run is not None
    assert (run.shards, run.users, run.changed) == (5, 19, 19)
    planned = Plan(Layout(tmp_path / "out").next_plan)
    assert todo(planned) == {f"u{n:02d}" for n in range(20)} - {"u03"}
    assert run.todo == tuple(range(5))
    assert peopled.run_state(run.run) == "running"
    assert plan(tmp_path / "out", SPEC, peopled, VERSIONS) == run  # it is under way


def test_users_of_a_list_or_a_segment(peopled: Store, tmp_path: Path) -> None:
    listed = plan(tmp_path / "a", Spec(users="abc"), peopled, VERSIONS, ids=["u02", "u03", "u04", "unknown"])
    young = plan(tmp_path / "b", Spec(users="segment", segment={"age_band": "18-24"}), peopled, VERSIONS)
    assert listed is not None
    assert young is not None
    assert todo(Plan(Layout(tmp_path / "a").next_plan)) == {"u02", "u04"}
    assert todo(Plan(Layout(tmp_path / "b").next_plan)) == {f"u{n:02d}" for n in range(0, 20, 2)}


def test_when_nothing_changed_nothing_is_written(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC, peopled)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert plan(out, SPEC, peopled, VERSIONS) is None
    assert plan_removal(out, peopled) is None
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_only_who_changed_is_made_anew(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC, peopled)
    peopled.add_events([like("u01", "i1", "k1")])
    peopled.put_user(peopled.get_user("u02").model_copy(update={"traits": Traits(skin_tone=3)}))
    peopled.put_user(Profile(id="new"))
    peopled.put_user(Profile(id="u03", consents={"personalisation": True}))
    run = plan(out, SPEC, peopled, VERSIONS)
    assert run is not None
    changed = {"u01", "u02", "u03", "new"}
    assert todo(Plan(Layout(out).next_plan)) == changed
    assert set(run.todo) == {shard_of(user, 5) for user in changed}
    assert (run.shards, run.users, run.changed) == (5, 21, 4)


def test_a_shard_that_lost_a_user_is_made_anew_and_nobody_in_it(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC, peopled)
    peopled.delete_user("u05")
    removal = plan_removal(tmp_path / "out", peopled)
    assert removal is not None
    assert removal.todo == (shard_of("u05", 5),)
    assert todo(Plan(Layout(out).next_plan)) == set()
    assert removal.users == 18


def test_who_was_left_out_of_a_shard_is_not_missed_in_it(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC, peopled, meanwhile=lambda: peopled.delete_user("u05"))
    assert plan(out, SPEC, peopled, VERSIONS) is None


def test_who_has_an_item_that_is_no_longer_there_is_made_anew(peopled: Store, tmp_path: Path) -> None:
    for number, user in enumerate(("u01", "u04")):
        peopled.add_events([like(user, "i1", f"k{number}")])  # the light maker gives what was liked
    out = finished(tmp_path / "out", SPEC, peopled)
    rights = Rights(licence="CC0-1.0", source="https://example.org")
    peopled.put_items([Item(id="i1", category="dress", rights=rights, active=False)])
    assert plan(out, SPEC, peopled, VERSIONS) is not None
    assert todo(Plan(Layout(out).next_plan)) == {"u01", "u04"}


def test_who_was_set_aside_is_tried_again_once_something_changes(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC, peopled, poison="u06")
    assert plan(out, SPEC, peopled, VERSIONS) is None
    peopled.add_events([like("u06", "i1", "k1")])
    assert plan(out, SPEC, peopled, VERSIONS) is not None
    assert todo(Plan(Layout(out).next_plan)) == {"u06"}


@pytest.mark.parametrize("everybody", [True, False])
def test_all_are_made_anew_when_asked_for_or_by_another_model(peopled: Store, tmp_path: Path, everybody: bool) -> None:
    out = finished(tmp_path / "out", SPEC, peopled)
    versions = VERSIONS if everybody else VERSIONS.model_copy(update={"generator": {"default": "garment@2"}})
    run = plan(out, SPEC, peopled, versions, everybody=everybody)
    assert run is not None
    assert (run.changed, run.users) == (19, 19)


def test_a_preview_changes_nothing(peopled: Store, tmp_path: Path) -> None:
    out = finished(tmp_path / "out", SPEC, peopled)
    peopled.add_events([like("u01", "i1", "k1")])
    (tmp_path / "aside").mkdir()
    assert todo(preview(tmp_path / "aside", out, SPEC, peopled, VERSIONS)) == {"u01"}
    assert not Layout(out).work.exists()


def test_directories_of_something_else_are_refused(peopled: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("")
    out = tmp_path / "out"
    plan(out, SPEC, peopled, VERSIONS)
    other = SPEC.model_copy(update={"per_user": 3})
    with pytest.raises(BadInput, match=r"out: .*is a file"):
        plan(tmp_path / "file", SPEC, peopled, VERSIONS)
    with pytest.raises(BadInput, match=r"out: .*precious\.txt"):
        plan(tmp_path / "other", SPEC, peopled, VERSIONS)
    with pytest.raises(BadInput, match=r"out: .*under way there has per_user 8, asked for is 3"):
        plan(out, other, peopled, VERSIONS)
    with pytest.raises(BadInput, match=r"out: .*catalogue there has per_user 8, asked for is 3"):
        plan(finished(tmp_path / "done", SPEC, peopled), other, peopled, VERSIONS)
    with pytest.raises(OutOfDate, match="visual none, and here it is v2"):
        plan(out, SPEC, peopled, VERSIONS.model_copy(update={"visual": "v2"}))
    Layout(out).run.write_text("{")
    with pytest.raises(BadInput, match="damaged"):
        plan(out, SPEC, peopled, VERSIONS)


def test_nobody_is_no_run(peopled: Store, tmp_path: Path) -> None:
    spec = Spec(users="segment", segment={"age_band": "65-plus"})
    with pytest.raises(BadInput, match=r"users: .*nobody"):
        plan(tmp_path / "out", spec, peopled, VERSIONS)
    assert not (tmp_path / "out").exists()
    with pytest.raises(BadInput, match=r"users: .*nobody"):
        plan(tmp_path / "out", Spec(users="abc"), peopled, VERSIONS, ids=["u03", "unknown"])
    with pytest.raises(NotFound, match="no finished catalogue"):
        plan_removal(tmp_path / "out", peopled)


def test_a_directory_has_one_driver(peopled: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another process"):
            plan(out, SPEC, peopled, VERSIONS)
    assert plan(out, SPEC, peopled, VERSIONS) is not None


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: no file grows beyond this."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_everything_as_it_was(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.bulk_users(Profile(id=f"u{n}") for n in range(300))
    out = tmp_path / "out"
    sqlite_store.count_users()  # its files are made by now
    with files_of_at_most(1000), pytest.raises(NoRoom, match="Nothing changed"):
        plan(out, Spec(), sqlite_store, VERSIONS)
    assert [path.name for path in out.iterdir()] == [".lock"]
    assert plan(out, Spec(), sqlite_store, VERSIONS) is not None
