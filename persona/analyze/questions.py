"""Saved questions: SQL with typed parameters under a name. The ten that come along are in questions.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from persona.errors import BadInput

FILE = Path(__file__).with_name("questions.toml")
Kind = Literal["word", "int", "number", "date"]
Value = str | int | float | date
_READ: dict[str, Any] = {"word": str, "int": int, "number": float, "date": date.fromisoformat}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a question. choices: the words that it may be; none: any."""

    name: str
    type: Kind
    default: Value
    about: str = ""
    choices: tuple[str, ...] = ()

    def read(self, given: object) -> Value:
        """A value of its type, from text too. Raises BadInput."""
        try:
            value: Value = _READ[self.type](given if self.type == "number" else str(given).strip())
        except (TypeError, ValueError):
            wanted = {"int": "a whole number", "number": "a number", "date": "a day such as 2026-03-31"}[self.type]
            raise BadInput(self.name, f"{given!r} is no value of it; give {wanted}") from None
        if self.choices and value not in self.choices:
            raise BadInput(self.name, f"{given!r} is none of {', '.join(self.choices)}")
        return value


@dataclass(frozen=True)
class Question:
    """A question, and the SQL that answers it. title: the question in words."""

    name: str
    title: str
    sql: str
    parameters: tuple[Parameter, ...] = ()

    def values(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters: the given ones, read as their types, and the others' defaults. Raises BadInput."""
        names = [parameter.name for parameter in self.parameters]
        if unknown := sorted(set(given) - set(names)):
            raise BadInput(unknown[0], f"is no parameter of {self.name}; it has {', '.join(names) or 'none'}")
        return {p.name: p.read(given[p.name]) if p.name in given else p.default for p in self.parameters}


@cache
def questions() -> dict[str, Question]:
    """The questions that come along, by name."""
    told = tomllib.loads(FILE.read_text())
    return {
        name: Question(
            name=name,
            title=said["title"],
            sql=said["sql"].strip(),
            parameters=tuple(_parameter(of, **about) for of, about in said.get("parameters", {}).items()),
        )
        for name, said in told.items()
    }


def guessed(text: str) -> str | int | float:
    """A value of a parameter that nothing is known of, from a command or a form: a number where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _parameter(name: str, **told: Any) -> Parameter:
    choices = tuple(told.pop("choices", ()))
    default = _READ[told["type"]](told.pop("default"))
    return Parameter(name, default=default, choices=choices, **told)
