"""Folders and archives: what is read stays inside and stays bounded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.catalog.sources import Archive, Finder, Folder, Source, on_disk, open_source, table_in
from persona.errors import BadInput

FILES = {"items.csv": b"file,category\n", "images/a.jpg": b"A", "images/b.png": b"BB", ".hidden/c.jpg": b"C"}


@pytest.fixture(params=["folder", "archive"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "archive":
        return Archive(archive(tmp_path / "some.zip", FILES))
    for name, content in FILES.items():
        (tmp_path / "some" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "some" / name).write_bytes(content)
    return Folder(tmp_path / "some")


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def test_names_leave_hidden_files_out(source: Source) -> None:
    assert source.names == ["images/a.jpg", "images/b.png", "items.csv"]
    assert source.has("images/a.jpg")
    assert not source.has("images")
    assert not source.has("images/" + "x" * 5000)


def test_files_are_read_up_to_their_limit(source: Source) -> None:
    assert source.read("images/b.png") == b"BB"
    assert source.read("images/b.png", 2) == b"BB"
    with pytest.raises(BadInput, match=r"file: 'images/b.png' is larger"):
        source.read("images/b.png", 1)
    with pytest.raises(BadInput, match=r"file: 'nothing.jpg'"):
        source.read("nothing.jpg")


def test_the_table_nearest_to_the_top_is_the_table(source: Source) -> None:
    assert table_in(source) == "items.csv"
    with on_disk(source, "items.csv") as path:
        assert path.name == "items.csv"
        assert path.read_bytes() == FILES["items.csv"]


def test_of_several_tables_one_has_to_be_named(tmp_path: Path) -> None:
    for name in ("one.csv", "two.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(BadInput, match=r"path: .*one.csv, two.parquet"):
        table_in(Folder(tmp_path))
    (tmp_path / "items.jsonl").touch()
    assert table_in(Folder(tmp_path)) == "items.jsonl"


def test_a_file_is_found_by_name_or_by_stem(source: Source) -> None:
    finder = Finder(source)
    assert finder.find("images/a.jpg") == "images/a.jpg"
    assert finder.find("./images\\a.jpg") == "images/a.jpg"
    assert finder.find("b") == "images/b.png"
    assert Finder(source, "images").find("a.jpg") == "images/a.jpg"
    with pytest.raises(BadInput, match=r"file: 'c.jpg' is not there"):
        finder.find("c.jpg")


@pytest.mark.parametrize(
    "said", ["../secret", "/etc/passwd", "images/../../secret", "C:\\secret", "..\\secret", "a\0b", ""]
)
def test_no_name_leads_out(source: Source, said: str) -> None:
    with pytest.raises(BadInput, match=r"file: .*leads out"):
        Finder(source).find(said)


class Everywhere:
    """A source that has every file: what Finder lets through would be read."""

    path, names = Path("everywhere"), list[str]()

    def has(self, name: str) -> bool:
        return True

    def read(self, name: str, largest: int = 0) -> bytes:
        return b""


@given(st.text(alphabet="ab./\\:\0 ~", max_size=12))
def test_whatever_is_found_lies_below(said: str) -> None:
    try:
        found = Finder(Everywhere(), "table/folder").find(said)
    except BadInput:
        return
    assert (Path("/root") / found).resolve().is_relative_to("/root/table/folder")


def test_an_archive_is_never_unpacked(tmp_path: Path) -> None:
    bad = Archive(archive(tmp_path / "bad.zip", {"../evil/items.csv": b"x", "/abs.jpg": b"y"}))
    with on_disk(bad, "../evil/items.csv") as path:
        assert path.name == "items.csv"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["bad.zip"]


def test_a_zip_bomb_is_not_inflated(tmp_path: Path) -> None:
    bomb = Archive(archive(tmp_path / "bomb.zip", {"a.png": bytes(3_000_000)}))
    assert (tmp_path / "bomb.zip").stat().st_size < 10_000
    with pytest.raises(BadInput, match="larger"):
        bomb.read("a.png", 1_000_000)


def test_a_header_that_lies_of_the_size_changes_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "liar.zip", {"a.png": bytes(3_000_000)})
    content = path.read_bytes().replace((3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"file: 'a.png'"):
        Archive(path).read("a.png", 1_000_000)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stored.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", b"content")
    path.write_bytes(path.read_bytes().replace(b"content", b"damaged"))
    with pytest.raises(BadInput, match=r"file: 'a.png' cannot be read from stored.zip"):
        Archive(path).read("a.png")


@pytest.mark.parametrize(("name", "content"), [("x.zip", b"PK\3\4 not really"), ("x.zip", b""), ("x.txt", b"hello")])
def test_what_is_no_source(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=rf"^path: {name}"):
        open_source(tmp_path / name)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist: give"):
        open_source(tmp_path / "nowhere")


def test_an_archive_of_another_name_is_known_by_its_content(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a.jpg", b"A")
    (tmp_path / "download").write_bytes(content.getvalue())
    assert open_source(tmp_path / "download").names == ["a.jpg"]
