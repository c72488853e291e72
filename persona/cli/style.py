"""`persona style`: styles put on pictures and whole folders, learnt from references, listed and retired."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona.cli.command import Group
from persona.cli.output import print_json, print_table
from persona.cli.photos import JSON, OUT, PHOTO, format_of, opened_store, settings_for_one
from persona.errors import BadInput

if TYPE_CHECKING:
    from persona.recommend.restoration import RestoredPicture
    from persona.recommend.style_types import StyleRequest
    from persona.recommend.styles import StyledPicture, StyleStudio

DATE = click.DateTime(formats=["%Y-%m-%d"])
REGION = click.Choice(["garment", "print", "clothes", "background", "all"])


@click.group(cls=Group)
def style() -> None:
    """Put the style of a reference on garments and photos. Pictures are your own, and are not kept."""


@style.command(example="persona style apply jacket.jpg --like print.png --strength .8 --out styled.png")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--style", "styles", multiple=True, metavar="NAME", help="A style that was learnt; repeat to blend.")
@click.option("--like", multiple=True, type=PHOTO, help="A picture whose style it is; whoever is on it agreed; repeat.")
@click.option("--weight", "weights", multiple=True, type=float, help="Of each of these, --style first; default: alike.")
@click.option("--pattern", is_flag=True, help="Lay a seamless tile of --like on the garment, in place of its style.")
@click.option("--scale", type=float, default=3.0, show_default=True, help="With --pattern: tiles across the garment.")
@click.option("--rotation", type=float, default=0.0, show_default=True, help="With --pattern: degrees, clockwise.")
@click.option("--art", type=click.Choice(["oil", "impressionist", "cartoon", "line"]), help="Paint it, without --like.")
@click.option("--detail", type=float, default=0.5, show_default=True, help="With --art: 0 broad strokes, 1 fine ones.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the place of the tile, and of strokes.")
@click.option("--strength", type=float, default=1.0, show_default=True, help="0: as it is; 1: all of the style.")
@click.option("--keep-colour", is_flag=True, help="Hues stay, texture and contrast come from the style.")
@click.option("--keep-luminance", is_flag=True, help="Light and dark stay, colours come from the style.")
@click.option("--region", type=REGION, help="What is styled; default: the garment; of people all but face, hair, skin.")
@click.option("--like-region", "reference_region", type=REGION, help="What of --like counts; default: all but faces.")
@click.option("--format", "kind", type=click.Choice(["png", "webp", "jpeg"]), help="Of a folder's results.")
@click.option("--out", type=click.Path(path_type=Path), help="File or folder to write; default: styled.png or styled.")
@JSON
def apply(
    source: Path, styles: tuple[str, ...], like: tuple[Path, ...], weights: tuple[float, ...], pattern: bool,
    art: str | None, kind: str | None, out: Path | None, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Put a style on a picture, or on every picture of a folder: stopped, it goes on from there."""
    from persona.cli.varying import requested
    from persona.recommend.style_types import StyleRequest

    whole = source.is_dir()
    if kind and not whole:
        raise BadInput("--format", "goes with a folder; a file's result takes its format from --out")
    out = out or Path("styled" if whole else "styled.png")
    request = requested(
        StyleRequest,
        photo=b"" if whole else source.read_bytes(),
        photo_rights="own",
        styles=styles,
        references=tuple(path.read_bytes() for path in like),
        reference_rights="consented" if like else None,
        weights=weights or None,
        method="pattern" if pattern else "art" if art else "transfer",
        art=art,
        format=(kind or "png") if whole else format_of(out),
        **asked,
    )
    work = studio(stored=bool(styles))
    if whole:
        _series(work, source, out, request, as_json)
    else:
        _write(work.apply(request), out, as_json)


@style.command(example="persona style restore jacket.png --mask stain.png --out restored.png")
@click.argument("picture", type=PHOTO)
@click.option("--mask", type=PHOTO, required=True, help="A picture of the same size: white is damaged, black stays.")
@click.option("--texture", type=float, default=0.0, show_default=True, help="0: the likeliest; 1: the cloth's texture.")
@click.option("--torn", is_flag=True, help="The cloth itself is torn: fill transparency, too.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the texture.")
@click.option(
    "--out", type=OUT, default="restored.png", show_default=True, help="File to write; its ending says which."
)
@JSON
def restore(picture: Path, mask: Path, out: Path, as_json: bool, **asked: Any) -> None:
    """Fill what is damaged on a PICTURE of a garment in its own style: a stain, a tear, a price tag."""
    from persona.cli.varying import requested
    from persona.recommend.credentials import open_signer
    from persona.recommend.restoration import Restorer, RestoreRequest

    request = requested(
        RestoreRequest,
        photo=picture.read_bytes(),
        photo_rights="own",
        mask=mask.read_bytes(),
        format=format_of(out),
        **asked,
    )
    settings = settings_for_one()
    _write(Restorer(opened_store(settings, needed=False), open_signer(settings)).apply(request), out, as_json)


