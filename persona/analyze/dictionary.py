"""The data dictionary: every view and column that analysts read, with the types that they get."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from persona.errors import BadInput

FILE = Path(__file__).with_name("dictionary.toml")
Kind = Literal["id", "word", "text", "int", "number", "time", "date", "flag", "json", "vector"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Column:
    """A column. null: it may be unknown."""

    name: str
    type: Kind
    about: str
    null: bool = False


@dataclass(frozen=True)
class View:
    """A view. key: the columns that tell its rows apart; time: the one that says since when a row is known."""

    name: str
    about: str
    key: tuple[str, ...]
    columns: dict[str, Column]
    time: str | None = None


@cache
def dictionary() -> dict[str, View]:
    """All views by name, in the order of the file."""
    told = tomllib.loads(FILE.read_text())
    return {
        name: View(
            name=name,
            about=view["about"],
            key=tuple(view["key"]),
            columns={column: Column(column, **said) for column, said in view["columns"].items()},
            time=view.get("time"),
        )
        for name, view in told.items()
    }


def view_named(name: str) -> View:
    """A view. Raises BadInput for a name that is none."""
    try:
        return dictionary()[name]
    except KeyError:
        raise BadInput("view", f"there is no {name!r}; choose from {', '.join(dictionary())}") from None
