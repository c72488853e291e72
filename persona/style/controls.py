"""What can be asked of a transfer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from persona.store.records import Record


class Controls(Record):
    """How a style is put on. strength: 0 leaves the picture as it is, 1 is the whole style.

    keep_colour: hues and chroma stay, texture and contrast come from the style. keep_luminance: light and dark stay,
    colours come from the style.
    """

    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    keep_colour: bool = False
    keep_luminance: bool = False

    @model_validator(mode="after")
    def _something_moves(self) -> Controls:
        if self.keep_colour and self.keep_luminance:
            raise ValueError("keep_luminance: with keep_colour nothing of the style is left; keep one of the two")
        return self


WHOLE = Controls()
