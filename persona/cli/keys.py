"""Commands for who may ask: API keys, and the audit log of what was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from persona.cli.command import Command, Group

if TYPE_CHECKING:
    from persona.store import Store
    from persona.store.keys import ApiKey

SCOPES = ("read", "write", "admin", "analyst")  # persona.store.keys has what each allows


@click.group(cls=Group)
def keys() -> None:
    """Make, list, rotate and revoke API keys."""


@keys.command(example='persona keys create "shop app" --scope write --days 90')
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it allows: read; write, which holds read; admin, which holds both and erases; analyst: metrics and "
    "similar users. May be given twice.",
)
@click.option("--days", type=click.IntRange(1, 36500), help="Until it expires. Default: never.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def create(name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Make an API key and print its secret, this once; only a digest is stored."""
    with _store() as store:
        _show(*store.create_key(name, scopes, datetime.now(UTC) + timedelta(days=days) if days else None), as_json)


@keys.command("list", example="persona keys list")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def list_keys(as_json: bool) -> None:
    """List all API keys, also those that are over; secrets are not known any more."""
    from persona.cli.output import print_json, print_table

    with _store() as store:
        found = store.api_keys()
    if as_json:
        print_json({"keys": [key.model_dump(mode="json") for key in found]})
    else:
        rows = [(key.id, key.name, " ".join(key.scopes), f"{key.created_at:%Y-%m-%d}", _state(key)) for key in found]
        print_table(("key", "name", "scopes", "made", "state"), rows)


@keys.command(example="persona keys rotate k-5f0c12ab34cd --hours 24")
@click.argument("key")
@click.option("--hours", default=24.0, show_default=True, help="For which the old key goes on; 0: it ends now.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def rotate(key: str, hours: float, as_json: bool) -> None:
    """Make a new API key like an old one, which goes on for a while, so that nobody is locked out."""
    from persona.errors import BadInput

    if not 0 <= hours <= 24 * 365:
        raise BadInput("hours", f"{hours:g} is not from 0 to {24 * 365}")
    with _store() as store:
        _show(*store.rotate_key(key, timedelta(hours=hours)), as_json)


@keys.command(example="persona keys revoke k-5f0c12ab34cd")
@click.argument("key")
def revoke(key: str) -> None:
    """End an API key; servers refuse it within a second."""
    with _store() as store:
        ended = store.revoke_key(key)
    click.echo(f"{ended.id} ({ended.name}) is revoked.")


@click.command(cls=Command, example="persona audit --count 20")
@click.option("--count", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Entries, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def audit(count: int, as_json: bool) -> None:
    """Show who did what to keys and stored data, newest first; it names no person."""
    from persona.cli.output import print_json, print_table

    with _store() as store:
        found = store.audited(count)
    if as_json:
        print_json({"entries": [entry.model_dump(mode="json") for entry in found]})
    else:
        rows = [(f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor, e.action, _details(e.details), e.request_id) for e in found]
        print_table(("at (UTC)", "who", "what", "details", "request"), rows)


def _store() -> Store:
    from persona.settings import load_settings
    from persona.store import Store

    return Store.open(load_settings().url)


def _show(key: ApiKey, secret: str, as_json: bool) -> None:
    from persona.cli.output import print_json

    if as_json:
        print_json({**key.model_dump(mode="json"), "secret": secret})
        return
    until = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "until it is revoked"
    click.echo(f"{key.id} ({key.name}) allows {', '.join(key.scopes)}, {until}. Its secret, shown this once:")
    click.echo(secret)


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at:
        return f"{'until' if key.in_force() else 'expired'} {key.expires_at:%Y-%m-%d}"
    return "in force"


def _details(details: dict[str, int | float | str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items())


COMMANDS: tuple[click.Command, ...] = (keys, audit)
