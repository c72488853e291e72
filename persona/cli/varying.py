"""`persona generate` after a photo, or on the way from one user's taste to another's."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from PIL import Image

from persona.cli import generating
from persona.cli.output import invalid, print_json, print_table
from persona.errors import BadInput

if TYPE_CHECKING:
    from persona.recommend import Recommender
    from persona.store.records import Record

    Request = TypeVar("Request", bound=Record)

SECONDS = 0.12  # that a frame of the moving picture is shown
LABEL = "Label them as generated where you show them."


def check(
    like: Path | None, garment: str | None, from_user: str | None, to_user: str | None, user: str | None,
    catalogue: int | None, style: str | None,
) -> None:  # fmt: skip
    """Raise BadInput for options that do not go together."""
    if bool(from_user) != bool(to_user):
        raise BadInput("--to-user" if from_user else "--from-user", "name both ends of the walk")
    ways = {"--like": like, "--from-user": from_user, "--user": user, "--catalogue": catalogue}
    chosen = [name for name, value in ways.items() if value]
    if len(chosen) > 1 and (like or from_user):
        raise BadInput(chosen[0], f"does not go with {chosen[1]}; name one of them")
    if garment and not like:
        raise BadInput("--garment", "says what the photo of --like shows: add --like FILE")
    if like and style:
        raise BadInput("--style", "cannot be changed; with --like there are --colour, --pattern and --category")


def vary(photo: Path, out: Path, as_json: bool, **asked: Any) -> None:
    """Make garments like the one in a photo, write them into a folder and say what was made."""
    from persona.catalog.pictures import MOST_PIXELS
    from persona.recommend import VariationRequest
    from persona.recommend.variations import MOST_CHARACTERS

    content = smaller(photo.read_bytes(), MOST_CHARACTERS * 3 // 4, MOST_PIXELS)
    request = requested(VariationRequest, picture=base64.b64encode(content).decode(), rights="own", **asked)
    recommender = opened()
    answer = recommender.vary(request)
    files = generating.save(answer, recommender.pictures, out)
    rows = [(str(file), g.category, g.colour, g.pattern) for file, g in zip(files, answer.generated)]
    print_table(("file", "category", "colour", "pattern"), rows)
    made_by = answer.generated[0].model
    click.echo(f"The photo shows: {answer.garment}. It was not stored. Made by {made_by}. {LABEL}")
    if as_json:
        print_json({**answer.model_dump(mode="json"), "files": [str(file) for file in files]})


def walk(
    from_user: str, to_user: str, frames: int, category: str | None, seed: int | None, out: Path, as_json: bool
) -> None:
    """Write the pictures of a walk into a folder, and one that moves from the first to the last."""
    from persona.catalog.pictures import encode, unpremultiply, write_whole
    from persona.recommend import RecommendationRequest

    start, end = (
        requested(RecommendationRequest, user_id=user, category=category, seed=number)
        for user, number in ((from_user, seed), (to_user, (seed or 0) + 1 if from_user == to_user else seed))
    )
    pictures = opened().walk(start, end, frames)
    generating.folder(out)
    files = [out / f"{number:03d}.webp" for number in range(1, frames + 1)]
    for file, picture in zip(files, pictures):
        write_whole(file, encode(picture))
    first, *others = [Image.fromarray(unpremultiply(picture)) for picture in pictures]
    moving = out / "walk.webp"
    first.save(moving, save_all=True, append_images=others, duration=round(1000 * SECONDS), loop=0, lossless=True)
    click.echo(f"{frames} pictures from {from_user} to {to_user} in {out}, and {moving}. {LABEL}")
    if as_json:
        print_json({"files": [str(file) for file in files], "moving": str(moving), "generated": True})


def smaller(content: bytes, most: int, max_pixels: int) -> bytes:
    """A photo's file of at most so many bytes: itself, or its pixels at a size that the cut-out does not go beyond."""
    import io

    from persona.catalog.cutout import WORKING_SIDE
    from persona.catalog.pictures import decode_photo

    if len(content) <= most:
        return content
    image = Image.fromarray(decode_photo(content, max_pixels=max_pixels, at_least=2 * WORKING_SIDE))
    image.thumbnail((2 * WORKING_SIDE, 2 * WORKING_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def requested(kind: type[Request], **asked: Any) -> Request:
    """A request of this kind. Raises BadInput for the first thing wrong with it."""
    from pydantic import ValidationError

    try:
        return kind(**asked)
    except ValidationError as error:
        raise invalid(error) from error


def opened() -> Recommender:
    """The service on the store that the settings name, for one request."""
    from persona.cli.photos import settings_for_one
    from persona.recommend import Recommender

    return Recommender.open(settings_for_one())
