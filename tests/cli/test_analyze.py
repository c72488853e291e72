"""`persona analyze sql` and `role`, as an analyst and an administrator meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from persona.cli import main
from persona.store import Item, Profile, Rights, Store

RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with two users, one of whom analysts see, and three garments."""
    monkeypatch.setenv("PERSONA_DATABASE_URL", database_url)
    with Store.open(database_url) as opened:
        opened.bulk_users([Profile(id="u1", consents={"analytics": True}), Profile(id="u2")])
        opened.put_items(Item(id=f"i{n}", category="dress", owner="o", rights=RIGHTS) for n in range(3))
    return database_url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["analyze", *arguments])


def test_a_saved_question(store: str, tmp_path: Path) -> None:
    result = run("sql", "exposure", "--param", "since=2025-01-01", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {
        "columns": ["owner", "items", "views", "share_of_items", "share_of_views"], "rows": [["o", 3, 0, 1.0, None]]
    }  # fmt: skip
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    assert "1 rows in " in run("sql", "exposure", "--csv", str(csv), "--parquet", str(parquet)).output
    assert pd.read_csv(csv)["items"].tolist() == pd.read_parquet(parquet)["items"].tolist() == [3]


def test_questions_are_listed(store: str) -> None:
    listed = run("sql").output
    assert "top-items: Which garments are wanted most?\n    since=1970-01-01 count=20" in listed


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("exposure", "--param", "since=yesterday"), "error: since: 'yesterday' is no value of it; give a day"),
        (("exposure", "--param", "since"), "error: param: 'since' is no NAME=VALUE"),
        (("nothing",), "error: sql: there is no question 'nothing'; choose from colours-by-age"),
    ],
)
def test_what_cannot_be_asked(store: str, arguments: tuple[str, ...], why: str) -> None:
    result = run("sql", *arguments)
    assert result.exit_code == 2
    assert why in result.output


def test_sql_of_one_s_own_with_the_login_that_is_printed(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = tmp_path / "q.sql"
    query.write_text("SELECT user_id, events FROM dim_user WHERE events >= :least;\n")
    asked = "sql", "--file", str(query), "--param", "least=0"
    made = run("role", "--login", "cli_ana")
    if store.startswith("sqlite"):
        assert "error: database_url: SQLite has no roles" in made.output
    else:
        assert "PERSONA_ANALYST_URL to what it prints" in run(*asked).output
        assert made.exit_code == 0, made.output
        assert "persona_analyst reads 9 views, made of " in made.output
        again = json.loads(run("role", "--login", "cli_ana", "--json").output)
        assert "size_top" not in again["columns"]["users"]
        monkeypatch.setenv("PERSONA_ANALYST_URL", again["url"])
        with Store.open(store) as opened:
            assert [entry.action for entry in opened.audited(2)] == ["analysts.login"] * 2
    assert run(*asked).output.split() == ["user_id", "events", "u1", "0"]
    assert "error: file: a question is named as well" in run("sql", "exposure", "--file", str(query)).output
