"""The record of what was measured, and the table made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persona import figures
from persona.errors import BadInput
from persona.goals import FIGURES, Goal

COMMAND = "persona bench import"


def test_a_result_holds_every_key_and_the_machine_but_no_name_of_a_host() -> None:
    result = figures.result(COMMAND, {"pictures_per_s": 5.5, "pictures": 120})
    assert result["pictures_per_s"] == 5.5
    assert set(result["machine"]) == {"cpu", "cores", "memory_gib", "gpu", "python", "torch"}
    assert json.loads(json.dumps(result)) == result


def test_a_missing_value_needs_a_reason() -> None:
    with pytest.raises(KeyError, match="pictures_per_s"):
        figures.result(COMMAND, {})
    result = figures.result(COMMAND, {}, {"pictures_per_s": "no data here"})
    assert result["pictures_per_s"] is None
    assert result["why"] == {"pictures_per_s": "no data here"}


def test_results_are_kept_by_command_in_the_table_s_order(tmp_path: Path) -> None:
    file = tmp_path / "data" / "figures.json"
    assert figures.read(file) == {}
    for command in reversed(FIGURES):
        why = dict.fromkeys(FIGURES[command], "not measured yet")
        figures.record(command, figures.result(command, {}, why), file)
    figures.record(COMMAND, figures.result(COMMAND, {"pictures_per_s": 6.0}), file)
    assert list(figures.read(file)) == list(FIGURES)
    assert figures.read(file)[COMMAND]["pictures_per_s"] == 6.0
    assert [path.name for path in file.parent.iterdir()] == ["figures.json"]


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text("{")
    with pytest.raises(BadInput, match=r"figures.json: is damaged"):
        figures.record(COMMAND, figures.result(COMMAND, {"pictures_per_s": 1.0}), file)
    assert file.read_text() == "{"


@pytest.mark.parametrize(
    ("goal", "values", "met"),
    [
        (Goal(">=", 4), {"x": 4.0}, True),
        (Goal(">=", 4), {"x": 3.9}, False),
        (Goal("<=", 0), {"x": 0}, True),
        (Goal("<=", 6), {"x": None}, None),
        (Goal("<=", {"a": 1, "b": 2}), {"x": {"a": 1, "b": 2, "c": 3}}, True),
        (Goal("<=", {"a": 1, "b": 2}), {"x": {"a": 1, "b": 3}}, False),
        (Goal("<=", {"a": 1, "b": 2}), {"x": {"a": 1}}, False),
        (Goal(">=", 0.5, "whole"), {"x": 0.3, "whole": 0.6}, True),
        (Goal(">=", 0.5, "whole"), {"x": 0.3, "whole": 0.7}, False),
        (Goal(">=", 0.5, "whole"), {"x": 0.3, "whole": None}, None),
    ],
)
def test_goals(goal: Goal, values: dict[str, float | None], met: bool | None) -> None:
    assert goal.met("x", values) is met


def test_every_goal_measures_against_a_key_of_its_command() -> None:
    for keys in FIGURES.values():
        for goal in keys.values():
            assert goal is None or goal.share_of is None or goal.share_of in keys


def test_the_table_says_what_was_reached_and_why_a_value_is_missing() -> None:
    measured = figures.result(COMMAND, {"pictures_per_s": 3.0})
    serve = {"rss_mb": 900.0, "sigterm_dropped": 0}
    why = {key: "for a reason" for key in FIGURES["persona bench serve"] if key not in serve}
    text = figures.markdown(
        {COMMAND: measured, "persona bench serve": figures.result("persona bench serve", serve, why)}
    )
    assert "| `pictures_per_s` | 3 | >= 4 | not yet |" in text
    assert "| `rss_mb` | 900 | <= 1500 | reached |" in text
    assert "| `reject_p99_ms` | (for a reason) | <= 20 |  |" in text
    assert "`persona bench import` on " in text
