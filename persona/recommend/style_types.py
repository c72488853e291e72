"""What requests for styles ask for and what they get: the types that the API documents and every door shares."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import AwareDatetime, Field, model_validator

from persona.recommend.photo_types import LabelledResult, OwnPhoto, Photo, ReferenceRights, Upload, UserId, WithPicture
from persona.recommend.provenance import Format
from persona.recommend.types import Seed, Share
from persona.store.records import Identifier, NamedStyle, NoNul, Origin, Past, Record
from persona.style.art import ArtKind
from persona.style.controls import Controls

MOST_REFERENCES = 8  # of one request
MOST_LEARNT = 16  # references of a named style
LABEL = "Styled with AI by persona"
BY_RULE = "Styled by persona"  # patterns and art: no trained model made them

Method = Literal["transfer", "pattern", "art"]
Region = Literal["garment", "print", "clothes", "background", "all"]
REGIONS: tuple[Region, ...] = get_args(Region)
Weight = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Uploads = Annotated[tuple[Upload, ...], Field(description="files of pictures; the field may stand several times")]
_KEPT = "face, hair and skin of whoever is on it never"
_WHERE = (
    "garment: cut out of its photo, or what is not transparent; print: all of a picture that shows nobody; clothes or "
    f"background: of a photo of people; all: the whole picture, but {_KEPT}"
)
_READ = f"{_WHERE}. Left out: all"


class StyleRequest(Controls):
    """Ask for a style on one picture: a stored garment, or a photo. The style is that of one or several references.

    Of several, each counts by its weight: first the named ones, then the stored items, then the files. A pattern is
    taken from one picture; art needs no reference.
    """

    photo: Photo | None = Field(default=None, repr=False)
    photo_rights: OwnPhoto | None = Field(default=None, description="needed with a photo")
    item_id: Identifier | None = Field(default=None, description="a garment of the catalogue, in place of a photo")
    generation_id: Identifier | None = Field(default=None, description="a generated garment, in place of a photo")
    user_id: UserId | None = None
    region: Region | None = Field(
        default=None,
        description=f"what is styled. {_WHERE}, unless method=art: that paints whole portraits. Left out: all that "
        "may be of a photo of people (clothes, for a pattern), else the garment, or for art all",
    )
    method: Method = Field(
        default="transfer",
        description="transfer: colours and textures; pattern: a tile of the reference, laid on it; art: painted",
    )
    styles: tuple[Identifier, ...] = Field(
        default=(), max_length=MOST_REFERENCES, description="named styles, from `/v1/styles`"
    )
    reference_items: tuple[Identifier, ...] = Field(
        default=(), max_length=MOST_REFERENCES, description="items of the catalogue"
    )
    references: Uploads = Field(default=(), max_length=MOST_REFERENCES, repr=False)
    reference_rights: ReferenceRights | None = Field(default=None, description="needed with files of references")
    reference_region: Region | None = Field(default=None, description=f"what of the files counts. {_READ}")
    weights: tuple[Weight, ...] | None = Field(default=None, description="of the references; left out: all alike")
    scale: Annotated[float, Field(ge=0.1, le=64, description="pattern: tiles across the garment's widest part")] = 3.0
    rotation: Annotated[float, Field(ge=-360, le=360, description="pattern: degrees, clockwise")] = 0.0
    art: ArtKind | None = Field(default=None, description="needed with the method art")
    detail: Share = Field(default=0.5, description="art: 0 the broadest brush, 1 the finest")
    seed: Seed = Field(default=0, description="pattern: where the tile is taken from; art: of the strokes")
    format: Format = Field(default="png", description="png and webp keep every pixel outside the region as it was")

    @model_validator(mode="after")
    def _one_picture(self) -> StyleRequest:
        if sum(one is not None for one in (self.photo, self.item_id, self.generation_id)) != 1:
            raise ValueError("send exactly one of photo, item_id and generation_id")
        return self

    @model_validator(mode="after")
    def _fitting_references(self) -> StyleRequest:
        count = len(self.styles) + len(self.reference_items) + len(self.references)
        if self.method == "art":
            if count or self.weights:
                raise ValueError("art is painted without references: leave them out, or choose another method")
            return self
        if not 1 <= count <= MOST_REFERENCES:
            raise ValueError(f"send one to {MOST_REFERENCES} of styles, reference_items and references, not {count}")
        if self.weights is not None and len(self.weights) != count:
            raise ValueError(f"weights: there are {len(self.weights)} for {count} references; send one for each")
        if self.method == "pattern" and (count > 1 or self.styles):
            raise ValueError("a pattern is taken from one picture: send one of reference_items or references")
        return self

    @model_validator(mode="after")
    def _fitting_method(self) -> StyleRequest:
        if (self.art is not None) != (self.method == "art"):
            raise ValueError("art: send method=art together with the kind of art")
        if self.method != "transfer" and (self.keep_colour or self.keep_luminance):
            raise ValueError("keep_colour and keep_luminance go with the method transfer; leave them out")
        return self

    @property
    def controls(self) -> Controls:
        """How the style is put on."""
        return Controls(strength=self.strength, keep_colour=self.keep_colour, keep_luminance=self.keep_luminance)


class Styled(LabelledResult):
    """What was done to a picture, and what the result's file says of itself. Nothing of it was stored."""

    method: Method
    region: Region = Field(description="what was styled")
    covered: Share = Field(description="share of the picture that may have changed")
    people: int | None = Field(
        default=None,
        description="of the picture, whose face, hair and skin stayed; null where none were looked for: in what was "
        "generated, in a portrait that was to be painted whole, or where `persona[face]` is not installed",
    )
    controls: Controls
    model: str | None = Field(
        description="that moved the style; null for a pattern and for art", examples=["style@3f9a11c0de42"]
    )


