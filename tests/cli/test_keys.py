"""`persona keys` and `persona audit`: a secret is printed once, and what it opens ends when it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest
from click.testing import CliRunner

from persona.cli import main
from persona.store import Store, upgrade


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store that commands use here."""
    url = f"sqlite:///{tmp_path / 'persona.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONA_DATABASE_URL", url)
    upgrade(url)
    with Store.open(url) as opened:
        yield opened


def run(*arguments: str) -> click.testing.Result:
    return CliRunner().invoke(main, arguments)


def test_a_key_s_life(store: Store) -> None:
    made = run("keys", "create", "shop app", "--scope", "write", "--scope", "analyst", "--days", "30")
    assert made.exit_code == 0
    secret = made.stdout.splitlines()[-1]
    key = store.verify_key(secret)
    assert key is not None
    assert (key.name, key.scopes) == ("shop app", ("write", "analyst"))
    listed = run("keys", "list").stdout
    assert key.id in listed
    assert secret not in listed
    rotated = run("keys", "rotate", key.id, "--hours", "0", "--json")
    fresh = json.loads(rotated.stdout)
    assert store.verify_key(secret) is None
    assert store.verify_key(fresh["secret"]) is not None
    assert run("keys", "revoke", fresh["id"]).exit_code == 0
    assert store.verify_key(fresh["secret"]) is None
    assert [one["revoked_at"] is not None for one in json.loads(run("keys", "list", "--json").stdout)["keys"]] == [
        False, True,
    ]  # fmt: skip
    entries = json.loads(run("audit", "--json").stdout)["entries"]
    assert [entry["action"] for entry in entries] == ["key.revoke", "key.rotate", "key.create"]
    assert "key.rotate" in run("audit", "--count", "2").stdout
    assert "key.create" not in run("audit", "--count", "2").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "app", "--scope", "root"), "'--scope'"),
        (("create", ""), "error: name: "),
        (("create", "app", "--days", "0"), "'--days'"),
        (("rotate", "k-none"), "there is no key 'k-none'"),
        (("rotate", "k-none", "--hours", "-1"), "error: hours: "),
        (("rotate", "k-none", "--hours", "nan"), "error: hours: "),
        (("revoke", "k-none"), "persona keys list"),
    ],
)
def test_what_cannot_be_done_is_said(store: Store, arguments: tuple[str, ...], said: str) -> None:
    result = run("keys", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert store.api_keys() == []
