"""From a photo's bytes to its cut-out picture and what is measured of it, remembered by the photo's content.

That memory is what makes an import resumable: whatever was cut before an interruption is not cut again, a photo that
changed is, and so is every photo when the code that cuts or measures changes.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import cv2

from persona.catalog import colour, cutout, measure, pattern, pattern_weights
from persona.catalog import pictures as pictures_
from persona.catalog.pictures import Pictures, decode_photo, write_whole
from persona.errors import BadInput
from persona.store.records import Colour, Pattern


@dataclass(frozen=True)
class Cut:
    """picture: sha256 of the kept cut-out. failed: why the background could not be removed, or None.

    Of a failed cut, which shows the whole photo, nothing is measured: it would be the room's colour.
    """

    picture: str
    lab: tuple[float, float, float] | None
    colour: Colour | None
    pattern: Pattern | None
    failed: str | None


def cut_photo(content: bytes, pictures: Pictures) -> Cut:
    """Cut the garment out of a photo, keep the picture and measure it, or recall all that. Raises BadInput."""
    note = _note(content, pictures)
    known = _recall(note)
    if known is not None and known.picture in pictures:
        return known
    photo = decode_photo(content, at_least=2 * cutout.WORKING_SIDE)
    try:
        made = cutout.cut_out(photo)
    except cv2.error as error:
        raise BadInput("picture", f"cannot be cut out: {error.err}") from None
    found = measure.Measures(None, None, None) if made.failed else measure.measure(made.rgba)
    cut = Cut(pictures.put(made.rgba), found.lab, found.colour, found.pattern, made.failed)
    write_whole(note, json.dumps(asdict(cut)).encode())
    return cut


def _note(content: bytes, pictures: Pictures) -> Path:
    digest = hashlib.sha256(_code() + content).hexdigest()
    return pictures.root / "cuts" / digest[:2] / f"{digest}.json"


def _recall(note: Path) -> Cut | None:
    try:
        values = json.loads(note.read_bytes())
        return Cut(**{**values, "lab": tuple(values["lab"]) if values["lab"] else None})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # never made, or torn: cut again


@cache
def _code() -> bytes:
    """A digest of all the code that a cut and its measures depend on."""
    modules = (colour, cutout, measure, pattern, pattern_weights, pictures_)
    return hashlib.sha256("".join([cv2.__version__, *map(inspect.getsource, modules)]).encode()).digest()
