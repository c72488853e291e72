"""Photos as requests hold them: files that came with a form, and who says that they may be used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from persona.store.records import Identifier

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
