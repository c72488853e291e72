"""Queries that analysts keep for each other: a folder with a file for each, named by it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

from persona.analyze.questions import Kind, Parameter, Question
from persona.errors import BadInput, NotFound

LONGEST, TITLE, MOST = 20_000, 200, 500  # characters of the SQL, of its title; queries in a folder
KINDS: tuple[Kind, ...] = get_args(Kind)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class SavedQueries:
    """The folder. Any number of processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Question]:
        """Every query that can be read, by name."""
        for path in sorted(self._folder.glob("*.json")):
            if _NAME.fullmatch(path.stem):
                yield self.get(path.stem)

    def get(self, name: str) -> Question:
        """A query. Raises NotFound."""
        try:
            said = json.loads(self._path(name).read_text())
        except FileNotFoundError:
            raise NotFound(f"there is no saved query {name!r}") from None
        return Question(name, said["title"], said["sql"], tuple(_parameter(**one) for one in said["parameters"]))

    def save(self, query: Question) -> None:
        """Keep a query; one of the same name is replaced. Raises BadInput."""
        path = self._path(query.name)
        if not query.sql.strip() or len(query.sql) > LONGEST:
            raise BadInput("sql", f"has to be 1 to {LONGEST} characters")
        if len(query.title) > TITLE or not query.title.isprintable():
            raise BadInput("title", f"has to be at most {TITLE} printable characters")
        if not path.exists() and sum(1 for _ in self._folder.glob("*.json")) >= MOST:
            raise BadInput("name", f"there are {MOST} saved queries already: delete some first")
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".tmp", delete=False) as file:
            parameters = [{"name": p.name, "kind": p.type, "default": str(p.default)} for p in query.parameters]
            said = {"title": query.title, "sql": query.sql, "parameters": parameters}
            json.dump(said, file, ensure_ascii=False, indent=1)
        os.replace(file.name, path)

    def remove(self, name: str) -> None:
        """Forget a query; one that is not there is no error. Raises BadInput."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadInput("name", "has to be 1 to 64 small letters, digits and hyphens, such as likes-by-age")
        return self._folder / f"{name}.json"


def kind_named(name: str) -> Kind:
    """A type of parameters. Raises BadInput for a name that is none."""
    found = next((kind for kind in KINDS if kind == name), None)
    if found is None:
        raise BadInput("type", f"{name[:32]!r} is none; choose from {', '.join(KINDS)}")
    return found


def _parameter(name: str, kind: str, default: str) -> Parameter:
    parameter = Parameter(name, kind_named(kind), default)
    return replace(parameter, default=parameter.read(default))
