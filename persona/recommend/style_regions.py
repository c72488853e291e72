"""What of a picture is styled, and read as style: a garment, or all of a photo but the face, hair and skin of people.

Every picture is looked through for faces, whatever was asked for: nobody gets a new face because a field was left
out. Where the sender states that a picture shows nobody, a face must be beyond doubt to be kept all the same: of 413
garments 14 have something that is taken for one, with a confidence of at most .69, and portraits have at least .84.
Only where faces cannot be looked for at all, without MediaPipe, does that word alone count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from persona.catalog.cutout import garment_region
from persona.catalog.pictures import Bytes, on_white
from persona.errors import BadInput, OutOfDate
from persona.makeup.detector import open_detector
from persona.makeup.face import Face, LandmarkDetector
from persona.recommend.style_types import Region
from persona.style.person import Where, styled_region
from persona.style.picture import Floats
from persona.style.segment import PersonSegmenter, open_segmenter

NOBODY: tuple[Region, ...] = ("garment", "print")  # who asks for these states that the picture shows nobody
_SURE = 0.75  # confidence from which on a face is one, whatever is stated
_OF_A_PERSON: dict[Region, Where] = {
    "garment": "clothes", "print": "all", "clothes": "clothes", "background": "background", "all": "all",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What of a picture counts: region float32 (h, w), None for all that is not transparent; by which name; and how
    many people keep their face, None where faces could not be looked for."""

    region: Floats | None
    named: Region
    people: int | None


class RegionFinder:
    """Finds regions. What finds faces and people is opened with the first picture that needs it."""

    def __init__(
        self,
        detector: Callable[[], LandmarkDetector] = open_detector,
        segmenter: Callable[[], PersonSegmenter] = open_segmenter,
    ) -> None:
        """detector, segmenter: they open one, or raise OutOfDate."""
        self._open_detector, self._open_segmenter = detector, segmenter
        self._detector: LandmarkDetector | None = None
        self._segmenter: PersonSegmenter | None = None

    def find(
        self, rgba: Bytes, wanted: Region | None, *, usual: Region, of_person: Region, field: str, cut: bool = False
    ) -> Found:
        """The region of a premultiplied picture (h, w, 4).

        wanted: None for `of_person` where it shows a face, else `usual`. cut: a garment that is cut out already: that
        it shows nobody is stated. Raises BadInput of this field with the codes no_face, no_region and no_garment, and
        OutOfDate where faces cannot be looked for in a photo that may show somebody.
        """
        transparent = bool(rgba[..., 3].min() < 255)
        shown = on_white(rgba)
        of_somebody, stated = wanted in ("clothes", "background"), cut or wanted in NOBODY
        faces = self._faces(shown, needed=of_somebody or not (stated or transparent))
        if faces and stated and not of_somebody:
            faces = [face for face in faces if face.confidence >= _SURE]
        people = None if faces is None else len(faces)
        if faces:
            where = _OF_A_PERSON[wanted or of_person]
            return Found(self._of_people(shown, faces, where, field), where, len(faces))
        if of_somebody:
            why = "shows no face, so nothing says who wears what: send one with the face in it, or region=garment"
            raise BadInput(field, why, "no_face")
        named = wanted or usual
        region = _cut_out(shown, field) if named == "garment" and not (cut or transparent) else None
        return Found(region, named, people)

    def _faces(self, photo: Bytes, needed: bool) -> list[Face] | None:
        try:
            self._detector = self._detector or self._open_detector()
            return self._detector.detect(photo)
        except OutOfDate as error:
            if not needed:
                return None
            stated = "or, where a picture shows nobody, state region=garment or print (of references: reference_region)"
            raise OutOfDate(f"{error}; {stated}") from error

    def _of_people(self, photo: Bytes, faces: list[Face], where: Where, field: str) -> Floats:
        self._segmenter = self._segmenter or self._open_segmenter()
        region = styled_region(photo, self._segmenter.segment(photo), [face.xy for face in faces], where)
        if not (region > 0).any():
            why = f"shows hardly anything but face, hair and skin, which stay (region={where}): send one with more"
            raise BadInput(field, why, "no_region")
        return region


def _cut_out(photo: Bytes, field: str) -> Floats:
    region, failed = garment_region(photo)
    if failed:
        remedy = "photograph one garment on a plain background, send a PNG without one, or ask for region=all"
        raise BadInput(field, f"{failed}; {remedy}", "no_garment")
    return region
