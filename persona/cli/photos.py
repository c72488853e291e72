"""What commands that work on photos share: where they read and write, and the store, where one is wanted."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from persona.errors import BadInput, OutOfDate

if TYPE_CHECKING:
    from persona.recommend.provenance import Format
    from persona.settings import Settings
    from persona.store import Store

PHOTO = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
FORMATS: dict[str, Format] = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
JSON = click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")


def format_of(out: Path) -> Format:
    """The format that a file's name asks for. Raises BadInput (--out)."""
    if out.suffix.lower() not in FORMATS:
        raise BadInput("--out", f"{out}: end it with one of {', '.join(FORMATS)}")
    return FORMATS[out.suffix.lower()]


def settings_for_one() -> Settings:
    """The settings, with the threads that one request gets."""
    from persona.cli.threads import set_threads
    from persona.settings import load_settings

    settings = load_settings()
    set_threads(settings, default=1)
    return settings


def opened_store(settings: Settings, needed: bool) -> Store:
    """The store that the settings name. needed: something of it is asked for; else one that is not there yet is done
    without."""
    from persona.store import Store

    try:
        return Store.open(settings.url)
    except OutOfDate:
        if needed:
            raise
        return _empty_store()


def _empty_store() -> Store:
    """A store of nothing, for as long as the command runs."""
    from persona.store import Store, migrate

    folder = TemporaryDirectory(prefix="persona-")
    url = f"sqlite:///{folder.name}/persona.db"
    migrate.upgrade(url)
    store = Store.open(url)
    context = click.get_current_context()
    context.call_on_close(folder.cleanup)
    context.call_on_close(store.close)
    return store
