"""`persona analyze`: what analysts ask of the store. Its commands are in modules of their own, named at the bottom."""

from __future__ import annotations

import click

from persona.cli.command import Group


@click.group(cls=Group)
def analyze() -> None:
    """Who likes what, how it is changing, and whether the models are fair to them."""


COMMANDS: tuple[click.Command, ...] = (analyze,)

from persona.cli import analyze_role, analyze_sql  # noqa: E402, F401  (they add themselves to the group)
