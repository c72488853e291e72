"""The README says what the program does: its tables are held against the commands, the settings and the figures.

`make docs` (this file, run as a program) writes the tables anew.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import click
import pytest
from pydantic_core import PydanticUndefined

from persona.cli import main
from persona.cli.command import commands
from persona.figures import markdown, read
from persona.goals import FIGURES
from persona.settings import CHECKOUT, Settings

README = (CHECKOUT / "README.md").read_text()


def part(name: str) -> str:
    """What stands between a pair of markers."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found, f"README.md has lost its markers for {name}"
    return found[1].strip()


def command_table() -> str:
    rows = [f"| `{usage(name, command)}` | {first_sentence(command)} |" for name, command in commands(main).items()]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def usage(name: str, command: click.Command) -> str:
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    return " ".join([name, *(p.make_metavar(click.Context(command)) for p in arguments)])


def first_sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def setting_table() -> str:
    rows = [
        f"| `PERSONA_{name.upper()}` | {default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | what it is |", "| --- | --- | --- |", *rows])


def default(value: object) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    return f"`{value.relative_to(CHECKOUT) if isinstance(value, Path) and value.is_absolute() else value}`"


MADE = {"commands": command_table, "settings": setting_table, "figures": lambda: markdown(read())}


@pytest.mark.parametrize("name", MADE)
def test_the_readme_s_table_is_in_step(name: str) -> None:
    assert part(name) == MADE[name](), f"README.md lags behind between the markers of {name!r}: run `make docs`"


def test_links_into_the_repository_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def test_links_within_the_page_lead_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in re.findall(r"^#+ .*", README, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings


def test_figures_come_from_commands_that_exist() -> None:
    assert {command.split(" --")[0] for command in FIGURES} <= set(commands(main))
    assert set(read()) <= set(FIGURES)


def test_the_top_of_the_repository_holds_only_what_it_should() -> None:
    allowed = {"pyproject.toml", "persona", "migrations", "tests", "data", "README.md", "Makefile", "LICENSE"}
    made = {"build", "runs", "persona.toml", "persona.egg-info"}  # ignored by git
    found = {path.name for path in Path(CHECKOUT).iterdir() if not path.name.startswith(".")}
    assert found <= allowed | made


def test_the_lock_holds_versions_alone_no_addresses() -> None:
    lines = (CHECKOUT / ".ci" / "requirements.lock").read_text().splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; .+)?", line)] == []


def renewed(text: str, name: str) -> str:
    """The text with a table made anew between its markers."""
    head, rest = text.split(f"<!-- {name} -->\n", 1)
    return f"{head}<!-- {name} -->\n{MADE[name]()}\n<!-- /{name} -->{rest.split(f'<!-- /{name} -->', 1)[1]}"


if __name__ == "__main__":
    (CHECKOUT / "README.md").write_text(functools.reduce(renewed, MADE, README))
