"""Like mine, but green and striped: a user's own photo to garments that the generator draws after it.

The photo is cut out, read and forgotten. Only what was generated is stored, as everywhere, and labelled as generated.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from persona.batcher import Places
from persona.catalog.cutout import WORKING_SIDE, cut_out
from persona.catalog.pictures import decode_photo
from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, OutOfDate
from persona.gan.edit import Change, edit, slerp
from persona.gan.invert import Inverter, invert
from persona.gan.model import Code
from persona.recommend.garments import Atelier, Garment, Wish
from persona.recommend.photos import AT_ONCE, MOST_PIXELS, WAITING, check_photo_consent
from persona.recommend.seeds import derive, digest
from persona.recommend.types import Seed, picture_url
from persona.store import Store
from persona.store.records import Category, Colour, Identifier, Pattern, Record, Sha256

MOST_CHARACTERS = 1_000_000  # of a photo as base64: a request is at most 1 MiB
APART = 0.6  # of the great circle from the photo's own z to another one: how far variations lie from the first
_RED_TOP = (  # 16 x 16 pixels as PNG
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAYAAAAf8/9hAAAANElEQVR42mNgGPKAEcaYpqHxnxSNWTduMDIwMDAwUeoC"
    "Jqp5gVivwJxONReMGkAFA4YBAABqPQgTaHDRuQAAAABJRU5ErkJggg=="
)
EXAMPLE: dict[str, Any] = {"picture": _RED_TOP, "rights": "own", "colour": "green", "pattern": "striped"}


class VariationRequest(Record):
    """A photo of a garment, and what shall be different in garments like it. Nothing asked: garments like it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    picture: Annotated[
        str,
        Field(
            min_length=4,
            max_length=MOST_CHARACTERS,
            description="the photo's file (JPEG, PNG, WebP, ...) as base64: one garment on a plain background",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ]
    rights: Literal["own"] = Field(description="states that the photo is the user's own, or theirs to use like this")
    user_id: Identifier | None = Field(
        default=None, description="whose photo it is: a stored user who allows `photos`; null: nobody's, by statement"
    )
    garment: Category | None = Field(default=None, description="what the photo shows; left out: read from it")
    colour: Colour | None = Field(default=None, description="another colour")
    pattern: Pattern | None = Field(default=None, description="another pattern")
    category: Category | None = Field(default=None, description="another kind of garment")
    count: int = Field(default=1, ge=1, le=8, description="the first is nearest to the photo")
    seed: Seed | None = Field(default=None, description="of all but the first; left out: derived from the photo")


class Variation(Record):
    """A garment made after a photo: always labelled as generated."""

    generation_id: Identifier = Field(description="name it in an event to like or dislike this garment")
    source: Literal["generated"] = Field(default="generated", description="made by a model")
    generated: Literal[True] = Field(default=True, description="label it so wherever shown")
    category: Category = Field(description="what it was asked to be")
    colour: Colour | None = Field(description="name of the colour measured on the picture")
    pattern: Pattern | None = Field(description="the pattern measured on the picture; null where it is unsure")
    picture: Sha256 = Field(description="sha256 of the picture file")
    seed: Seed = Field(description="what it differs by from the others")
    model: str = Field(description="version of the generator", examples=["garment-64@3f9a11c0de42"])
    condition_digest: Sha256 = Field(description="sha256 of what it was drawn from: condition and z")
    url: str = Field(description="where the picture is", examples=["/i/5f0c...e1.webp"])


class Variations(Record):
    """What was read from the photo, which is not stored, and what was made after it."""

    garment: Category = Field(description="what the photo shows, as stated or read")
    likeness_error: float = Field(ge=0, description="mean difference of the photo and its drawing; .05 is near, .2 far")
    generated: tuple[Variation, ...] = Field(description="nearest to the photo first")


class Tailor:
    """Makes garments after photos. inverter: None, or one of another generator, where there is none to use."""

    def __init__(self, atelier: Atelier, visual: VisualNetwork, inverter: Inverter | None, store: Store) -> None:
        self._atelier, self._visual, self._inverter, self._store = atelier, visual, inverter, store
        self._places = Places("vary", AT_ONCE, WAITING)

    def vary(self, request: VariationRequest) -> Variations:
        """Answer a request. Raises BadInput for what is no usable photo and for a user who does not allow photos,
        NotFound for an unknown user, OutOfDate where the models cannot do it."""
        inverter = self._ready()
        check_photo_consent(self._store, request.user_id)
        with self._places.taken():
            rgba, model = cut(_decoded(request.picture)), self._atelier.generator
            feature = self._visual.features(rgba[None])
            garment = request.garment or self._category(feature)
            found = invert(inverter, model, rgba[None], feature, (garment,))
        change = Change(request.colour, request.pattern, request.category)
        code = edit(model, found.code, change).code if change else found.code
        seed = derive(digest(request.picture), "variation") if request.seed is None else request.seed
        made = self._atelier.draw(_wishes(code, request.count, seed))
        kept = self._atelier.keep(made, request.user_id, [()] * len(made))
        return Variations(
            garment=garment,  # type: ignore[arg-type]
            likeness_error=round(float(found.error[0]), 4),
            generated=tuple(_variation(one, model.version) for one in kept),
        )

    def _ready(self) -> Inverter:
        if self._inverter is None:
            raise OutOfDate("inverter-64: no such model folder in PERSONA_MODELS; run `persona train inverter`")
        self._inverter.check(self._atelier.generator)
        return self._inverter

    @torch.no_grad()
    def _category(self, feature: NDArray[np.float32]) -> str:
        """The likeliest category of a content vector (1, 64) among those that the generator draws."""
        network, names = self._visual, self._visual.categories
        inner = torch.from_numpy(feature).to(network.mean.device) * network.deviation + network.mean
        order = network.category_head(inner)[0].argsort(descending=True).tolist()
        return next(names[code] for code in order if names[code] in self._atelier.generator.categories)


def cut(content: bytes) -> NDArray[np.uint8]:
    """The garment of a photo's file, cut out: uint8 (128, 128, 4), premultiplied. Raises BadInput (picture)."""
    photo = decode_photo(content, max_pixels=MOST_PIXELS, at_least=2 * WORKING_SIDE)
    try:
        made = cut_out(photo)
    except cv2.error as error:
        raise BadInput("picture", f"cannot be cut out: {error.err}") from None
    if made.failed:
        remedy = "photograph one garment on a plain background, or send a PNG whose background is transparent"
        raise BadInput("picture", f"{made.failed}; {remedy}")
    return made.rgba


def _decoded(picture: str) -> bytes:
    try:
        return base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("picture", "is no base64: send the photo's file encoded so, without a prefix") from None


def _wishes(code: Code, count: int, seed: int) -> list[Wish]:
    """The code as it is, then with z on its way to others."""
    own, wishes = torch.from_numpy(code.z), []
    for number in range(count):
        seed_of = derive(seed, "garment", number)
        other = torch.from_numpy(Code.of(code.condition, code.category, [seed_of]).z)
        z = slerp(own, other, APART if number else 0.0).numpy()[0]
        wishes.append(Wish(code.condition[0], code.category[0], seed_of, z))  # type: ignore[arg-type]
    return wishes


def _variation(garment: Garment, model: str) -> Variation:
    return Variation(
        generation_id=garment.id,
        category=garment.wish.category,
        colour=garment.measures.colour,
        pattern=garment.measures.pattern,
        picture=garment.picture,
        seed=garment.wish.seed,
        model=model,
        condition_digest=garment.wish.digest,
        url=picture_url(garment.picture),
    )
