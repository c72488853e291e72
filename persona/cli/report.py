"""Commands that write reports."""

from __future__ import annotations

from pathlib import Path

import click

from persona.cli.bench import AS_JSON
from persona.cli.command import Group


@click.group(cls=Group)
def report() -> None:
    """Write reports about the models and the store."""


@report.command(example="persona report trust --out trust --quick")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default="runs/trust", show_default=True,
    help="Folder to write trust.html and trust.json to.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Judge by fewer users.")
@AS_JSON
def trust(out: Path, quick: bool, as_json: bool) -> None:
    """Say how fair the models are, whose pictures they know, and what became of consents and erasures.

    Quality by age band, skin tone, body shape and activity; exposure of item owners; rights to pictures; copying;
    consents, erasures and exports; the models' cards; and what none of this can tell.
    """
    from persona.analyze.trust import QUICK, Extent, trust_report
    from persona.analyze.trust_page import write_report
    from persona.cli.output import print_json
    from persona.settings import load_settings

    settings = load_settings()
    made = trust_report(settings, QUICK if quick else Extent(), settings.seed)
    page, figures = write_report(made, out)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{page}, {figures}")


COMMANDS: tuple[click.Command, ...] = (report,)
