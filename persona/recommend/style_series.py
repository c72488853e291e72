"""A series in one style: every picture of a folder, with the same engine and the same style vector for each.

It can be interrupted at any time and goes on from there: a result is a whole file or none, and a note beside them says
what they were asked with, so that results of two styles are never mixed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from persona.catalog.pictures import write_whole
from persona.errors import BadInput
from persona.recommend.seeds import digest
from persona.recommend.style_types import StyleRequest
from persona.recommend.styles import StyleStudio

NOTE = "series.json"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif")
_OF_ONE = ("photo", "references", "item_id", "generation_id")


@dataclass(frozen=True)
class Member:
    """One picture of a series. skipped: why nothing was made of it. known: it was there already."""

    source: Path
    result: Path
    skipped: str | None = None
    known: bool = False


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name. Raises BadInput for a folder without any."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise BadInput("folder", f"{folder} holds no picture ({', '.join(SUFFIXES)})")
    return found


def style_series(studio: StyleStudio, sources: list[Path], out: Path, request: StyleRequest) -> Iterator[Member]:
    """Put a request's style on each picture, and write the results into the folder `out`.

    request: with any photo; each source takes its place. A picture that cannot be used is told of and passed over; that
    the consent to a style ends on the way ends the series. Raises BadInput where `out` holds another series.
    """
    _take(out, request)
    names = Counter(path.stem for path in sources)
    vector = None if request.styles or request.method != "transfer" else studio.vector(request)
    for source in sources:
        name = source.stem if names[source.stem] == 1 else source.name
        result = out / f"{name}.{request.format}"
        if result.exists():
            yield Member(source, result, known=True)
            continue
        asked = request.model_copy(update={"photo": source.read_bytes()})
        try:
            made = studio.apply(asked, vector)
        except BadInput as error:
            if error.field != "photo":
                raise
            yield Member(source, result, skipped=f"{source.name}: {error}")
            continue
        write_whole(result, made.file(request.format))
        yield Member(source, result)


def _take(out: Path, request: StyleRequest) -> None:
    """Begin a series in a folder, or go on with it."""
    references = [digest(content.hex()) for content in request.references]
    stated = {"asked": request.model_dump(mode="json", exclude=set(_OF_ONE)), "references": references}
    note = out / NOTE
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = json.loads(note.read_text()) if note.exists() else None
    except (OSError, ValueError) as error:
        raise BadInput("--out", f"{out} cannot be written to or holds a damaged {NOTE} ({error})") from error
    if before is None and any(out.iterdir()):
        raise BadInput("--out", f"{out} holds other files; name a new folder")
    if before is not None and before != stated:
        raise BadInput("--out", f"{out} holds a series that was asked for otherwise; name another folder")
    write_whole(note, json.dumps(stated, indent=2).encode())
