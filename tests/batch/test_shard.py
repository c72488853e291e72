"""Shards are made, carried over and left out, and whoever is erased meanwhile is in no file."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from persona.batch.draft import telling_no_room
from persona.batch.layout import Layout
from persona.batch.making import Made
from persona.batch.plan import Planned
from persona.batch.planning import check_versions
from persona.batch.reading import Catalogues, Shard
from persona.batch.shard import ShardMaker
from persona.batch.types import Manifest, Run, ShardRecord, Spec, Totals
from persona.batch.writing import ShardWriter
from persona.errors import BadInput, Conflict, NoRoom, NotFound, OutOfDate
from persona.store import Profile, Store
from persona.store.batches import Member
from tests.batch.made_up import MODELS, VERSIONS, all_made_up, made_up

USERS = [f"u{n}" for n in range(6)]
Meanwhile = Callable[[str], object]


@dataclass
class People:
    """A plan of one shard, and what makes it: u1 is poison, others are as `salt` says. seen: who was made."""

    todo: dict[str, bool]
    salt: str = ""
    meanwhile: Meanwhile = lambda user_id: None
    seen: list[str] = field(default_factory=list)

    def shard(self, number: int) -> list[Planned]:
        """As of `Plan`."""
        now = datetime.now(UTC)
        return [Planned(Member(name, now, 0, 0), todo) for name, todo in sorted(self.todo.items())]

    def make(self, user_ids: Iterable[str]) -> Iterator[Made]:
        """As of `Maker`."""
        for name in user_ids:
            self.seen.append(name)
            self.meanwhile(name)
            yield Made(name, "set_aside", "NaN in the history") if name == "u1" else made_up(name, salt=self.salt)


@dataclass
class Place:
    """A directory, a store with users, and how to make and finish its one shard."""

    out: Path
    store: Store
    archive: Any

    def maker(self, people: People) -> ShardMaker:
        """Of a new run."""
        spec, layout = Spec(archive=self.archive), Layout(self.out)
        run = Run(run="r", spec=spec, versions=VERSIONS, shards=1, todo=(0,), users=6, changed=6)
        self.store.drop_run("r")
        self.store.begin_run("r", {})
        return ShardMaker(layout, run, people, people, self.store, lambda _: MODELS)  # type: ignore[arg-type]

    def make(self, people: People) -> ShardRecord:
        """In a run of its own; the record is the store's, too."""
        record = self.maker(people)(0)
        assert self.store.shards("r") == {0: record.model_dump(mode="json")}
        return record

    def finish(self, record: ShardRecord) -> None:
        """Put what was made where finished catalogues are, as the driver does."""
        layout = Layout(self.out)
        for file in record.files:
            (self.out / file.name).parent.mkdir(exist_ok=True)
            (layout.work / file.name).rename(self.out / file.name)
        if self.archive == "files":
            shutil.copytree(layout.work / "pictures", self.out / "pictures", dirs_exist_ok=True)
        spec = Spec(archive=self.archive)
        manifest = Manifest(spec=spec, versions=VERSIONS, shards=(record,), totals=Totals.of([record]))
        layout.manifest.write_text(manifest.model_dump_json())

    def written(self, record: ShardRecord) -> dict[str, Sequence[Any]]:
        """The entries of every user in the files of a shard just made."""
        return {name: rows["picture"].to_pylist() for name, rows in Shard(self.out / ".work", record).users()}


@pytest.fixture(params=["tar", "files"])
def place(request: pytest.FixtureRequest, tmp_path: Path, store: Store) -> Place:
    """With archives as tar and as single files, on both databases."""
    store.bulk_users(Profile(id=name) for name in USERS)
    return Place(tmp_path / "out", store, request.param)


def test_everybody_is_made(place: Place) -> None:
    """But for poison, which is named, and those who are erased or refuse; shared pictures are kept once."""
    place.store.delete_user("u2")
    place.store.put_user(Profile(id="u3", consents={"personalisation": False}))
    record = place.make(people := People(dict.fromkeys(USERS, True)))
    assert people.seen == ["u0", "u1", "u4", "u5"]
    assert (record.users, record.left_out, record.rows) == (3, 2, 15)
    assert [(one.user_id, one.why) for one in record.set_aside] == [("u1", "NaN in the history")]
    pictures = {sha: file for name in ("u0", "u4", "u5") for sha, file in made_up(name).pictures.items()}
    assert (record.pictures, record.bytes) == (10, sum(map(len, pictures.values())))
    shard = Shard(place.out / ".work", record)
    assert all(shard.pictures.read(sha) == file for sha, file in pictures.items())
    assert not list(place.out.rglob("*.part"))


