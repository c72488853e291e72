"""`persona analyze role`: lets analysts into a PostgreSQL store, to read what is for them."""

from __future__ import annotations

import click

from persona.cli.analyze import analyze


@analyze.command(example="persona analyze role --login ana")
@click.option("--login", metavar="NAME", help="Make a login by this name too, or give it a new password.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def role(login: str | None, as_json: bool) -> None:
    """Make the role that analysts read a PostgreSQL store by, and logins that are in it; run it again after upgrades.

    The role reads the views of the data dictionary, and in them only users who allow it; it can write nothing. The
    store's own login must own the tables and be allowed to make roles. The URL that is printed, this once, is for
    analysts' tools, and as PERSONA_ANALYST_URL for the web app's analyst page.
    """
    from persona.cli.output import print_json
    from persona.settings import load_settings
    from persona.store import Store
    from persona.store.warehouse import ROLE, VIEWS

    with Store.open(load_settings().url) as store:
        made = store.make_analyst_role(login)
    if as_json:
        print_json({"role": ROLE, "views": list(VIEWS), "columns": made.columns, "url": made.url})
        return
    columns = sum(map(len, made.columns.values()))
    click.echo(f"{ROLE} reads {len(VIEWS)} views, made of {columns} columns of {len(made.columns)} tables.")
    if made.url:
        click.echo(f"{login} logs in with this URL, shown this once:")
        click.echo(made.url)
