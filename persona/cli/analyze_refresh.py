"""`persona analyze refresh`: the tables that analysts read, brought up to date."""

from __future__ import annotations

import click

from persona.cli.analyze import analyze


@analyze.command(example="persona analyze refresh")
@click.option("--rebuild", is_flag=True, help="Make everything anew, not only what has changed.")
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def refresh(rebuild: bool, as_json: bool) -> None:
    """Bring tastes, months and days of items up to the last event; run it every day.

    It works in small steps beside a running service, and can be interrupted: the same command goes on where it stood.
    """
    from dataclasses import asdict

    from tqdm import tqdm

    from persona.cli.output import print_json
    from persona.settings import load_settings
    from persona.store import Store

    with Store.open(load_settings().url) as store, tqdm(delay=2, leave=False) as bar:

        def tell(what: str, done: int, of: int) -> None:
            if bar.desc != f"{what}: ":
                bar.reset()
                bar.set_description(what)
            bar.total = of
            bar.update(done - bar.n)

        done = store.refresh_analysis(tell, rebuild=rebuild)
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"{done.events:,} events counted; tastes of {done.users:,} users and {done.months:,} months made")
