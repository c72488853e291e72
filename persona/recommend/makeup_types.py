"""What requests for makeup ask for and what they get: the types that the API documents and every door shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from persona.errors import BadInput
from persona.makeup.advice import Scheme
from persona.makeup.analysis import FaceAnalysis, Monk, Shape, SkinTone, Undertone
from persona.makeup.face import Box
from persona.makeup.look import Look, Region, Share
from persona.recommend.photo_types import (
    Chosen,
    LabelledResult,
    OwnPhoto,
    Photo,
    ReferenceRights,
    Upload,
    UserId,
    WithPicture,
)
from persona.recommend.provenance import Format
from persona.recommend.types import MOST_EVENTS, InlineEvent, InlineProfile, Seed
from persona.store.records import Identifier, Occasion, Record, Season, Sha256, Traits

MOST_SCHEMES = 10
_LIPS: dict[str, Any] = {"region": "lips", "lab": "#9e1b32", "opacity": 0.8, "finish": "satin"}
RED_LIPS: dict[str, Any] = {"title": "Red lips", "products": [_LIPS]}


Regions = Annotated[
    dict[Region, Share],
    Field(description="strength of single regions, times `strength`; left out: 1", examples=[{"lips": 0.5}]),
]
Strength = Annotated[float, Field(ge=0, le=1, description="0: the photo as it is; 1: all of the look")]


class Stated(Record):
    """What the person says of themselves. It comes before what is read from a photo, and before a stored profile."""

    tone: Monk | None = Field(default=None, description="skin tone on the Monk scale, 1 (lightest) to 10")
    undertone: Undertone | None = None
    shape: Shape | None = Field(default=None, description="of the face")

    def traits(self, known: Traits) -> Traits:
        """Known traits with what is stated here in their place."""
        said = {"skin_tone": self.tone, "undertone": self.undertone, "face_shape": self.shape}
        return known.model_copy(update={name: value for name, value in said.items() if value is not None})


class PhotoRequest(Stated):
    """A photo, whose it is, and whom in it."""

    photo: Photo = Field(repr=False)
    photo_rights: OwnPhoto
    user_id: UserId | None = None
    face: Chosen | None = None


class AnalyzeRequest(PhotoRequest):
    """Ask what is read of a face for makeup."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"photo": "@me.jpg", "photo_rights": "own"}]})


class Painting(Record):
    """How strongly a look is put on, and in which kind of file it comes back."""

    strength: Strength = 1.0
    regions: Regions = Field(default={})
    format: Format = Field(default="png", description="png and webp keep every pixel outside the makeup as it was")

    def strengths(self, look: Look) -> dict[Region, float]:
        """The strength of each product of a look."""
        return {p.region: round(self.strength * self.regions.get(p.region, 1.0), 6) for p in look.products}


class ApplyRequest(PhotoRequest, Painting):
    """Ask for a look on a photo: a whole description, or one that ships or was saved."""

    look: Look | None = Field(
        default=None, description="the look itself; or name one by `look_id`", examples=[RED_LIPS]
    )
    look_id: Identifier | None = Field(
        default=None, description="from `/v1/makeup/looks`: in the shades for this skin", examples=["look-classic-red"]
    )

    @model_validator(mode="after")
    def _one_look(self) -> ApplyRequest:
        if (self.look is None) == (self.look_id is None):
            raise ValueError("send exactly one of look and look_id")
        return self


class TransferRequest(PhotoRequest, Painting):
    """Ask for the look of another photo, read relative to that person's own skin and lips."""

    reference: Photo = Field(repr=False)
    reference_rights: ReferenceRights
    reference_face: Chosen | None = None


class PersonRequest(Stated):
    """Whom something is for: a stored user, somebody who came with the request, or anybody."""

    user_id: Identifier | None = Field(default=None, description="a stored user: their traits and their taste count")
    profile: InlineProfile | None = Field(default=None, description="in place of `user_id`: somebody who is not stored")
    history: tuple[InlineEvent, ...] | None = Field(
        default=None, max_length=MOST_EVENTS, description="with `profile`: what they did with looks and garments"
    )
    occasion: Occasion | None = None

    @model_validator(mode="after")
    def _one_person(self) -> PersonRequest:
        if self.user_id is not None and self.profile is not None:
            raise ValueError("send user_id or profile, not both")
        if self.history is not None and self.profile is None:
            raise ValueError("history belongs to profile: a stored user has their own")
        return self


