"""Imports through the command line: what is taken, what is skipped, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persona.cli.output import MOST_SKIPPED
from persona.settings import Settings
from persona.store import Store
from tests.cli.conftest import run

USERS = "id,age_band,likes,dislikes,consents\nu1,25-34,colour=green;category=dress:0.8,,personalisation\nu2,old,,,\n"
EVENTS = "user_id,item_id,type,at\nu1,red-dress,like,2025-05-04T10:00:00Z\nu9,red-dress,like,2025-05-04T10:00:00Z\n"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty database made by `persona db upgrade`; the working directory is empty too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERSONA_DATABASE_URL", "")
    monkeypatch.setenv("PERSONA_DATASETS", "")
    assert run("db", "upgrade").exit_code == 0
    return Store.open(Settings().url)


def picture(path: Path) -> None:
    """A red garment on nothing."""
    rgba = np.zeros((96, 96, 4), np.uint8)
    rgba[20:80, 30:66] = (200, 20, 30, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgba).save(path)


def test_upgrading_twice_is_no_error(store: Store) -> None:
    again = run("db", "upgrade")
    assert (again.exit_code, again.stdout) == (0, "The database is up to date.\n")


def test_a_catalogue_users_and_events_go_in_and_bad_rows_are_named(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "shop" / "red-dress.png")
    (tmp_path / "shop" / "items.csv").write_text("file,category,price\nred-dress.png,dress,20\ngone.png,dress,1\n")
    (tmp_path / "users.csv").write_text(USERS)
    (tmp_path / "events.csv").write_text(EVENTS)
    items = run("import", "items", "shop", "--licence", "ours", "--source", "https://shop.example", "--workers", "1")
    assert items.exit_code == 0
    assert items.stdout == "2 read, 1 added, 0 known already, 1 skipped\n"
    assert "skipped items.csv:3: file: 'gone.png'" in items.stderr
    users = run("import", "users", "users.csv")
    assert users.stdout == "2 read, 1 added, 0 known already, 1 skipped\n"
    assert "users.csv:3: age_band: " in users.stderr
    events = run("import", "events", "events.csv")
    assert events.stdout == "2 read, 1 added, 0 known already, 1 skipped\n"
    assert "events.csv:3: user_id: " in events.stderr
    dress = store.get_item("red-dress")
    assert (dress.price, dress.colour, dress.rights.licence, dress.rights.generated) == (20, "red", "ours", False)
    assert [event.item_id for event in store.history("u1")] == ["red-dress"]
    assert run("import", "events", "events.csv").stdout == "2 read, 0 added, 1 known already, 1 skipped\n"


def test_wrong_columns_are_an_error_and_nothing_goes_in(store: Store, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("name,likes\nu1,\n")
    result = run("import", "users", "users.csv")
    assert result.exit_code == 2
    assert "missing 'id'" in result.stderr
    assert "unknown 'name'" in result.stderr
    assert store.count_users() == 0


def test_many_bad_rows_are_counted_not_all_listed(store: Store, tmp_path: Path) -> None:
    bad = MOST_SKIPPED + 5
    (tmp_path / "users.csv").write_text("id,age_band\n" + "".join(f"u{n},old\n" for n in range(bad)))
    result = run("import", "users", "users.csv")
    assert len(result.stderr.splitlines()) == MOST_SKIPPED + 1
    assert "... and 5 more" in result.stderr
    assert f"{bad} skipped" in result.stdout


def test_looks_are_drawn_and_added(store: Store) -> None:
    assert run("import", "looks").stdout == "30 read, 30 added, 0 known already, 0 skipped\n"
    assert len(store.looks()) == 30
    assert store.items() == []
