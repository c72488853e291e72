"""`persona evaluate taste --data FILE`: one's own histories, from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from persona import figures
from tests.cli.conftest import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no data sets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONA_DATASETS", "")
    return tmp_path


def histories(users: int = 40) -> str:
    """Everybody goes round one of two rings of eight items, from some place on."""
    lines = []
    for user in range(users):
        ring = "ab"[user % 2]
        lines.append(" ".join([f"u{user}", *(f"{ring}{(user + step) % 8}" for step in range(4 + user % 3))]))
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_a_file_of_one_s_own_is_judged_and_gone_on_with(folder: Path) -> None:
    (folder / "mine.txt").write_text(histories())
    (folder / "kinds.json").write_text(json.dumps({f"{ring}{n}": [ord(ring)] for ring in "ab" for n in range(8)}))
    before = figures.FILE.read_bytes()
    command = ("evaluate", "taste", "--data", "mine.txt", "--seeds", "1", "--rounds", "1", "--json")
    done = run(*command, "--attributes", "kinds.json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert 0 <= told["hr10"] <= 1
    assert told["users"] == 40
    assert told["items"] == 16
    assert told["hr10_sd"] is None
    assert "one seed" in told["why"]["hr10_sd"]
    assert told["ease_hr10"] is not None
    assert {part.name for part in (folder / "runs" / "taste-mine").iterdir()} == {"seed-0", "by-position"}
    assert figures.FILE.read_bytes() == before  # figures of one's own data are one's own
    again = json.loads(run(*command, "--attributes", "kinds.json").stdout.splitlines()[-1])
    assert again["train_seconds"] == told["train_seconds"]  # it was not trained again
    assert again["ndcg10"] == told["ndcg10"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "nowhere.txt"), "data: nowhere.txt is no file"),
        (("--data", "beauty"), r"data: beauty: .*PERSONA_DATASETS.*CIKM2020-S3Rec"),
        (("--data", "bad.txt"), "bad.txt:2: user 'u1' has no items"),
        (("--data", "good.txt", "--attributes", "bad.txt"), "attributes: bad.txt: wanted JSON"),
    ],
)
def test_what_cannot_be_read_is_said(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    (folder / "bad.txt").write_text("u0 a b c\nu1\n")
    (folder / "good.txt").write_text(histories())
    done = run("evaluate", "taste", *arguments)
    assert done.exit_code == 2
    assert re.search(said, done.output)
    assert not (folder / "runs").exists()


def test_what_privacy_costs_is_asked_of_a_file_with_enough_users_and_a_budget_that_promises_something(
    folder: Path,
) -> None:
    (folder / "few.txt").write_text(histories(40))
    (folder / "mine.txt").write_text(histories(120))
    for data, epsilon, why in (
        ("simulated", "2", "--data FILE"), ("few.txt", "2", "40 users"), ("mine.txt", "0", "not above 0"),
    ):  # fmt: skip
        refused = run("evaluate", "taste", "--data", data, "--dp-epsilon", epsilon)
        assert refused.exit_code == 2
        assert why in refused.stderr
