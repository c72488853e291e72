"""The archives of pictures: read by others, the same for the same pictures, whole or not there."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from persona.batch.archive import Files, Stored, Tar
from persona.catalog.pictures import Pictures
from persona.errors import BadInput, NotFound
from tests.batch.made_up import a_picture

FILES = {hashlib.sha256(file).hexdigest(): file for file in map(a_picture, range(3))}


def written(folder: Path) -> Path:
    """A tar of three pictures."""
    tar = Tar(folder, 12)
    for sha256, file in FILES.items():
        tar.add(sha256, file, {"model": "garment-64@1", "generated": True})
    (file,) = tar.finish()
    assert (folder / file.name).read_bytes()
    assert file.sha256[:12] in file.name
    return folder / file.name


def test_tar_is_a_webdataset(tmp_path: Path) -> None:
    """Files of one sample stand together under one key; each picture is called by its hash and says that a model made
    it."""
    with tarfile.open(written(tmp_path)) as tar:
        members = tar.getmembers()
        read = {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert [name.split(".", 1) for name in read] == [[sha, kind] for sha in FILES for kind in ("webp", "json")]
    for sha, file in FILES.items():
        assert read[f"{sha}.webp"] == file
        note = json.loads(read[f"{sha}.json"])
        assert note["generated"] is True
        assert note["model"] == "garment-64@1"
        assert "AI" in note["label"]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
        (0, 0, 0, "", 0o644)
    }


def test_same_pictures_same_tar(tmp_path: Path) -> None:
    """Wherever it is written."""
    assert written(tmp_path / "a").read_bytes() == written(tmp_path / "b").read_bytes()


def test_stored_pictures_are_read(tmp_path: Path) -> None:
    """From a tar as from single files."""
    single = Files(tmp_path / "c")
    for sha256, file in FILES.items():
        single.add(sha256, file, {})
    assert single.finish() == ()
    for stored in (Stored(tmp_path, written(tmp_path)), Stored(tmp_path / "c" / "pictures", None)):
        for sha256, file in FILES.items():
            assert stored.read(sha256) == file
        with pytest.raises(NotFound, match="f" * 64):
            stored.read("f" * 64)


def test_single_files_that_were_torn_are_written_again(tmp_path: Path) -> None:
    """As after a power cut; nothing half written stays."""
    sha256, file = next(iter(FILES.items()))
    pictures = Pictures(tmp_path / "pictures")
    pictures.path(sha256).parent.mkdir(parents=True)
    pictures.path(sha256).write_bytes(b"")
    single = Files(tmp_path)
    single.add(sha256, file, {})
    single.finish()
    assert pictures.open_bytes(sha256) == file
    pictures.path(sha256).write_bytes(file[:-1])
    with pytest.raises(BadInput, match=f"{sha256}.webp: is damaged"):
        Stored(pictures.root, None).read(sha256)
    pictures.path(sha256).write_bytes(file)
    assert [path.name for path in pictures.root.rglob("*") if path.is_file()] == [f"{sha256}.webp"]


def test_nothing_is_left_of_what_is_given_up(tmp_path: Path) -> None:
    """Nor is there an archive without pictures."""
    tar = Tar(tmp_path, 1)
    assert tar.finish() == ()
    tar.add("a" * 64, b"x", {})
    tar.drop()
    assert list((tmp_path / "pictures").iterdir()) == []


def test_a_damaged_tar_is_named(tmp_path: Path) -> None:
    """With what to do."""
    path = written(tmp_path)
    path.write_bytes(b"x" * 2000)
    with pytest.raises(BadInput, match=f"{path}: is damaged"):
        Stored(tmp_path, path).read("a" * 64)