def test_made_twice_it_is_the_same(place: Place, tmp_path: Path) -> None:
    """To the byte, since the names tell the content."""
    first = place.make(People(dict.fromkeys(USERS, True)))
    place.out = tmp_path / "other"
    assert place.make(People(dict.fromkeys(USERS, True))) == first


def test_those_without_change_are_carried_over(place: Place) -> None:
    """Their rows and pictures stay; who is poison stays set aside without another try."""
    place.finish(place.make(People(dict.fromkeys(USERS, True))))
    people = People({name: name == "u4" for name in USERS}, salt="new")
    record = place.make(people)
    assert people.seen == ["u4"]
    assert [one.user_id for one in record.set_aside] == ["u1"]
    wanted = {name: made_up(name, salt="new" if name == "u4" else "") for name in USERS if name != "u1"}
    assert place.written(record) == {name: [e.picture for e in made.entries] for name, made in wanted.items()}
    place.finish(record)
    for name, made in wanted.items():
        catalogues = Catalogues(place.out)
        assert catalogues.entries(name) == list(made.entries)
        assert {sha: catalogues.picture(sha, name) for sha in made.pictures} == made.pictures
    with pytest.raises(NotFound, match="set aside, since NaN in the history"):
        Catalogues(place.out).entries("u1")
    with pytest.raises(NotFound, match="not planned"):
        Catalogues(place.out).entries("u99")


def test_who_is_erased_while_a_shard_is_made_is_not_in_it(place: Place) -> None:
    """The others are not made again, and the files are as if that user had never been."""
    gone = {"u4": lambda: place.store.delete_user("u0"), "u5": lambda: place.store.delete_user("u1")}
    people = People(dict.fromkeys(USERS, True), meanwhile=lambda name: gone.get(name, lambda: None)())
    record = place.make(people)
    assert people.seen == USERS
    assert (record.left_out, record.set_aside, record.users) == (2, (), 4)
    later = place.make(People(dict.fromkeys(USERS, True)))
    assert later == record
    assert "u0" not in place.written(record)


def test_a_run_that_was_dropped_is_not_made(place: Place) -> None:
    """Whoever still works on it learns so."""
    maker = place.maker(People(dict.fromkeys(USERS, True)))
    place.store.drop_run("r")
    with pytest.raises(Conflict, match="not running"):
        maker(0)


def write(out: Path, archive: Any, people: Iterable[Made]) -> ShardRecord:
    """A shard of these users, with no run around it."""
    with telling_no_room(out), ShardWriter(out, 0, archive, lambda _: MODELS) as writer:
        for made in people:
            writer.add(made)
        return writer.finish()


def test_an_error_leaves_nothing_half_written(tmp_path: Path) -> None:
    """What the writer had begun goes."""
    without_its_pictures = replace(made_up("u2"), pictures={})
    with pytest.raises(KeyError):
        write(tmp_path, "tar", [made_up("u1"), without_its_pictures])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("archive", "room"), [("tar", 30_000), ("tar", 500_000), ("files", 30_000), ("files", 50)])
def test_a_full_disk_is_told(tmp_path: Path, archive: Any, room: int) -> None:
    """In a word, and nothing half written stays, whichever file it was that could not grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(NoRoom, match=f"^{tmp_path}: no room left .*, then `persona batch resume {tmp_path}`$"):
            write(tmp_path, archive, all_made_up(f"u{n}" for n in range(200)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".webp"]


def test_other_models_than_planned_are_refused(tmp_path: Path) -> None:
    """Both versions are named, and what to do."""
    for name, value in {"threads": 2, "device": "cuda", "batch": 16, "taste": {"default": "taste@2"}}.items():
        here = VERSIONS.model_copy(update={name: value})
        with pytest.raises(OutOfDate, match=f"planned with {name} .*, and here it is .*resume"):
            check_versions(Layout(tmp_path), VERSIONS, here)
    check_versions(Layout(tmp_path), VERSIONS, VERSIONS)


def test_files_of_another_hand_are_told(tmp_path: Path) -> None:
    """A directory without a catalogue, and a manifest that is damaged."""
    with pytest.raises(NotFound, match="no finished catalogue"):
        Catalogues(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BadInput, match=r"manifest.json: is damaged"):
        Catalogues(tmp_path)
