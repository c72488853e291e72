"""`persona makeup`: looks on photos, from photos, advice and analyses, from the command line. No photo is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona.cli.command import Group
from persona.cli.output import print_json, print_table
from persona.cli.photos import JSON, OUT, PHOTO, format_of, opened_store, settings_for_one
from persona.errors import BadInput

if TYPE_CHECKING:
    from persona.makeup.analysis import FaceAnalysis
    from persona.recommend.makeup import MadeUpPhoto, MakeupStudio

FACE = click.option("--face", type=click.IntRange(1, 32), help="Which of several faces, counted from the left.")
STRENGTH = click.option(
    "--strength", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="0: as it is; 1: all of the look."
)
REGION = click.option(
    "--region", "regions", multiple=True, metavar="NAME=SHARE", help="Strength of one region, such as lips=.5; repeat."
)


def stated(command: Any) -> Any:
    """Options by which a person says what they know of themselves."""
    command = click.option("--shape", help="Face shape: oval, round, square, heart or oblong.")(command)
    command = click.option("--undertone", help="cool, neutral or warm.")(command)
    return click.option("--tone", type=click.IntRange(1, 10), help="Skin tone on the Monk scale, 1 is lightest.")(
        command
    )


@click.group(cls=Group)
def makeup() -> None:
    """Put looks on photos, read them from photos, ask what suits somebody. Photos are your own, and are not kept."""


@makeup.command(example="persona makeup apply me.jpg --look classic-red --strength .8 --region lips=.5 --out red.png")
@click.argument("photo", type=PHOTO)
@click.option("--look", required=True, metavar="NAME|FILE.json", help="A look that ships, or one in a file.")
@STRENGTH
@REGION
@FACE
@stated
@click.option("--out", type=OUT, default="made-up.png", show_default=True, help="File to write: png, webp or jpg.")
@JSON
def apply(
    photo: Path, look: str, strength: float, regions: tuple[str, ...], face: int | None, out: Path, as_json: bool,
    **said: Any,
) -> None:  # fmt: skip
    """Put a look on a photo."""
    from persona.cli.varying import requested
    from persona.recommend.makeup_types import ApplyRequest

    named = _look(look)
    asked = {"photo": photo.read_bytes(), "photo_rights": "own", "strength": strength, "regions": _shares(regions)}
    request = requested(ApplyRequest, **asked, **named, **said, face=face, format=format_of(out))
    _write(studio().apply(request), out, as_json)


@makeup.command(example="persona makeup transfer me.jpg friend.jpg --out like-friend.png")
@click.argument("photo", type=PHOTO)
@click.argument("reference", type=PHOTO)
@STRENGTH
@REGION
@FACE
@click.option("--reference-face", type=click.IntRange(1, 32), help="Likewise, on the reference.")
@click.option("--out", type=OUT, default="made-up.png", show_default=True, help="File to write: png, webp or jpg.")
@JSON
def transfer(
    photo: Path, reference: Path, strength: float, regions: tuple[str, ...], face: int | None,
    reference_face: int | None, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Put the look of REFERENCE on PHOTO. Whoever is on it has to have agreed."""
    from persona.cli.varying import requested
    from persona.recommend.makeup_types import TransferRequest

    photos = {"photo": photo.read_bytes(), "reference": reference.read_bytes()}
    rights = {"photo_rights": "own", "reference_rights": "consented"}
    asked = {"strength": strength, "regions": _shares(regions), "face": face, "reference_face": reference_face}
    request = requested(TransferRequest, **photos, **rights, **asked, format=format_of(out))
    _write(studio().transfer(request), out, as_json)


@makeup.command(example="persona makeup advise --tone 5 --shape oval --occasion evening --products shades.csv")
@click.argument("photo", type=PHOTO, required=False)
@stated
@click.option("--user", help="For this stored user: their traits and their taste count.")
@click.option("--occasion", help="everyday, work, evening, wedding, party or stage.")
@click.option("--season", help="spring, summer, autumn or winter.")
@click.option("--products", type=PHOTO, help="Table of real products (csv: id, name, region, colour).")
@click.option("--count", type=click.IntRange(1, 10), default=3, show_default=True, help="Whole schemes.")
@FACE
@JSON
def advise(photo: Path | None, user: str | None, products: Path | None, as_json: bool, **said: Any) -> None:
    """Say which looks suit somebody, and why: by a photo, by their own word, or both."""
    from persona.cli.varying import opened, requested
    from persona.recommend.makeup_types import AdviseRequest

    files = {"photo": photo.read_bytes() if photo else None, "products": products.read_bytes() if products else None}
    asked = requested(AdviseRequest, **files, photo_rights="own" if photo else None, user_id=user, **said)
    advice = (opened().makeup if user else studio()).advise(asked)
    for scheme in advice.schemes:
        click.secho(f"{scheme.look.title or scheme.look_id}  ({scheme.fit:.0%})", bold=True)
        rows = [(c.region, c.product.hex, c.product.finish, c.reasons[0].text, _matches(c)) for c in scheme.choices]
        print_table(("region", "colour", "finish", "why", "near it"), rows)
        click.echo()
    for line in advice.uncertain:
        click.echo(f"Not certain: {line}")
    if as_json:
        print_json(advice.model_dump(mode="json"))


