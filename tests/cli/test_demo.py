"""The demo from nothing, again, and the commands on what it made."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from persona.cli.demo import free_port
from persona.errors import BadInput
from persona.settings import Settings
from persona.store import Item, Rights, Store, upgrade
from tests.cli.conftest import ITEMS, USERS, Demo, run


def test_it_makes_a_catalogue_users_and_garments_all_labelled(demo: Demo) -> None:
    with Store.open(demo.settings.url) as store:
        items = store.items()
        assert len(items) == ITEMS
        assert all(item.rights.generated and "generator garment-64@" in item.rights.source for item in items)
        assert {item.category for item in items} >= {"t-shirt", "pants", "shoes", "dress"}
        users = store.users(store.user_ids())
        assert len(users) == USERS
        assert {user.source for user in users} == {"demo"}
        for user in users:
            assert len(store.generations(user.id, limit=10)) >= 4


def test_it_says_what_it_does(demo: Demo) -> None:
    for step in ("database", "importing items.zip", "models", "users", "garments"):
        assert step in demo.printed


def test_a_second_run_is_quick_and_changes_nothing(in_demo: Demo) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in in_demo.settings.pictures.rglob("*.webp"))
    began = time.perf_counter()
    result = run("demo", "--no-serve", "--users", str(USERS))
    assert time.perf_counter() - began < 20
    assert result.exit_code == 0
    assert result.stdout.count("as before") == 2
    assert sorted((path, path.stat().st_mtime_ns) for path in in_demo.settings.pictures.rglob("*.webp")) == before


def test_a_user_who_was_erased_or_changed_is_not_put_back_over(in_demo: Demo) -> None:
    with Store.open(in_demo.settings.url) as store:
        name = store.user_ids(limit=1)[0]
        changed = store.get_user(name).model_copy(update={"preferences": ()})
        store.put_user(changed)
        assert run("demo", "--no-serve", "--users", str(USERS)).exit_code == 0
        assert store.get_user(name).preferences == ()


def test_an_interrupted_import_is_gone_on_with(in_demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_HOME", str(tmp_path))
    (tmp_path / "demo.json").write_text('{"catalogue": "begun"}')
    settings = Settings()
    upgrade(settings.url)
    with zipfile.ZipFile(in_demo.settings.demo / "items.zip") as archive:
        assert "items.csv" in archive.namelist()
    with Store.open(settings.url) as store:
        store.put_items([Item(id="generated-0000", category="dress", rights=Rights(licence="x", source="x"))])
        assert run("demo", "--no-serve", "--users", "1").exit_code == 0
        assert store.count_items("garment") == ITEMS


def test_one_s_own_catalogue_is_not_mixed_with_the_demo_s(
    in_demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_HOME", str(tmp_path))
    settings = Settings()
    upgrade(settings.url)
    rights = Rights(licence="mine", source="mine")
    with Store.open(settings.url) as store:
        store.put_items([Item(id=f"own-{n}", category="dress", colour="red", rights=rights) for n in range(3)])
        assert run("demo", "--no-serve", "--users", "1").exit_code == 0
        assert {item.id for item in store.items()} == {"own-0", "own-1", "own-2"}


def test_without_a_demo_catalogue_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOME": tmp_path, "DEMO": tmp_path / "nowhere", "DATASETS": "", "DATABASE_URL": ""}.items():
        monkeypatch.setenv(f"PERSONA_{name}", str(value))
    result = run("demo", "--no-serve")
    assert result.exit_code == 2
    assert "PERSONA_DEMO" in result.stderr


def test_recommend_shows_a_table_or_one_line_of_json(in_demo: Demo) -> None:
    table = run("recommend", "ava", "--count", "3")
    assert table.exit_code == 0
    assert "why" in table.stdout.splitlines()[0]
    answer = json.loads(run("recommend", "ava", "--count", "3", "--json").stdout.splitlines()[-1])
    assert answer["user_id"] == "ava"
    assert len(answer["items"]) == 3
    assert [item["item_id"] for item in answer["items"]] == re.findall(r"^generated-\d+", table.stdout, re.MULTILINE)


def test_refresh_says_what_is_counted(in_demo: Demo) -> None:
    counted = json.loads(run("refresh", "--json").stdout.splitlines()[-1])
    assert counted["used"] == (in_demo.settings.home / "cooccurrence.npz").exists()
    assert counted["used"] == (counted["pairs"] > 0) == (counted["users"] > 0)
    said = run("refresh").stdout
    assert ("took together" if counted["used"] else "nothing to count") in said


def test_generate_writes_the_pictures_it_names(in_demo: Demo, tmp_path: Path) -> None:
    arguments = ("generate", "--category", "dress", "--colour", "red", "--count", "2", "--seed", "3", "--json")
    first = run(*arguments, "--out", str(tmp_path / "a"))
    assert first.exit_code == 0, first.output
    answer = json.loads(first.stdout.splitlines()[-1])
    files = [Path(file) for file in answer["files"]]
    assert [file.exists() for file in files] == [True, True]
    assert {made["category"] for made in answer["generated"]} == {"dress"}
    run(*arguments, "--out", str(tmp_path / "b"))
    again = sorted((tmp_path / "b").iterdir())
    assert [file.read_bytes() for file in sorted(files)] == [file.read_bytes() for file in again]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recommend", "nobody"), "no user 'nobody'"),
        (("recommend", "ava", "--count", "1000"), "count: "),
        (("recommend", "ava", "--category", "frock"), "category: .*'dress'"),
        (("generate",), "--user: name a user, or a category"),
        (("generate", "--user", "ava", "--colour", "red"), "--user: .*leave out --colour"),
        (("generate", "--colour", "mauve"), "mauve.* is no colour: choose from black"),
        (("generate", "--catalogue", "5", "--out", "folder"), "--out: .*zip"),
        (("train", "gan", "--size", "32", "--images", "1000"), "catalogue: holds 0 photographed garments"),
        (("import", "clothing"), "PERSONA_DATASETS.*github.com/alexeygrigorev/clothing-dataset"),
    ],
)
def test_bad_requests_say_what_to_do(arguments: tuple[str, ...], says: str, in_demo: Demo, tmp_path: Path) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert re.search(f"^error: .*{says}", result.stderr)


def test_simulated_users_are_labelled_and_the_same_again(in_demo: Demo) -> None:
    first = run("simulate", "--users", "5", "--events", "5", "--seed", "9")
    assert first.stdout.startswith("5 users added, 0 known already")
    assert run("simulate", "--users", "5", "--events", "5", "--seed", "9").stdout.startswith("0 users added, 5 known")
    with Store.open(in_demo.settings.url) as store:
        name = re.findall(r"recommend (\S+)", first.stdout)[0]
        assert store.get_user(name).source == "simulated"
        assert store.history(name)


def test_a_port_in_use_is_stepped_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) <= port + 50
    with pytest.raises(BadInput, match="host"):
        free_port("203.0.113.1", 8000)


def test_it_serves_and_stops_when_told(in_demo: Demo) -> None:
    command = [sys.executable, "-m", "persona.cli", "demo", "--port", "0", "--users", str(USERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            address = next(found[1] for line in lines if (found := re.search(r"gallery: +(http://\S+)/", line)))
            assert _status(f"{address}/livez", seconds=60) == 200
        finally:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0


def _status(url: str, seconds: float) -> int:
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_looks_are_there_from_the_start(demo: Demo) -> None:
    with Store.open(demo.settings.url) as store:
        looks = store.looks()
    assert len(looks) == 30
    assert all(look.rights.generated and look.picture for look in looks)
