"""Restoration as a service: a picture and a mask of what is damaged in, the picture filled in its own style out.

Pictures and masks are opened, worked on and forgotten, as everywhere; see `persona.style.restore` for the method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from persona.batcher import Places
from persona.catalog.pictures import Bytes
from persona.errors import BadInput
from persona.recommend.credentials import Signer
from persona.recommend.photo_types import LabelledResult, OwnPhoto, Photo, Upload, UserId, WithPicture
from persona.recommend.photos import (
    AT_ONCE,
    WAITING,
    LabelledPicture,
    check_photo_consent,
    check_rights,
    open_rgba,
    stated,
)
from persona.recommend.provenance import Format, Label, read_label
from persona.recommend.types import Seed, Share
from persona.store import Store
from persona.store.records import Record
from persona.style.picture import Floats
from persona.style.restore import restore

WORDS = "Restored by persona"
_OF_REQUEST = {"picture": "photo", "hole": "mask"}  # names of what `restore` refuses


class RestoreRequest(Record):
    """Ask for a picture of a garment whose damage is filled: a stain, a tear, a price tag."""

    photo: Photo = Field(repr=False)
    photo_rights: OwnPhoto | None = Field(default=None, description="states that the photo is yours; needed")
    user_id: UserId | None = None
    mask: Annotated[Upload, Field(description="a picture of the same size: white is damaged, black stays")] = Field(
        repr=False
    )
    texture: Share = Field(default=0.0, description="0: the likeliest, smoother than cloth; 1: all its texture")
    torn: bool = Field(default=False, description="the cloth itself is torn: transparency is filled, too")
    seed: Seed = Field(default=0, description="of the texture")
    format: Format = Field(default="png", description="png and webp keep every pixel outside the mask as it was")


class Restored(LabelledResult):
    """What was done to a picture, and what the result's file says of itself. Nothing of it was stored."""

    generated: Literal[True] = Field(default=True, description="in part: label it so wherever shown")
    filled: Share = Field(description="share of the picture that was marked")
    changed: Share = Field(description="share of it that is another than before")


class RestoredAnswer(WithPicture, Restored):
    """The same with the picture in it; with `Accept: image/*` the picture comes alone."""


@dataclass(frozen=True)
class RestoredPicture(LabelledPicture):
    """A picture restored, and what was done. Premultiplied uint8 (h, w, 4), before and after."""

    done: Restored


class Restorer:
    """Answers requests for restoration. Safe to share between threads."""

    def __init__(self, store: Store, signer: Signer | None = None) -> None:
        self._store, self._signer = store, signer
        self._places = Places("restore", AT_ONCE, WAITING)

    def apply(self, request: RestoreRequest) -> RestoredPicture:
        """Fill what the mask marks. Raises BadInput (with a code) for no usable photo or mask and for a user who does
        not allow photos, NotFound for an unknown user."""
        check_photo_consent(self._store, request.user_id)
        check_rights(request.photo_rights)
        with self._places.taken():
            rgba = open_rgba(request.photo, "photo")
            hole = _mask(request.mask, rgba)
            try:
                filled = restore(rgba, hole, texture=request.texture, torn=request.torn, seed=request.seed)
            except BadInput as error:
                raise BadInput(_OF_REQUEST.get(error.field, error.field), error.message, error.code) from error
            return self._result(request, rgba, filled, hole)

    def _result(self, request: RestoreRequest, before: Bytes, after: Bytes, hole: Floats) -> RestoredPicture:
        label = Label("algorithmicallyEnhanced", WORDS).after(read_label(request.photo))
        done = Restored(
            **stated(after, label, self._signer),
            filled=round(float((hole > 0).mean()), 4),
            changed=round(float((after != before).any(2).mean()), 4),
        )
        return RestoredPicture(before, after, label, self._signer, done)


def _mask(content: bytes, rgba: Bytes) -> Floats:
    """How far each pixel is replaced, float32 (h, w): light, as far as the mask is not transparent."""
    mask = open_rgba(content, "mask")
    if mask.shape[:2] != rgba.shape[:2]:
        sizes = f"is {mask.shape[1]}x{mask.shape[0]} pixels, the picture {rgba.shape[1]}x{rgba.shape[0]}"
        raise BadInput("mask", f"{sizes}: send one of the picture's size", "not_a_mask")
    return np.asarray(mask[..., :3].mean(2, dtype=np.float32) / np.float32(255), np.float32)