@makeup.command(example="persona makeup analyze me.jpg --json")
@click.argument("photo", type=PHOTO)
@stated
@FACE
@JSON
def analyze(photo: Path, as_json: bool, **said: Any) -> None:
    """Read skin tone and face shape of a photo."""
    from persona.cli.varying import requested
    from persona.recommend.makeup_types import AnalyzeRequest

    read = studio().analyze(requested(AnalyzeRequest, photo=photo.read_bytes(), photo_rights="own", **said))
    _print_face(read)
    if as_json:
        print_json(read.model_dump(mode="json"))


@makeup.command(example="persona makeup looks --tone 8")
@click.option("--tone", type=click.IntRange(1, 10), help="Skin tone on the Monk scale that the shades are for.")
@click.option("--user", help="Show the looks that this stored user saved as well.")
@JSON
def looks(tone: int | None, user: str | None, as_json: bool) -> None:
    """List the looks to choose from."""
    found = studio(stored=user is not None).looks.listed(user, tone, "/v1/makeup/chart?look={}")
    rows = [(one.look_id, one.title, ", ".join(one.occasions), _products(one.look)) for one in found]
    print_table(("look", "title", "occasions", "products"), rows)
    if as_json:
        print_json({"looks": [one.model_dump(mode="json") for one in found]})


def studio(stored: bool = False) -> MakeupStudio:
    """The studio without what recommendations need, on the store that the settings name.

    stored: something of that store is asked for. Else one that is not there yet is done without.
    """
    from persona.recommend.makeup import MakeupStudio, open_models

    settings = settings_for_one()
    return MakeupStudio(opened_store(settings, needed=stored), open_models(settings))


def _look(said: str) -> dict[str, Any]:
    """A look that ships by its name, or the one in a file."""
    from pydantic import ValidationError

    from persona.cli.output import invalid
    from persona.makeup.look import Look
    from persona.makeup.named import named_looks

    if said.endswith(".json"):
        try:
            return {"look": Look.model_validate_json(Path(said).read_bytes())}
        except OSError as error:
            raise BadInput("--look", f"{said} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise BadInput("--look", f"{said}: {invalid(error)}") from error
    names = {one.id for one in named_looks()}
    found = [name for name in names if name == said or name == f"look-{said}"]
    return {"look_id": found[0] if found else said}


def _shares(said: tuple[str, ...]) -> dict[str, float]:
    shares = {}
    for one in said:
        name, _, share = one.partition("=")
        try:
            shares[name.strip().replace("-", "_")] = float(share)
        except ValueError:
            raise BadInput("--region", f"{one!r}: write a region and its strength, such as lips=.5") from None
    return shares


def _write(made: MadeUpPhoto, out: Path, as_json: bool) -> None:
    from persona.catalog.pictures import write_whole

    write_whole(out, made.file(format_of(out)))
    strengths = made.done.strengths
    rows = [(p.region, p.hex, p.finish, p.placement, strengths.get(p.region, 0.0)) for p in made.done.look.products]
    print_table(("region", "colour", "finish", "placement", "strength"), rows)
    click.echo(f"{out}: {made.done.width} x {made.done.height}, labelled “{made.done.label}”. The photo was not kept.")
    if as_json:
        print_json({**made.done.model_dump(mode="json"), "file": str(out)})


def _print_face(read: FaceAnalysis) -> None:
    skin, shape = read.skin, read.shape
    between = f"{skin.monk_range[0]} to {skin.monk_range[1]}" if skin.monk_range else "unknown"
    click.echo(f"skin tone   {skin.monk or 'unknown'} on the Monk scale, between {between}")
    click.echo(f"undertone   {skin.undertone or 'unknown'}")
    if skin.why:
        click.echo(f"            not certain: {skin.why}")
    scores = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shape.scores.items(), key=lambda s: -s[1]))
    click.echo(f"face shape  {shape.shape or 'unknown'}{f' ({scores})' if scores else ''}")


def _matches(choice: Any) -> str | None:
    return ", ".join(f"{m.product.name} ({m.distance})" for m in (choice.matches or ())[:2]) or None


def _products(look: Any) -> str:
    return " ".join(f"{product.region} {product.hex}" for product in look.products)


COMMANDS: tuple[click.Command, ...] = (makeup,)
