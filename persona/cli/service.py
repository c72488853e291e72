"""Commands for users of the service: the demo, the server, and one user's recommendations and garments."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona.cli.command import Command

if TYPE_CHECKING:
    from persona.catalog.pictures import Pictures
    from persona.recommend.types import Recommendation

SEED = click.IntRange(0, 2**63 - 1)
PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
PORT = click.IntRange(0, 65535)


@click.command(cls=Command, example="persona demo --port 8080")
@click.option("--port", type=PORT, help="Where to serve; a free one is taken when it is in use. Default: PERSONA_PORT.")
@click.option("--users", type=click.IntRange(1, 12), default=12, show_default=True, help="Demo profiles to make.")
@click.option("--seed", type=SEED, help="That everything random comes from. Default: PERSONA_SEED.")
@click.option("--no-serve", is_flag=True, help="Prepare everything, then stop.")
def demo(port: int | None, users: int, seed: int | None, no_serve: bool) -> None:
    """Set up a database with a catalogue, demo users and garments made for them, and serve the gallery."""
    from persona.cli.demo import prepare, start
    from persona.settings import load_settings

    settings = load_settings(port=port, seed=seed)
    prepare(settings, users)
    if not no_serve:
        start(settings)


@click.command(cls=Command, example="persona serve --host 0.0.0.0 --port 8080")
@click.option("--host", help="Address to listen on. Default: PERSONA_HOST, else 127.0.0.1.")
@click.option("--port", type=PORT, help="Port to listen on. Default: PERSONA_PORT, else 8000.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes. Default: PERSONA_WORKERS, else 1.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the gallery, the API and its documentation until interrupted."""
    from persona.serve.run import serve as run
    from persona.settings import load_settings

    run(load_settings(host=host, port=port, workers=workers))


@click.command(cls=Command, example="persona refresh")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def refresh(as_json: bool) -> None:
    """Bring up to date what is taken together: only users with new events are read. Servers take it up in seconds."""
    from persona.cli.output import print_json
    from persona.cli.varying import opened

    counted = opened().counted
    users, pairs = counted or (0, 0)
    if as_json:
        print_json({"users": users, "pairs": pairs, "used": counted is not None})
    elif counted:
        click.echo(f"{pairs:,} pairs of items that {users:,} users took together")
    else:
        click.echo("The taste model does not use what is taken together, so there is nothing to count.")


@click.command(cls=Command, example="persona recommend ava --category dress")
@click.argument("user")
@click.option("--count", default=12, show_default=True, help="Items of the catalogue, at most.")
@click.option("--generate", "made", default=0, show_default=True, help="Garments to make for the user as well.")
@click.option("--category", help="Only this category, such as dress.")
@click.option("--season", help="Only items for spring, summer, autumn or winter.")
@click.option("--seed", type=SEED, help="Of everything random; default: follows from the user's history.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as one line of JSON.")
def recommend(user: str, as_json: bool, made: int, **asked: Any) -> None:
    """Show what fits a stored user best, and why."""
    from persona.cli.output import print_json

    answer, _ = _ask(user_id=user, generate=made, mode="both" if made else "retrieve", **asked)
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        _print_answer(answer)


@click.command(cls=Command, example="persona generate --user ava --count 4 --out garments")
@click.option("--user", help="Make garments for this stored user.")
@click.option("--category", help="Make this category, such as dress.")
@click.option("--colour", help="Without a user: make what somebody would like who likes this colour.")
@click.option("--pattern", help="Without a user: likewise for plain, striped, checked or printed.")
@click.option("--style", help="Without a user: likewise for casual, smart or sporty.")
@click.option("--count", type=click.IntRange(1, 16), default=4, show_default=True, help="How many.")
@click.option(
    "--like", type=PICTURE, help="A photo of your own: make garments like it, which the options above change."
)
@click.option("--garment", help="With --like: what the photo shows; default: read from it.")
@click.option("--from-user", help="Walk from this user's taste ...")
@click.option("--to-user", help="... to this one's; the same user twice: between two of their moods.")
@click.option("--frames", type=click.IntRange(2, 240), default=16, show_default=True, help="Pictures of the walk.")
@click.option(
    "--catalogue", type=click.IntRange(1, 100_000), metavar="N", help="Make an importable catalogue of N instead."
)
@click.option("--seed", type=SEED, help="The same seed gives the same garments.")
@click.option("--out", type=click.Path(path_type=Path), default="generated", show_default=True, help="Folder, or zip.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def generate(
    user: str | None, category: str | None, count: int, catalogue: int | None, seed: int | None, out: Path,
    as_json: bool, like: Path | None, garment: str | None, from_user: str | None, to_user: str | None, frames: int,
    **liked: str | None,
) -> None:  # fmt: skip
    """Make garments: for a user, for stated likes, like a photo, or a whole catalogue; labelled as generated.

    --like FILE --colour green --pattern striped: like mine, but green and striped. The photo is not stored.
    --from-user A --to-user B: pictures on the way from one taste to another, and one that moves.
    """
    from persona.cli import generating, varying

    varying.check(like, garment, from_user, to_user, user, catalogue, liked.get("style"))
    if like:
        asked = {"garment": garment, "category": category, "colour": liked["colour"], "pattern": liked["pattern"]}
        varying.vary(like, out, as_json, count=count, seed=seed, **asked)
        return
    if from_user and to_user:
        varying.walk(from_user, to_user, frames, category, seed, out, as_json)
        return

    if catalogue:
        from persona.cli.generated_catalogue import make_catalogue
        from persona.settings import load_settings

        make_catalogue(load_settings(), catalogue, out, seed or 0)
        return
    answer, pictures = _ask(**generating.request(user, category, count, seed, liked))
    generating.show(answer, generating.save(answer, pictures, out), as_json)


def _ask(**asked: Any) -> tuple[Recommendation, Pictures]:
    """One recommendation from the store that the settings name, and where its pictures are."""
    from persona.cli.varying import opened, requested
    from persona.recommend.types import RecommendationRequest

    request, recommender = requested(RecommendationRequest, **asked), opened()
    with closing(recommender):
        return recommender.recommend(request), recommender.pictures


def _print_answer(answer: Recommendation) -> None:
    from persona.cli.output import print_table

    rows = [(item.item_id, item.category, item.colour, item.score, _why(item.reasons)) for item in answer.items]
    print_table(("item", "category", "colour", "score", "why"), rows)
    if answer.generated:
        made = [(g.generation_id, g.category, g.colour, g.score, _why(g.reasons)) for g in answer.generated]
        click.echo()
        print_table(("made for this user", "category", "colour", "score", "why"), made)
    if answer.outfit:
        pieces = ", ".join(f"{piece.colour or ''} {piece.category}".strip() for piece in answer.outfit.pieces)
        click.echo(f"\nOutfit: {pieces} ({answer.outfit.harmony})")
    if answer.cold_start != "none":
        click.echo(f"Nothing is known of this user's history: this comes from {answer.cold_start}.")


def _why(reasons: Any) -> str:
    return "; ".join(reason.text for reason in reasons[:2])


COMMANDS: tuple[click.Command, ...] = (demo, serve, refresh, recommend, generate)
