"""`persona demo`: from nothing to a page that answers. Each step is skipped when it is done already."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from persona.errors import BadInput, NotFound
from persona.settings import Settings

if TYPE_CHECKING:
    from persona.recommend import Recommender
    from persona.store import Store

GARMENTS = 4  # made for each demo user
PHOTOS = 1200  # imported of the real data set: a minute or two of cutting out
USER = "ava"  # of the demo, in examples
NEXT = """
The gallery:   {address}/
The API:       {address}/docs

Try next:
  persona recommend {user}                      what fits this user, and why
  persona generate --user {user} --out garments   make more for them
  persona import items shop.zip                   your own catalogue (see the README)
Ctrl-C stops the server; `persona demo` starts it again in seconds.
"""


def clothing_archive(settings: Settings) -> Path | None:
    """clothing.zip in the folder of the setting `datasets`, where it is there."""
    file = settings.datasets / "clothing.zip" if settings.datasets else None
    return file if file and file.exists() else None


def prepare(settings: Settings, users: int) -> None:
    """Database, catalogue, demo users and a few garments made for each: what is there already stays as it is."""
    from persona.store import Store, upgrade

    settings.home.mkdir(parents=True, exist_ok=True)
    done = Done(settings.home / "demo.json")
    with _step("database"):
        upgrade(settings.url)
    with Store.open(settings.url) as store:
        _load_catalogue(settings, store, done)
        _load_looks(settings, store)
        if _made_before(store, done, users):
            click.echo("users          as before, with their garments")
            return
    with _step("models"):
        from persona.cli.threads import set_threads
        from persona.recommend import Recommender

        set_threads(settings, default=1)
        recommender = Recommender.open(settings)
    with _step("users"):
        names = _make_users(recommender, users, settings.seed)
    with _step("garments"):
        _make_garments(recommender, names)
    done.mark("users", names)
    recommender.close()


def start(settings: Settings) -> None:
    """Say what to try, and become the server: a new process image, which holds nothing of what preparing needed.

    On another port when the one asked for is in use.
    """
    from persona.serve.run import address

    port = free_port(settings.host, settings.port)
    if settings.port not in (0, port):
        click.echo(f"Port {settings.port} is in use; taking {port}.")
    click.echo(NEXT.format(address=address(settings.host, port), user=USER), nl=True)
    sys.stdout.flush()
    os.environ["PERSONA_PORT"] = str(port)
    os.execv(sys.executable, [sys.executable, "-m", "persona.cli", "serve"])


def free_port(host: str, wanted: int) -> int:
    """The wanted port, or the next free one above it; 0: any. Raises BadInput where the host is not this machine's."""
    from persona.serve.run import available_port

    for port in range(wanted, min(wanted + 50, 65536)) if wanted else ():
        try:
            return available_port(host, port)
        except BadInput as error:
            if error.field != "port":
                raise
    return available_port(host, 0)


class Done:
    """Which steps are finished, and with what: a small file, so that a step is not taken twice."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, step: str) -> Any:
        """What was noted of a step; None before it began."""
        return self._read().get(step)

    def mark(self, step: str, what: Any) -> None:
        """Note a step."""
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps({**self._read(), step: what}) + "\n")
        os.replace(temporary, self._file)

    def _read(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads(self._file.read_text())
        except (OSError, ValueError):  # none, or torn: the steps are taken again, and change nothing
            return {}
        return noted


def _load_catalogue(settings: Settings, store: Store, done: Done) -> None:
    """Real garments where their data set is there, else the generated ones that ship; never beside one's own."""
    real = clothing_archive(settings)
    source = real or settings.demo / "items.zip"
    if not source.exists():
        raise NotFound(f"{source}: the demo catalogue is not there; restore it, or set PERSONA_DEMO to its folder")
    whole, count = f"{source.name}, {source.stat().st_size} bytes", store.count_items("garment")
    if count and done.get("catalogue") in (None, whole):
        click.echo(f"catalogue      {count:,} items, as before")
        return
    from persona.catalog.importing import import_clothing, import_items
    from persona.catalog.pictures import Pictures
    from persona.cli.output import print_report

    click.echo(f"catalogue      importing {source.name}")
    done.mark("catalogue", "begun")
    pictures = Pictures(settings.pictures)
    if source == real:
        print_report(import_clothing(store, pictures, source, limit=PHOTOS))
        click.echo(f"               (its first {PHOTOS:,}; `persona import clothing` adds the others)")
    else:
        print_report(import_items(store, pictures, source))
    done.mark("catalogue", whole)


def _load_looks(settings: Settings, store: Store) -> None:
    """The makeup looks that ship, each drawn on the face chart; those that are there already stay."""
    from persona.makeup.named import named_looks

    if {look.id for look in named_looks()} <= {item.id for item in store.looks()}:
        return
    from persona.catalog.pictures import Pictures
    from persona.recommend.looks import import_looks

    with _step("looks"):
        import_looks(store, Pictures(settings.pictures), anew=False)


def _made_before(store: Store, done: Done, users: int) -> bool:
    """Whether an earlier run made at least so many users, and they still have garments."""
    names = (done.get("users") or [])[:users]
    return len(names) == users and all(store.generations(name, limit=1) for name in names)


def _make_users(recommender: Recommender, count: int, seed: int) -> list[str]:
    """Demo profiles with their histories. Stored again only where they are missing: a user may have been changed."""
    from persona.taste.demo import demo_people

    store = recommender.store
    people = demo_people(recommender.table, seed)[:count]
    known = {profile.id for profile in store.users([profile.id for profile, _ in people])}
    for profile, events in people:
        if profile.id not in known:
            store.put_user(profile)
            store.add_events(events)
    if len(known) < len(people):
        recommender.refresh()
    return [profile.id for profile, _ in people]


def _make_garments(recommender: Recommender, users: list[str]) -> None:
    """Garments of the shipped generator for every user who has none yet, with the condition vectors they need."""
    from tqdm import tqdm

    from persona.recommend.types import RecommendationRequest

    waiting = [user for user in users if not recommender.store.generations(user, limit=1)]
    for user in tqdm(waiting, desc="garments", unit="user", leave=False, delay=2):
        recommender.recommend(RecommendationRequest(user_id=user, generate=GARMENTS))


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    click.echo(f"{name.ljust(14)} ready ({time.perf_counter() - began:.1f} s)")
