"""The importer, from photos to rows and files, in stores and processes as they are used."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

from persona.catalog import cutout, importing
from persona.catalog.bench import bench_import, draw_photos
from persona.catalog.importing import CLOTHING, import_clothing, import_items
from persona.catalog.pictures import Pictures
from persona.catalog.rows import Defaults
from persona.errors import BadInput
from persona.store import Item, Store

CHECKOUT = Path(__file__).parents[2]


def table_of(folder: Path, rows: list[str], header: str = "file,category,price") -> Path:
    path = folder / "items.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def shop(tmp_path: Path, drawn: Path) -> Path:
    """A folder to write to with four photos, a.jpg to d.jpg."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, photo in zip("abcd", sorted(drawn.rglob("*.jpg"))):
        shutil.copy(photo, folder / f"{name}.jpg")
    return folder


def files_of(pictures: Pictures) -> set[str]:
    return {path.relative_to(pictures.root).as_posix() for path in pictures.root.rglob("*") if path.is_file()}


def test_a_folder_of_categories(sqlite_store: Store, pictures: Pictures, drawn: Path) -> None:
    report = import_items(sqlite_store, pictures, drawn, workers=1, defaults=Defaults(licence="CC0-1.0"))
    assert (report.read, report.added, report.updated_or_duplicate, report.skipped) == (12, 12, 0, [])
    items = sqlite_store.items()
    assert {item.category for item in items} == {path.name for path in drawn.iterdir()}
    for item in items:
        assert item.picture is not None
        assert item.lab is not None
        assert item.colour is not None
        assert item.colour in item.title.lower()
        assert item.rights.licence == "CC0-1.0"
        assert item.rights.source == drawn.name
        assert item.cutout_failed is None
        rgba = pictures.get(item.picture)
        assert rgba.shape == (128, 128, 4)
        assert 0.1 < (rgba[..., 3] > 128).mean() < 0.8
        assert rgba[0, 0, 3] == 0


@pytest.mark.parametrize("kind", ["table", "folder", "zip"])
def test_a_table_beside_its_pictures(
    sqlite_store: Store, pictures: Pictures, shop: Path, tmp_path: Path, kind: str
) -> None:
    path = table_of(shop, ["a.jpg,hat,12.50", "b.jpg,shoes,3"])
    if kind == "folder":
        path = shop
    if kind == "zip":
        path = tmp_path / "shop.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(shop.iterdir()):
                archive.write(file, f"shop/{file.name}")
    report = import_items(sqlite_store, pictures, path)
    assert (report.read, report.added) == (2, 2)
    assert [(item.id, item.category, item.price) for item in sqlite_store.items()] == [
        ("a", "hat", 12.5),
        ("b", "shoes", 3),
    ]


def test_bad_rows_and_pictures_are_named_and_the_rest_goes_on(
    sqlite_store: Store, pictures: Pictures, shop: Path
) -> None:
    (shop / "empty.jpg").touch()
    (shop / "short.jpg").write_bytes((shop / "a.jpg").read_bytes()[:900])
    (shop / "text.jpg").write_text("no picture")
    rows = ["a.jpg,hat,1", "empty.jpg,hat,1", "short.jpg,hat,1", "text.jpg,hat,1", "b.jpg,spoon,1", "c.jpg,hat,x",
            "away.jpg,hat,1", "d.jpg,hat"]  # fmt: skip
    report = import_items(sqlite_store, pictures, table_of(shop, [*rows, "d.jpg,hat,2"]))
    assert [item.id for item in sqlite_store.items()] == ["a", "d"]
    assert (report.read, report.added, len(report.skipped)) == (9, 2, 7)
    named = {line.split(": ", 1)[0]: line.split(": ", 1)[1] for line in report.skipped}
    assert named["items.csv:3"].startswith("picture: the file is empty")
    assert named["items.csv:4"].startswith("picture: is broken or cut short")
    assert named["items.csv:5"].startswith("picture: is no picture")
    assert named["items.csv:6"].startswith("category: 'spoon'")
    assert named["items.csv:7"].startswith("price: 'x'")
    assert named["items.csv:8"].startswith("file: 'away.jpg' is not there")
    assert named["items.csv:9"].startswith("row: has 2 cells")
    assert len([name for name in files_of(pictures) if name.endswith(".webp")]) == 2


