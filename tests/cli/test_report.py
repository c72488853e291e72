"""`persona report trust` on a demo with simulated users beside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Demo, run


@pytest.mark.slow
def test_the_report_of_a_demo_has_figures_by_group(
    in_demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(in_demo.settings.home, tmp_path / "home")
    monkeypatch.setenv("PERSONA_HOME", str(tmp_path / "home"))
    simulated = run("simulate", "--users", "120", "--events", "1200")
    assert simulated.exit_code == 0, simulated.output
    result = run("report", "trust", "--out", str(tmp_path / "trust"), "--quick", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report == json.loads((tmp_path / "trust" / "trust.json").read_text())
    ranking, popular = (report["ranking"][name]["all"]["value"] for name in ("ndcg10", "popularity_ndcg10"))
    assert ranking > popular
    wins, control = report["making"]["wins"]["all"], report["making"]["control"]
    assert wins["interval"][0] > 0.5  # made for them, and no other
    assert control["interval"][0] < 0.55
    assert report["making"]["pictures"] == 2 * wins["users"]
    assert report["rights"]["open"] == 0
    assert {row["name"]: row["copy_ratio"] for row in report["copying"]}["garment-64"] > 0.9
    assert {card["name"] for card in report["cards"]} >= {"taste-garment", "garment-64", "visual-64"}
    assert report["exposure"]["items"] == report["items"]
    page = (tmp_path / "trust" / "trust.html").read_text()
    assert "Model card of taste-garment" in page


def test_the_report_of_an_empty_demo_says_that_there_are_too_few(in_demo: Demo, tmp_path: Path) -> None:
    result = run("report", "trust", "--out", str(tmp_path / "trust"), "--quick")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "trust" / "trust.json").read_text())
    assert report["making"]["wins"]["all"] is None
    assert any("Too few users" in words for words in report["limits"])
    assert report["consents"]["personalisation"]["granted"] == "fewer than 20"