class MakeLooksRequest(PersonRequest):
    """Ask for looks that a model makes for one person's taste."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "u1", "count": 4, "occasion": "evening"}]})

    count: Annotated[int, Field(ge=1, le=16)] = 4
    seed: Seed | None = Field(default=None, description="the same seed gives the same looks; left out: the user's own")


class MadeLook(Record):
    """A look that a model made for one person. Send it to `/v1/makeup/apply`, or save it."""

    generated: Literal[True] = Field(default=True, description="label it so wherever shown")
    look: Look
    occasion: Occasion
    seed: Seed
    condition_digest: Sha256 = Field(description="sha256 of what it was made from")
    like: tuple[Identifier, ...] = Field(description="ids of the looks that the person's taste is nearest to here")


class MadeLooks(Record):
    """Looks made for one person; nothing was stored."""

    model: str = Field(examples=["look-gan@3f9a11c0de42"])
    seed: Seed
    looks: tuple[MadeLook, ...]


class AdviseRequest(PersonRequest):
    """Ask which looks suit a person: by a photo, by their own word, or both."""

    photo: Photo | None = Field(default=None, repr=False)
    photo_rights: OwnPhoto | None = Field(default=None, description="needed with a photo")
    face: Chosen | None = None
    season: Season | None = None
    products: Upload | None = Field(
        default=None, repr=False, description="csv of real products (id, name, region, colour): near ones are named"
    )
    count: Annotated[int, Field(ge=1, le=MOST_SCHEMES)] = Field(default=3, description="how many whole schemes")


class FoundFace(Record):
    """A face in a photo. choose: its number from the left; sent as `face`, it means this one."""

    choose: Annotated[int, Field(ge=1)]
    box: Box = Field(description="left, top, right, bottom in pixels of the upright photo")
    confidence: Share


class Analysis(FaceAnalysis):
    """What was read of a face. The photo was not stored."""

    width: int = Field(description="of the upright photo, in pixels")
    height: int
    face: FoundFace
    faces: tuple[FoundFace, ...] = Field(description="all that may be meant, from the left")


class MadeUp(LabelledResult):
    """What was done to a photo, which was not stored, and what the result's file says of itself."""

    look: Look = Field(description="what was put on, to be edited and sent again")
    look_id: Identifier | None = Field(default=None, description="the look that it was asked as")
    strengths: dict[Region, Share] = Field(description="how strongly, by region")
    skin: SkinTone | None = Field(default=None, description="what the shades were chosen for; null: it was not read")
    face: FoundFace


class MadeUpAnswer(WithPicture, MadeUp):
    """The same with the picture in it; with `Accept: image/*` the picture comes alone."""


class AdviceAnswer(Record):
    """Whole schemes, best first, with a reason for each choice; what is not certain, and what would make it so."""

    schemes: tuple[Scheme, ...]
    uncertain: tuple[str, ...]
    analysis: FaceAnalysis
    tasted: bool = Field(description="the person's own taste counted; false: nothing is known of it")
    face: FoundFace | None = Field(default=None, description="where a photo was sent")


class ListedLook(Record):
    """A look to choose."""

    look_id: Identifier
    title: str
    saved: bool = Field(description="by this user; false: it ships")
    occasions: tuple[Occasion, ...]
    seasons: tuple[Season, ...]
    look: Look = Field(description="in the shades for the stated skin tone")
    chart: str = Field(description="where it is seen on a drawn face", examples=["/v1/makeup/chart?look=look-disco"])


class ListedLooks(Record):
    """Looks to choose from, the user's own first."""

    looks: tuple[ListedLook, ...]


class SavedLook(Record):
    """A look that was saved. Looks can be saved; faces cannot."""

    look_id: Identifier
    look: Look


class SeveralFaces(BadInput):
    """A photo of several people, of whom none was chosen. faces: where they are."""

    def __init__(self, field: str, message: str, faces: tuple[FoundFace, ...]) -> None:
        super().__init__(field, message, "several_faces")
        self.faces = faces