def test_a_table_that_cannot_be_used_changes_nothing(sqlite_store: Store, pictures: Pictures, shop: Path) -> None:
    with pytest.raises(BadInput, match=r"columns: .*'cost'"):
        import_items(sqlite_store, pictures, table_of(shop, ["a.jpg,hat,1"], "file,category,cost"))
    with pytest.raises(BadInput, match=r"path: .*does not exist"):
        import_items(sqlite_store, pictures, shop / "nowhere.csv")
    assert sqlite_store.count_items() == 0
    assert not pictures.root.exists()


def test_a_failed_cut_is_flagged_listed_and_not_measured(sqlite_store: Store, pictures: Pictures, shop: Path) -> None:
    Image.new("RGB", (64, 64), (90, 120, 90)).save(shop / "wall.png")
    Image.new("RGB", (1, 1), "red").save(shop / "dot.png")
    report = import_items(sqlite_store, pictures, table_of(shop, ["wall.png,dress,1", "a.jpg,hat,1", "dot.png,hat,1"]))
    wall = sqlite_store.get_item("wall")
    assert wall.cutout_failed is not None
    assert "not found" in wall.cutout_failed
    assert (wall.lab, wall.colour, wall.pattern) == (None, None, None)
    assert [line.split(": ")[:2] for line in report.failed_cutouts] == [["items.csv:2", "wall"], ["items.csv:4", "dot"]]
    assert report.added == 3
    assert "2 with their background left on" in str(report)
    assert sqlite_store.get_item("a").cutout_failed is None


def test_a_picture_that_is_cut_out_already_keeps_its_alpha(sqlite_store: Store, pictures: Pictures, shop: Path) -> None:
    cut = np.zeros((128, 128, 4), np.uint8)
    cut[30:100, 40:90] = (20, 30, 160, 255)
    Image.fromarray(cut).save(shop / "cut.png")
    import_items(sqlite_store, pictures, table_of(shop, ["cut.png,dress,1"]))
    item = sqlite_store.get_item("cut")
    assert item.picture is not None
    assert (item.colour, item.pattern, item.cutout_failed) == ("blue", "plain", None)
    alpha = pictures.get(item.picture)[..., 3]
    assert set(np.unique(alpha)) >= {0, 255}
    rows, columns = (np.flatnonzero(alpha.any(axis)) for axis in (1, 0))
    assert len(rows) / len(columns) == pytest.approx(70 / 50, abs=0.05)


def test_what_the_table_says_goes_before_what_is_measured(sqlite_store: Store, pictures: Pictures, shop: Path) -> None:
    path = table_of(shop, ["a.jpg,hat,orange,checked,My hat"], "file,category,colour,pattern,title")
    import_items(sqlite_store, pictures, path)
    item = sqlite_store.get_item("a")
    assert (item.colour, item.pattern, item.title) == ("orange", "checked", "My hat")
    assert item.lab is not None


