"""Photos as requests hold them: files that came with a form, and who says that they may be used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from persona.store.records import Identifier, Record

MOST_FACES = 32  # that one may be chosen from
FILES = "files"  # in a validation's context: the files that came with a form, by field


def _file(value: Any, info: ValidationInfo) -> bytes:
    if isinstance(value, bytes):
        return value
    files = (info.context or {}).get(FILES, {})
    if not isinstance(value, str) or value not in files:
        raise ValueError("is no file: send it as a part with a file name")
    return bytes(files[value])


Upload = Annotated[bytes, PlainValidator(_file), WithJsonSchema({"type": "string", "format": "binary"})]
"""A file's bytes. In JSON it is the name of a file that came along."""

Photo = Annotated[Upload, Field(description="the photo's file: JPEG, PNG, WebP, ...; a still picture")]
OwnPhoto = Annotated[Literal["own"], Field(description="states that the photo is the sender's, to be used like this")]
ReferenceRights = Annotated[
    Literal["own", "consented"],
    Field(description="states that the reference is the sender's own, or that who is on it agreed to this use"),
]
Chosen = Annotated[int, Field(ge=1, le=MOST_FACES, description="which of several faces, counted from the left")]
UserId = Annotated[Identifier, Field(description="a stored user, who allows `photos`; null: nobody's, by statement")]


class LabelledResult(Record):
    """What a result's file says of itself. The picture that it was made from was not stored."""

    width: int = Field(description="of the picture, upright, and of the result, in pixels")
    height: int
    generated: Literal[True] = Field(default=True, description="label it so wherever shown")
    label: str = Field(description="what the file's metadata says for people")
    digital_source_type: str = Field(description="IPTC term in the file's XMP")
    signed: bool = Field(description="it carries Content Credentials (C2PA)")


class WithPicture(Record):
    """A result with the picture in it."""

    media_type: Literal["image/png", "image/webp", "image/jpeg"]
    picture: str = Field(description="the file as base64", json_schema_extra={"contentEncoding": "base64"})
