"""`persona analyze board`: the pictures that the analysts' page shows."""

from __future__ import annotations

from pathlib import Path

import click

from persona.cli.analyze import analyze


@analyze.command(example="persona analyze board")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Default: analysis in the home folder.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Default: the setting `seed`.")
@click.option("--anew", is_flag=True, help="Name all segments anew, whatever they were called on the board before.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def board(out: Path | None, seed: int | None, anew: bool, as_json: bool) -> None:
    """Divide users into segments by taste and draw them: a map, a card each with a generated garment, colours by age.

    Run `persona analyze refresh` before, so that tastes are up to date. Only users who allow `analytics` are in it, and
    groups of fewer than 20 are left out.
    """
    from persona.analyze.board import FOLDER, make_board
    from persona.cli.output import print_json
    from persona.cli.threads import set_threads
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    set_threads(settings, default=1)
    out = out or settings.home / FOLDER
    made = make_board(settings, out, like=not anew)
    for one in made.segments:
        click.echo(f"{one['name']}: {one['facts']['users']}")
    for note in made.notes:
        click.echo(note)
    click.echo(f"{len(made.segments)} segments and {len(made.pictures)} other pictures in {out}")
    if as_json:
        print_json({"segments": len(made.segments), "pictures": len(made.pictures), "users": made.users})