@style.command(example="persona style learn mia look1.jpg look2.jpg --consent --licence 'by agreement' --source mia")
@click.argument("name")
@click.argument("pictures", type=PHOTO, nargs=-1, required=True)
@click.option("--licence", required=True, help="Under which the pictures may be used.")
@click.option("--source", required=True, help="Where they are from.")
@click.option("--consent", is_flag=True, help="The person shown agreed to this; needed for a person's style.")
@click.option("--given", "given_at", type=DATE, help="When that was; default: now.")
@click.option("--until", type=DATE, help="First day on which it no longer holds; default: none.")
@click.option(
    "--origin", type=click.Choice(["person", "work"]), default="person", show_default=True, help="Whose it is."
)
@click.option("--owner", help="The stored user whose style it is: it lasts while they allow photos.")
@click.option("--title", default="", help="What people call it.")
@click.option("--weight", "weights", multiple=True, type=float, help="Of each picture; default: all alike.")
@click.option("--region", "reference_region", type=REGION, help="What of the pictures counts; default: all but faces.")
@JSON
def learn(
    name: str, pictures: tuple[Path, ...], given_at: datetime | None, until: datetime | None,
    weights: tuple[float, ...], as_json: bool, **stated: Any,
) -> None:  # fmt: skip
    """Learn a style from PICTURES and keep it under NAME. The pictures are not kept, only what was learnt of them."""
    from persona.cli.varying import requested
    from persona.recommend.style_types import LearnRequest

    request = requested(
        LearnRequest,
        name=name,
        references=tuple(path.read_bytes() for path in pictures),
        given_at=_utc(given_at),
        until=_utc(until),
        weights=weights or None,
        **stated,
    )
    learnt = studio(stored=True).learn(request)
    lasts = f"until {learnt.until:%Y-%m-%d}" if learnt.until else "until it is retired"
    click.echo(f"Learnt {learnt.name} from {learnt.references} pictures, which were not kept; in force {lasts}.")
    if as_json:
        print_json(learnt.model_dump(mode="json"))


@style.command("list", example="persona style list")
@JSON
def list_(as_json: bool) -> None:
    """List the styles in force."""
    found = studio(stored=True).listed()
    rows = [
        (one.name, one.title, one.origin, one.references, one.licence, f"{one.until:%Y-%m-%d}" if one.until else None,
         "yes" if one.usable else "learn it anew")
        for one in found
    ]  # fmt: skip
    print_table(("style", "title", "of a", "references", "licence", "until", "usable"), rows)
    if as_json:
        print_json({"styles": [one.model_dump(mode="json") for one in found]})


@style.command(example="persona style retire mia")
@click.argument("name")
def retire(name: str) -> None:
    """End a style: what was learnt is erased at once, and likes of it count no more."""
    studio(stored=True).retire(name)
    click.echo(f"Retired {name}: what was learnt of it is erased.")


def studio(stored: bool) -> StyleStudio:
    """The studio on the store that the settings name. stored: named styles are asked for; else one that is not there
    yet is done without."""
    from persona.catalog.pictures import Pictures
    from persona.recommend.styles import StyleStudio, open_models

    settings = settings_for_one()
    return StyleStudio(opened_store(settings, needed=stored), Pictures(settings.pictures), open_models(settings))


def _write(made: StyledPicture | RestoredPicture, out: Path, as_json: bool) -> None:
    from persona.catalog.pictures import write_whole

    write_whole(out, made.file(format_of(out)))
    done = made.done
    click.echo(f"{out}: {done.width} x {done.height}, labelled “{done.label}”. The pictures were not kept.")
    if as_json:
        print_json({**done.model_dump(mode="json"), "file": str(out)})


def _series(work: StyleStudio, folder: Path, out: Path, request: StyleRequest, as_json: bool) -> None:
    from tqdm import tqdm

    from persona.interrupt import asked_to_stop
    from persona.recommend.style_series import pictures_in, style_series

    sources = pictures_in(folder)
    made = known = 0
    skipped: list[str] = []
    with asked_to_stop() as stop, tqdm(total=len(sources), desc=folder.name, unit="picture") as progress:
        for member in style_series(work, sources, out, request):
            made += not member.known and member.skipped is None
            known += member.known
            if member.skipped is not None:
                skipped.append(member.skipped)
                progress.write(f"skipped {member.skipped}")
            progress.update()
            if stop.is_set():
                raise KeyboardInterrupt
    click.echo(f"{out}: {made} made, {known} there already, {len(skipped)} skipped. The pictures were not kept.")
    if as_json:
        print_json({"made": made, "known": known, "skipped": skipped, "folder": str(out)})


def _utc(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day is not None else None


COMMANDS: tuple[click.Command, ...] = (style,)
