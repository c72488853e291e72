"""What every service that works on photos shares: how large they may be, who allows it, and results that say of
themselves what they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from persona.catalog.pictures import Bytes, premultiply
from persona.errors import BadInput
from persona.makeup.photo import open_picture
from persona.recommend.credentials import Signer
from persona.recommend.provenance import Format, Label, encode, media_type
from persona.store import Store
from persona.style.picture import opaque

MOST_PIXELS = 25_000_000  # of a photo: 75 MB while it is worked on, and as much for the result
MOST_RGBA = 12_500_000  # of a picture that keeps its transparency: a phone's; worked on, it takes up to 420 MB
AT_ONCE = 2  # photos that are worked on at the same time; more wait, so that memory stays bounded
WAITING = 32  # photos that wait at most, for each kind of work; who sends more is told to come again


@dataclass(frozen=True)
class LabelledPicture:
    """A result: before and after, uint8 (h, w, 3), or premultiplied (h, w, 4). It is the caller's: nothing is kept."""

    before: Bytes = field(repr=False)
    after: Bytes = field(repr=False)
    label: Label
    signer: Signer | None

    def file(self, format: Format) -> bytes:
        """The result's file, labelled, and signed where there is a signer. Raises OutOfDate where that fails."""
        content = encode(self.after, format, self.label)
        return self.signer.sign(content, media_type(format), self.label) if self.signer else content


def stated(result: Bytes, label: Label, signer: Signer | None) -> dict[str, Any]:
    """The fields of a `LabelledResult`, of a picture (h, w, ...)."""
    height, width = result.shape[:2]
    return {
        "width": width, "height": height, "label": label.words, "digital_source_type": label.uri,
        "signed": signer is not None,
    }  # fmt: skip


def open_rgba(content: bytes, field: str) -> Bytes:
    """A picture that was sent, premultiplied uint8 (h, w, 4). Raises BadInput of the field as `open_picture`."""
    photo = open_picture(content, max_pixels=MOST_RGBA, field=field)
    return premultiply(photo) if photo.shape[2] == 4 else opaque(photo)


def check_photo_consent(store: Store, user_id: str | None) -> None:
    """Raise BadInput (user_id, no_consent) for a stored user who has not allowed `photos`, NotFound for an unknown one.

    None: a photo of nobody who is stored, by the sender's statement.
    """
    if user_id is not None and not store.get_user(user_id).consents.get("photos", False):
        message = f"user {user_id!r} has not allowed the use of photos: put the consent `photos` first"
        raise BadInput("user_id", message, "no_consent")


def check_rights(photo_rights: str | None, field: str = "photo_rights") -> None:
    """Raise BadInput (no_consent) where nobody said that a photo may be used."""
    if photo_rights is None:
        raise BadInput(field, "is missing: state that the photo is yours to use like this", "no_consent")
