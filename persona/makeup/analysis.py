"""What is read of a face for makeup: its skin tone and its shape, with what is uncertain about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from persona.store.records import Finite, Record, Traits

if TYPE_CHECKING:
    from persona.makeup.face import Bytes, Face

Monk = Annotated[int, Field(ge=1, le=10)]
Undertone = Literal["cool", "neutral", "warm"]
Shape = Literal["oval", "round", "square", "heart", "oblong"]


class SkinTone(Record):
    """Skin tone on the Monk scale, 1 (lightest) to 10; never more exact than the light allows."""

    monk: Monk | None = Field(description="nearest Monk tone; null where the light does not allow one")
    monk_range: tuple[Monk, Monk] | None = Field(description="tones that it may be, both included")
    undertone: Undertone | None = Field(description="null where it is too near to call")
    ita: Finite | None = Field(description="individual typology angle in degrees, after white balance")
    lab: tuple[Finite, Finite, Finite] | None = Field(description="median skin colour, CIELAB after white balance")
    certain: bool = Field(description="false: the light is coloured, dim or uneven, so choose by what you know")
    why: str = Field(default="", description="what makes it uncertain")
    stated: tuple[Literal["monk", "undertone"], ...] = Field(default=(), description="what the user said themselves")


class FaceShape(Record):
    """How much a face is of each shape; most faces lie between two."""

    shape: Shape | None = Field(description="the likeliest; null where nothing can be said")
    scores: dict[Shape, Annotated[float, Field(ge=0, le=1)]] = Field(description="they add up to 1")
    stated: bool = Field(default=False, description="the user said it themselves")


class FaceAnalysis(Record):
    """What makeup advice knows of a face."""

    skin: SkinTone
    shape: FaceShape


def analyse(photo: Bytes | None, face: Face | None, traits: Traits | None = None) -> FaceAnalysis:
    """Skin tone and face shape of a face in a photo, uint8 (h, w, 3), the user's own word first; without a photo, or
    without a face, their word alone."""
    from persona.makeup import shape, skin  # they give the records above

    if photo is None or face is None:
        return FaceAnalysis(skin=skin.unread("there is no photo", traits), shape=shape.unread_shape(traits))
    return FaceAnalysis(skin=skin.read_skin(photo, face, traits), shape=shape.read_shape(face, traits))
