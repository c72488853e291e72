"""Portraits to learn from and to measure on, from a zip like the shared faces.zip; who of them is held out.

The zip holds `faces.csv` (file, face_id, age, gender, ethnicity; all but file and face_id may be empty) and the files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from persona.errors import BadInput
from persona.makeup.face import Bytes, Face, LandmarkDetector

HELD_SHARE = 0.3  # of the people of each group
_FEWEST = 2  # people held out of a group of more than that
_MOST = 8  # held out of one group: more would only repeat what is known of it
_COMPOSITE = "composite/"  # averages of several people, who may be among the others: no part of anything here


@dataclass(frozen=True)
class Portrait:
    """One picture, uint8 (h, w, 3), with its face. gender, ethnicity: in the person's own words; empty: not said."""

    file: str
    face_id: str
    gender: str
    ethnicity: str
    photo: Bytes
    face: Face


def load_portraits(archive: Path, detector: LandmarkDetector) -> list[Portrait]:
    """Every portrait of one person in which one face is found, in the order of the table.

    Raises BadInput for a file that is no such zip, or holds no such portrait.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            rows = list(csv.DictReader(io.StringIO(opened.read("faces.csv").decode("utf-8-sig"))))
            found = [_portrait(opened, row, detector) for row in rows if not row["file"].startswith(_COMPOSITE)]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadInput(str(archive), f"is no zip of portraits with faces.csv (file, face_id, ...): {error}") from error
    portraits = [portrait for portrait in found if portrait is not None]
    if not portraits:
        raise BadInput(str(archive), "shows no face: it needs portraits of one person each")
    return portraits


def _portrait(opened: zipfile.ZipFile, row: dict[str, str], detector: LandmarkDetector) -> Portrait | None:
    with Image.open(io.BytesIO(opened.read(row["file"]))) as image:
        photo = np.asarray(image.convert("RGB"))
    faces = detector.detect(photo)
    if not faces:
        return None
    gender, ethnicity = (row.get(name, "").strip() for name in ("gender", "ethnicity"))
    return Portrait(row["file"], row["face_id"], gender, ethnicity, photo, faces[0])


def held_out_people(portraits: Sequence[Portrait]) -> set[str]:
    """The face_ids that nothing is learnt from: of every gender and ethnicity a share, the same on every machine."""
    groups: dict[tuple[str, str], set[str]] = {}
    for portrait in portraits:
        groups.setdefault((portrait.gender, portrait.ethnicity), set()).add(portrait.face_id)
    held: set[str] = set()
    for people in groups.values():
        count = min(max(round(HELD_SHARE * len(people)), _FEWEST), _MOST) if len(people) > _FEWEST else 0
        held |= set(sorted(people, key=lambda one: hashlib.sha256(one.encode()).hexdigest())[:count])
    return held


def balanced(portraits: Sequence[Portrait]) -> list[float]:
    """How often each is shown, so that small groups count for more than their numbers: by the root of their share."""
    groups = [(portrait.gender, portrait.ethnicity) for portrait in portraits]
    return [groups.count(group) ** -0.5 for group in groups]
