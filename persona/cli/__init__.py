"""The `persona` command. Commands import what they need when they run, so that help is there at once."""

from __future__ import annotations

import click

from persona.cli import (
    analyze,
    batch,
    bench,
    data,
    evaluate,
    exporting,
    keys,
    makeup,
    privacy,
    report,
    service,
    style,
    train,
)
from persona.cli.command import Group

__all__ = ["main"]


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="persona")
def main() -> None:
    """Personalised recommendations: profiles and histories in, ranked items and garments made for one user out.

    Begin with `persona demo`. Settings come from the environment (PERSONA_HOME, PERSONA_DATABASE_URL, PERSONA_PORT,
    ...) and from persona.toml in the working directory; the README lists them. Every command explains itself:
    `persona COMMAND --help`.
    """


for command in (
    *service.COMMANDS,
    *keys.COMMANDS,
    *makeup.COMMANDS,
    *style.COMMANDS,
    *data.COMMANDS,
    *privacy.COMMANDS,
    *train.COMMANDS,
    *evaluate.COMMANDS,
    *exporting.COMMANDS,
    *batch.COMMANDS,
    *analyze.COMMANDS,
    *bench.COMMANDS,
    *report.COMMANDS,
):
    main.add_command(command)
