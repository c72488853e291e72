"""A directory that is well verifies; whatever is done to it is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persona.batch.archive import Tar
from persona.batch.layout import Layout
from persona.batch.types import Manifest, SetAside, shard_of
from persona.batch.verify import verify
from persona.store import Profile, Store
from tests.batch.made_up import SHARDS, USERS, a_picture, catalogue, made_up


@pytest.fixture(params=["tar", "files"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A finished directory, with pictures in tars and as single files."""
    return catalogue(tmp_path / "out", request.param)


def test_all_is_well(out: Path, sqlite_store: Store) -> None:
    """Also by the store, until somebody is erased or refuses."""
    everybody = [*USERS, *(f"x{n}" for n in range(99))]
    sqlite_store.bulk_users(Profile(id=name) for name in everybody)
    seen: list[int] = []
    assert verify(out, sqlite_store, seen.append) == []
    assert seen == [1] * SHARDS
    sqlite_store.delete_user("u3")
    sqlite_store.put_user(Profile(id="u5", consents={"personalisation": False}))
    told = verify(out, sqlite_store)
    assert len(told) == 2
    assert {name for name in ("u3", "u5") if any(f"user {name!r} was erased, or refuses" in one for one in told)} == {
        "u3", "u5",
    }  # fmt: skip
    assert verify(out) == []


def test_files_that_are_gone_cut_or_changed_are_told(out: Path) -> None:
    """By name, whichever it was."""
    for path in [path for path in out.rglob("*") if path.suffix in (".parquet", ".tar", ".webp")][:6]:
        whole = path.read_bytes()
        for broken in (None, whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
            path.unlink() if broken is None else path.write_bytes(broken)
            told = verify(out)
            assert [one for one in told if path.stem in one], (path, broken)
        path.write_bytes(whole)
    assert verify(out) == []


def test_what_nobody_names_is_told(out: Path) -> None:
    """Beside the indexes and among the pictures; and a run that was interrupted."""
    for stray in (
        "index/00000-x.parquet",
        "pictures/00000-x.tar",
        f"pictures/ff/{'f' * 64}.webp",
        "pictures/ab/x.webp",
    ):
        (out / stray).parent.mkdir(exist_ok=True)
        (out / stray).touch()
        assert [one for one in verify(out) if stray in one], stray
        (out / stray).unlink()
    for folder in (out / "pictures" / "ff", out / "pictures" / "ab"):
        if not list(folder.iterdir()):
            folder.rmdir()
    (out / ".work").mkdir()
    assert verify(out) == [f".work: a run is under way, or was interrupted; `persona batch resume {out}`"]


def told_after(out: Path, change: Callable[[dict[str, Any]], None]) -> list[str]:
    """What is told once the manifest was changed."""
    layout = Layout(out)
    plain = layout.read_manifest().model_dump(mode="json")
    change(plain)
    layout.manifest.write_text(Manifest.model_validate(plain).model_dump_json())
    return verify(out)


def test_counts_that_are_wrong_are_told(tmp_path: Path) -> None:
    """Each that the manifest states."""
    for number, name in enumerate(("users", "rows", "pictures", "bytes")):
        out = catalogue(tmp_path / str(number))

        def one_more(plain: dict[str, Any], name: str = name) -> None:
            plain["shards"][1][name] += 1

        told = told_after(out, one_more)
        assert told[0] == "manifest.json: its totals are not the sums of its shards"
        assert len(told) == 2
    out = catalogue(tmp_path / "twice")
    assert "numbered" in told_after(out, lambda plain: plain["shards"].reverse())[0]


def test_users_in_the_wrong_place_are_told(tmp_path: Path) -> None:
    """And one who is set aside, and there all the same."""
    elsewhere = next(f"y{n}" for n in range(99) if shard_of(f"y{n}", SHARDS) != shard_of("u3", SHARDS))
    out = catalogue(tmp_path / "a", change=lambda name: elsewhere if name == "u3" else name)
    assert [one for one in verify(out) if f"{elsewhere!r} belongs elsewhere" in one]
    out = catalogue(tmp_path / "b")
    aside = SetAside(user_id="u3", why="NaN").model_dump()
    told = told_after(out, lambda plain: plain["shards"][shard_of("u3", SHARDS)].update(set_aside=[aside]))
    assert [one for one in told if "'u3' is there, and set aside" in one]


def test_an_archive_of_other_pictures_is_told(tmp_path: Path) -> None:
    """Missing, too many, under a wrong name, or with a note that says something else."""
    out = catalogue(tmp_path / "out")
    tar = Tar(out, 0)
    made = made_up(next(name for name in USERS if shard_of(name, SHARDS) == 0))
    first, second, *_ = made.pictures
    tar.add(first, made.pictures[first], {"generated": False})
    tar.add(second, a_picture(99), {})
    tar.add("f" * 64, a_picture(98), {})
    (file,) = tar.finish()
    before = Layout(out).read_manifest().shards[0].files[1].name
    told = told_after(out, lambda plain: plain["shards"][0]["files"].__setitem__(1, file.model_dump()))
    assert f"{before}: the manifest does not name it" in told
    for wanted in (
        f"{'f' * 64}.webp is in no row of the index",
        f"picture {second} has another content than its name says",
        f"{first}.json does not say of the picture what the index says",
        "is missing",
    ):
        assert [one for one in told if one.startswith(file.name) and wanted in one], wanted


def test_there_is_nothing_to_verify(tmp_path: Path) -> None:
    """In a directory that is none."""
    shutil.rmtree(catalogue(tmp_path / "out") / "index")
    assert len(verify(tmp_path / "out")) == 2
