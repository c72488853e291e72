"""Portraits to learn from and to measure on, from a zip like the shared faces.zip; who of them is held out.

The zip holds `faces.csv` (file, face_id, age, gender, ethnicity; all but file and face_id may be empty), the files and,
beside a file, the points that were placed on it by hand: `*.landmarks.csv`, lines of x,y in pixels.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from persona.catalog.pictures import decode_photo
from persona.errors import BadInput
from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.skin import read_skin

HELD_SHARE = 0.3  # of the people of each group
_FEWEST = 2  # people held out of a group of more than that
_MOST = 8  # held out of one group: more would only repeat what is known of it
BANDS = {"light": range(1, 5), "medium": range(5, 8), "deep": range(8, 11)}  # of the Monk scale
_COMPOSITE = "composite/"


@dataclass(frozen=True)
class Picture:
    """One picture, uint8 (h, w, 3). gender, ethnicity: in the person's own words; empty: not said. points: float64
    (m, 2), placed by hand in its pixels, where there are such."""

    file: str
    face_id: str
    gender: str
    ethnicity: str
    photo: Bytes
    points: NDArray[np.float64] | None

    @property
    def composite(self) -> bool:
        """An average of several people, who may be among the others."""
        return self.file.startswith(_COMPOSITE)


@dataclass(frozen=True)
class Portrait(Picture):
    """A picture of one person, with their face."""

    face: Face


def pictures_of(archive: Path) -> Iterator[Picture]:
    """Every picture of a zip, in the order of its table. Raises BadInput for a file that is no such zip."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for row in csv.DictReader(io.StringIO(opened.read("faces.csv").decode("utf-8-sig"))):
                yield _picture(opened, row)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadInput(str(archive), f"is no zip of portraits with faces.csv (file, face_id, ...): {error}") from error


def load_portraits(archive: Path, detector: LandmarkDetector) -> list[Portrait]:
    """Every picture of one person in which one face is found, in the order of the table.

    Raises BadInput for a file that is no such zip, or holds no such portrait.
    """
    found = []
    for picture in pictures_of(archive):
        faces = [] if picture.composite else detector.detect(picture.photo)
        if len(faces) == 1:
            found.append(Portrait(**vars(picture), face=faces[0]))
    if not found:
        raise BadInput(str(archive), "shows no face: it needs portraits of one person each")
    return found


def _picture(opened: zipfile.ZipFile, row: dict[str, str]) -> Picture:
    beside = str(PurePosixPath(row["file"]).with_suffix(".landmarks.csv"))
    points = None
    if beside in opened.namelist():
        points = np.loadtxt(io.BytesIO(opened.read(beside)), delimiter=",")
    gender, ethnicity = (row.get(name, "").strip() for name in ("gender", "ethnicity"))
    photo = decode_photo(opened.read(row["file"]))[..., :3]
    return Picture(row["file"], row["face_id"], gender, ethnicity, photo, points)


def band_of(photo: Bytes, face: Face) -> str:
    """The band of Monk tones that is read of a face; "unread" where none is."""
    monk = read_skin(photo, face).monk
    return next((name for name, tones in BANDS.items() if monk in tones), "unread")


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
