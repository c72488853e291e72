"""What is printed: tables, values and the line of JSON."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from persona import figures
from persona.cli.bench import publish
from persona.cli.output import print_json, print_table, print_values

COMMAND = "persona bench import"


def printed(act: object) -> str:
    """What a function prints."""

    @click.command()
    def command() -> None:
        act()  # type: ignore[operator]

    result = CliRunner().invoke(command, [], catch_exceptions=False)
    return result.stdout


def test_tables_have_even_columns_and_no_empty_ends() -> None:
    text = printed(lambda: print_table(("name", "n", "why"), [("a", 10, "x"), ("long", 2.5, None)]))
    assert text.splitlines() == ["name  n      why", "a        10  x", "long  2.500  -"]


def test_values_say_why_they_are_missing() -> None:
    text = printed(lambda: print_values({"rate": 1234.6, "by": {"1": 2.0}, "gone": None}, {"gone": "no data"}))
    assert text.splitlines() == ["  rate  1,235", "  by    1: 2", "  gone  -  (no data)"]


def test_json_is_one_line_and_refuses_nan() -> None:
    assert json.loads(printed(lambda: print_json({"a": "é\n"}))) == {"a": "é\n"}
    with pytest.raises(ValueError, match="JSON"):
        print_json({"a": float("nan")})


@pytest.mark.parametrize("record", [True, False])
def test_what_is_measured_is_printed_and_kept_only_where_asked_for(
    record: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {}
    monkeypatch.setattr(figures, "record", kept.__setitem__)
    text = printed(lambda: publish(COMMAND, {"pictures_per_s": 4.25}, {}, as_json=True, record=record))
    last = json.loads(text.splitlines()[-1])
    assert last["pictures_per_s"] == 4.25
    assert {"date", "version", "machine"} <= set(last)
    assert kept == ({COMMAND: last} if record else {})