def test_a_second_run_cuts_nothing_again(
    sqlite_store: Store, pictures: Pictures, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["a.jpg,hat,1", "b.jpg,hat,1", "c.jpg,hat,1"]
    import_items(sqlite_store, pictures, table_of(shop, rows))
    before, files = sqlite_store.items(), files_of(pictures)
    cut: list[tuple[int, ...]] = []
    really = cutout.cut_out

    def counted(photo: NDArray[np.uint8]) -> cutout.Cutout:
        cut.append(photo.shape)
        return really(photo)

    monkeypatch.setattr(cutout, "cut_out", counted)

    report = import_items(sqlite_store, pictures, table_of(shop, rows))
    assert (report.added, report.updated_or_duplicate, len(cut)) == (0, 3, 0)
    assert (sqlite_store.items(), files_of(pictures)) == (before, files)

    shutil.copy(shop / "d.jpg", shop / "b.jpg")  # another photo under the same name
    report = import_items(sqlite_store, pictures, table_of(shop, ["a.jpg,hat,7", *rows[1:]]))
    assert (report.added, report.updated_or_duplicate, len(cut)) == (0, 3, 1)
    after = {item.id: item for item in sqlite_store.items()}
    assert after["a"].price == 7
    assert after["b"].picture != before[1].picture
    assert after["c"] == before[2]


def test_a_lost_picture_or_a_torn_note_is_made_again(sqlite_store: Store, pictures: Pictures, shop: Path) -> None:
    path = table_of(shop, ["a.jpg,hat,1"])
    import_items(sqlite_store, pictures, path)
    item, files = sqlite_store.get_item("a"), files_of(pictures)
    assert item.picture is not None
    pictures.remove(item.picture)
    import_items(sqlite_store, pictures, path)
    assert files_of(pictures) == files
    for note in (pictures.root / "cuts").rglob("*.json"):
        note.write_bytes(note.read_bytes()[:20])
    import_items(sqlite_store, pictures, path)
    assert (sqlite_store.get_item("a"), files_of(pictures)) == (item, files)


def test_processes_make_what_one_makes(
    sqlite_store: Store, pictures: Pictures, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 5)
    (tmp_path / "broken.jpg").write_bytes(b"no")
    photos = shutil.copytree(drawn, tmp_path / "photos")
    shutil.move(tmp_path / "broken.jpg", photos / "t-shirt")
    report = import_items(sqlite_store, pictures, photos, workers=2)
    together = sqlite_store.items()
    assert (report.added, len(report.skipped)) == (12, 1)
    alone = Pictures(tmp_path / "alone")
    assert import_items(sqlite_store, alone, photos, workers=1).updated_or_duplicate == 12
    assert sqlite_store.items() == together
    assert files_of(alone) == files_of(pictures)


def test_a_bar_is_shown_only_when_asked_for(
    sqlite_store: Store,
    pictures: Pictures,
    shop: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = table_of(shop, ["a.jpg,hat,1", "b.jpg,hat,1"])
    monkeypatch.setattr(importing, "_SECONDS_BEFORE_BAR", 0.0)
    import_items(sqlite_store, pictures, path, progress=False)
    assert capfd.readouterr().err == ""
    import_items(sqlite_store, pictures, path)
    assert "2/2" in capfd.readouterr().err


PROGRAM = """
import sys
from pathlib import Path
from persona.catalog import importing
from persona.catalog.pictures import Pictures
from persona.store import Store

if __name__ == "__main__":
    url, pictures, source, workers = sys.argv[1:]
    importing.BATCH = 3
    with Store.open(url) as store:
        importing.import_items(store, Pictures(Path(pictures)), Path(source), workers=int(workers), progress=False)
"""


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("many") / "photos", 24, seed=2, size=(96, 128))


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, many: Path
) -> tuple[list[Item], set[str]]:
    """Items and files that importing `many` gives."""
    home = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(migrated_sqlite, home / "persona.db")
    with Store.open(f"sqlite:///{home / 'persona.db'}") as store:
        import_items(store, Pictures(home / "pictures"), many, workers=1, progress=False)
        return store.items(), files_of(Pictures(home / "pictures"))


def interrupted(url: str, pictures: Pictures, source: Path, workers: int, how: signal.Signals) -> int:
    """Import in a process of its own, which gets a signal when some pictures are cut; returns its exit status."""
    program = pictures.root.parent / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program, url, pictures.root, source, str(workers)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        return _signalled(process, pictures, how)
    finally:
        if process.poll() is None:
            process.kill()