class StyledAnswer(WithPicture, Styled):
    """The same with the picture in it; with `Accept: image/*` the picture comes alone."""


class LearnRequest(Record):
    """Learn a style from references, under a name. The references are read and forgotten; what stays is vectors."""

    name: Identifier = Field(description="it is used and liked by this name", examples=["style-mia"])
    title: Annotated[str, Field(max_length=256), NoNul] = Field(default="", description="for people")
    origin: Origin = Field(default="person", description="whose style it is: a person's, or that of a work, as a print")
    references: Uploads = Field(min_length=1, max_length=MOST_LEARNT, repr=False)
    reference_region: Region | None = Field(default=None, description=f"what of the references counts. {_READ}")
    weights: tuple[Weight, ...] | None = Field(default=None, description="of the references; left out: all alike")
    licence: Annotated[str, Field(min_length=1, max_length=128), NoNul] = Field(
        description="under which the references may be used", examples=["by agreement of 2026-05-04"]
    )
    source: Annotated[str, Field(min_length=1, max_length=512), NoNul] = Field(description="where they are from")
    consent: bool = Field(default=False, description="states that the person shown agreed; needed for a person's style")
    given_at: Past | None = Field(default=None, description="when that was; left out: now")
    until: AwareDatetime | None = Field(default=None, description="when it ends; left out: when it is withdrawn")
    owner: UserId | None = Field(
        default=None, description="the stored user whose style it is: it lasts while they allow `photos`"
    )

    @model_validator(mode="after")
    def _weight_for_each(self) -> LearnRequest:
        if self.weights is not None and len(self.weights) != len(self.references):
            raise ValueError(f"weights: {len(self.weights)} for {len(self.references)} references; send one for each")
        return self


class ListedStyle(Record):
    """A named style in force. Its name is an item's id: send it in events to like it."""

    name: Identifier
    title: str
    origin: Origin
    references: int = Field(description="how many it was learnt from; none was kept")
    licence: str
    source: str
    consent: bool = Field(description="the person shown agreed")
    given_at: datetime
    until: datetime | None
    owner: Identifier | None
    learnt_at: datetime
    model: str
    usable: bool = Field(description="false: learnt by another version of the model; learn it anew")
    url: str | None = Field(description="a swatch, drawn by the model")
    generated: Literal[True] = Field(default=True, description="of the swatch: label it so wherever shown")


class ListedStyles(Record):
    """The named styles in force, by name."""

    styles: tuple[ListedStyle, ...]


def listed(style: NamedStyle, url: str | None, usable: bool) -> ListedStyle:
    """A stored style as it is listed. url: of its swatch; usable: by the model that is here."""
    agreement = style.agreement
    return ListedStyle(
        name=style.id, title=style.title, origin=style.origin, references=len(style.weights),
        licence=agreement.licence, source=agreement.source, consent=agreement.consent, given_at=agreement.given_at,
        until=agreement.until, owner=style.owner, learnt_at=style.learnt_at, model=style.model, usable=usable, url=url,
    )  # fmt: skip
