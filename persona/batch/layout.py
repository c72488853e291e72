"""Where things lie in a directory of catalogues.

    manifest.json  index/  pictures/  plan/      the finished catalogue
    .work/: run.json  index/  pictures/  plan/   a run under way, until it takes the place of what is above
    .lock                                        held by who drives one

`index/` and `pictures/` hold a file for each shard, named by its number and the hash of its content; with single files,
`pictures/` is a folder of pictures as `persona.catalog.pictures` has it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from persona.batch.types import FORMAT, Manifest, Run
from persona.errors import BadInput, NotFound, OutOfDate

T = TypeVar("T", Run, Manifest)


@dataclass(frozen=True)
class Layout:
    """The paths of one directory."""

    out: Path

    @property
    def manifest(self) -> Path:
        """Of the finished catalogue."""
        return self.out / "manifest.json"

    @property
    def plan(self) -> Path:
        """Who was planned for the finished catalogue, and how far they had come."""
        return self.out / "plan"

    @property
    def work(self) -> Path:
        """Of the run under way; not there between runs."""
        return self.out / ".work"

    @property
    def run(self) -> Path:
        """What the run under way is."""
        return self.work / "run.json"

    @property
    def next_plan(self) -> Path:
        """Of the run under way."""
        return self.work / "plan"

    @property
    def next_manifest(self) -> Path:
        """Of the run under way, once all its shards are made: then it is being finished."""
        return self.work / "manifest.json"

    @property
    def crowd(self) -> Path:
        """What everybody had done when the run under way was planned."""
        return self.work / "crowd"

    @property
    def lock(self) -> Path:
        """Held by the process that drives a run."""
        return self.out / ".lock"

    def read_run(self) -> Run:
        """The run under way. Raises NotFound where there is none, OutOfDate for another format, BadInput for a damaged
        file."""
        if not self.run.exists():
            raise NotFound(f"{self.out}: no run is under way here; begin one with `persona batch run --out {self.out}`")
        return _read(Run, self.run)

    def read_manifest(self) -> Manifest:
        """The finished catalogue. Raises as `read_run`."""
        if not self.manifest.exists():
            raise NotFound(f"{self.out}: no finished catalogue here; see `persona batch status {self.out}`")
        return _read(Manifest, self.manifest)

    def read_next_manifest(self) -> Manifest:
        """That of a run that is being finished. Raises as `read_run`."""
        return _read(Manifest, self.next_manifest)


def _read(kind: type[T], path: Path) -> T:
    try:
        told = json.loads(path.read_text())
        if told.get("format") != FORMAT:
            raise OutOfDate(f"{path}: format {told.get('format')}, this persona reads {FORMAT}; plan the run anew")
        return kind.model_validate(told)
    except (ValueError, AttributeError, ValidationError) as error:
        raise BadInput(str(path), f"is damaged ({error}); plan the run anew into an empty directory") from error
