"""Commands about what is known of users: all of it for one of them, and none of it for too long."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from persona.cli.command import Group


@click.group(cls=Group)
def privacy() -> None:
    """What is known of a user, and how long it is kept."""


@privacy.command(example="persona privacy export u1 --out u1.json")
@click.argument("user")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: standard output.")
def export(user: str, out: Path | None) -> None:
    """Write everything that is stored about a user as JSON, as GET /v1/users/USER/export answers."""
    from persona.recommend.export import write_export
    from persona.settings import load_settings
    from persona.store import Store

    with Store.open(load_settings().url) as store:
        store.get_user(user)  # so that for an unknown one no file is touched
        if out is None:
            write_export(store, user, sys.stdout.buffer)
        else:
            with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                write_export(store, user, file)
        store.record_export("command")


@privacy.command(example="persona privacy sweep --dry-run")
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def sweep(dry_run: bool, as_json: bool) -> None:
    """Erase what is older than the settings PERSONA_KEEP_* allow, and what services no longer need; run it every day.

    What goes: events, what was shown, earlier profiles, pictures that nobody did anything with, idle users as a whole,
    entries of the audit log; jobs that ended a week ago, answers kept for a day, files that nothing refers to. It goes
    in small steps beside a running service, and can be interrupted.
    """
    from dataclasses import asdict

    from persona.catalog.pictures import Pictures
    from persona.cli.output import print_json
    from persona.recommend.forgetting import sweep as run
    from persona.settings import load_settings
    from persona.store import Store

    settings = load_settings()
    with Store.open(settings.url) as store:
        swept = asdict(run(store, Pictures(settings.pictures), settings, dry_run=dry_run))
    if as_json:
        print_json({**swept, "dry_run": dry_run})
        return
    told = ", ".join(f"{count:,} {name}" for name, count in swept.items() if count) or "nothing"
    click.echo(f"{'would erase' if dry_run else 'erased'}: {told}")


COMMANDS: tuple[click.Command, ...] = (privacy,)
