"""`persona batch` on the demo, from the estimate to what is served; and what goes wrong, in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from persona.batch.layout import Layout
from persona.store import Profile, Store

from .conftest import USERS, Demo, run

SMALL = ("--per-user", "1", "--kinds", "garments,items", "--users-per-shard", "2", "--workers", "1")


def told(*arguments: str) -> dict[str, Any]:
    result = run("batch", *arguments, "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return values


@pytest.fixture
def added(in_demo: Demo) -> Iterator[Store]:
    """The demo's store, with a user who is not there after the test."""
    with Store.open(in_demo.settings.url) as store:
        store.put_user(Profile(id="added"))
        yield store
        if "added" in store.user_ids():
            store.delete_user("added")


def test_a_catalogue_from_the_estimate_to_what_is_served(added: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expected = told("plan", "--out", str(out), *SMALL, "--hourly-cost", "2")
    assert (expected["users"], expected["pictures"]) == (USERS + 1, USERS + 1)
    assert expected["cost"] > 0
    assert not out.exists()
    made = told("run", "--out", str(out), *SMALL)
    assert (made["users"], made["pictures"], made["rows"]) == (USERS + 1, USERS + 1, 2 * (USERS + 1))
    assert expected["bytes"] == pytest.approx(sum(one.stat().st_size for one in out.rglob("0*.*")), rel=0.9)
    assert told("status", str(out))["state"] == "done"
    assert told("verify", str(out))["problems"] == 0
    before = Layout(out).manifest.read_bytes()
    assert told("run", "--out", str(out))["changed"] is False  # as before, without saying it again
    added.put_user(Profile(id="added"))
    assert "1 of 4 users in 1 shards" in run("batch", "run", "--out", str(out)).stderr
    added.delete_user("added")
    gone = run("batch", "verify", str(out))
    assert gone.exit_code == 1
    assert "'added' was erased" in gone.stdout
    assert told("resume", str(out))["users"] == USERS
    assert Layout(out).manifest.read_bytes() != before
    assert told("verify", str(out))["problems"] == 0
    assert told("push", str(out))["users"] == USERS
    user = added.user_ids()[0]
    assert added.user_catalogue(user) is not None
    assert run("batch", "lookbook", str(out), user, "--out", str(tmp_path / "u.html")).exit_code == 0
    assert user in (tmp_path / "u.html").read_text()
    assert run("batch", "sheet", str(out), "--out", str(tmp_path / "s.webp")).exit_code == 0
    assert (tmp_path / "s.webp").read_bytes()[8:12] == b"WEBP"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("run", "--out", "out", "--users", "nobody"), "users: 'nobody' is neither"),
        (("run", "--out", "out", "--users", "skin_tone=11"), "users: skin_tone=11"),
        (("run", "--out", "out", "--kinds", "hats"), "hats: choose from items,garments"),
        (("resume", "out"), "no finished catalogue here"),
        (("status", "out"), "no catalogue here"),
        (("verify", "out"), "no finished catalogue here"),
        (("push", "out"), "no finished catalogue here"),
        (("lookbook", "out", "u1"), "no finished catalogue here"),
    ],
)
def test_what_cannot_be_is_one_line(
    in_demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("batch", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()