def _signalled(process: subprocess.Popen[str], pictures: Pictures, how: signal.Signals) -> int:
    deadline = time.monotonic() + 120
    while len(list(pictures.root.rglob("*.json"))) < 9:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    if how is signal.SIGINT:
        os.killpg(process.pid, how)  # a terminal sends Ctrl-C to all of them
    else:
        process.kill()
    errors = process.communicate(timeout=60)[1]
    if how is signal.SIGINT:
        assert errors.count("Traceback") == 1, errors
        assert errors.endswith("\nKeyboardInterrupt\n")
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    return process.returncode


@pytest.mark.parametrize(("workers", "how"), [(1, signal.SIGKILL), (2, signal.SIGKILL), (2, signal.SIGINT)])
def test_an_interrupted_import_goes_on_to_what_an_undisturbed_one_gives(
    sqlite_url: str,
    pictures: Pictures,
    many: Path,
    undisturbed: tuple[list[Item], set[str]],
    workers: int,
    how: signal.Signals,
) -> None:
    assert interrupted(sqlite_url, pictures, many, workers, how) != 0
    with Store.open(sqlite_url) as store:
        half = store.items()
        assert 3 <= len(half) < 24
        assert all(item.picture in pictures for item in half if item.picture)
        report = import_items(store, pictures, many, workers=1, progress=False)
        assert (report.added, report.updated_or_duplicate) == (24 - len(half), len(half))
        assert store.items() == undisturbed[0]
    left = {name for name in files_of(pictures) if name.endswith(".part")}
    assert files_of(pictures) - left == undisturbed[1]
    assert how is signal.SIGKILL or not left


def test_the_clothing_data_set(sqlite_store: Store, pictures: Pictures, shop: Path, tmp_path: Path) -> None:
    rows = ["images/a.jpg,T-Shirt,false,148", "images/b.jpg,Outwear,true,3", "images/c.jpg,Not sure,false,3"]
    table_of(shop, rows, "file,label,kids,sender_id")
    with zipfile.ZipFile(tmp_path / "clothing.zip", "w") as archive:
        archive.write(shop / "items.csv", "items.csv")
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            archive.write(shop / name, f"images/{name}")
    report = import_clothing(sqlite_store, pictures, tmp_path / "clothing.zip", workers=1)
    shirt = sqlite_store.get_item("clothing-a")
    assert (shirt.category, shirt.owner) == ("t-shirt", "wardrobe-148")
    assert (shirt.rights.licence, shirt.rights.source) == (CLOTHING.licence, CLOTHING.source)
    assert sqlite_store.get_item("clothing-b").category == "outwear"
    assert len(report.skipped) == 1
    assert report.skipped[0].startswith("items.csv:4: category: 'Not sure' is unknown")


def test_the_clothing_data_set_as_its_publisher_has_it(sqlite_store: Store, pictures: Pictures, shop: Path) -> None:
    (shop / "images").mkdir()
    (shop / "a.jpg").rename(shop / "images" / "a.jpg")
    (shop / "images.csv").write_text("image,sender_id,label,kids\na,20,Longsleeve,False\n")
    assert import_clothing(sqlite_store, pictures, shop, workers=1).added == 1
    assert sqlite_store.get_item("clothing-a").owner == "wardrobe-20"


def test_the_bench_counts_pictures(shop: Path) -> None:
    drawn = bench_import(3, workers=1, progress=False)
    assert drawn["pictures"] == 3
    assert drawn["photos"] == "drawn, 768 x 1024"
    assert float(str(drawn["pictures_per_s"])) > 0
    given = bench_import(
        2, source=table_of(shop, ["a.jpg,hat,1", "b.jpg,hat,1", "c.jpg,hat,1"]), workers=1, progress=False
    )
    assert (given["pictures"], given["photos"]) == (2, "items.csv")


@pytest.mark.data
def test_real_photos(sqlite_store: Store, pictures: Pictures, datasets: Path) -> None:
    report = import_items(sqlite_store, pictures, datasets / "clothing.zip", defaults=CLOTHING, limit=12, workers=1)
    assert report.added == 12
    assert len(report.failed_cutouts) <= 2
    assert sum(item.colour is not None for item in sqlite_store.items()) >= 10
