"""The database's revision: brought up to date by Alembic, from code, and checked before anything else is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, func, select

from persona.errors import OutOfDate
from persona.store.engine import make_engine, naming_the_database, parse_url
from persona.store.sqlite import for_writing

if TYPE_CHECKING:  # a third of this package's start-up time, needed only where a database is opened
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_UPGRADING = 7_367_665_642  # PostgreSQL's advisory lock for one upgrade at a time


def upgrade(url: str) -> None:
    """Create the tables, or bring them up to this version, in one transaction: all of it or, after an error, nothing.

    Raises OutOfDate for a database of a newer persona, BadInput for a URL that cannot be used.
    """
    from alembic import command

    parsed = parse_url(url)
    if parsed.database and parsed.get_backend_name() == "sqlite":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    # changing a table on SQLite means replacing it, which with foreign keys on would erase what refers to it
    engine = for_writing(make_engine(url, foreign_keys=False))
    config = alembic_config()
    try:
        _heads(engine)
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_UPGRADING)))
            config.attributes["connection"] = connection
            _refuse_newer(_heads_of(connection), _known(config))
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def check_revision(engine: Engine) -> None:
    """Raise OutOfDate, saying what to do, unless the database has exactly the tables of this version."""
    database = engine.url.database or ""
    missing = engine.dialect.name == "sqlite" and not Path(database).exists()  # connecting would make an empty file
    heads = () if missing else _heads(engine)
    place = engine.url.render_as_string(hide_password=True)
    scripts = _known(alembic_config())
    _refuse_newer(heads, scripts)
    if not heads:
        raise OutOfDate(f"the database {place} has no tables yet; run `persona db upgrade`")
    if set(heads) != set(scripts.get_heads()):
        raise OutOfDate(f"the database {place} is of an earlier version ({heads[0]}); run `persona db upgrade`")


def _heads(engine: Engine) -> tuple[str, ...]:
    """The revision that a database says it has; the first contact with it."""
    with naming_the_database(engine), engine.connect() as connection:
        return _heads_of(connection)


def _heads_of(connection: Connection) -> tuple[str, ...]:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_heads()


def _refuse_newer(heads: tuple[str, ...], scripts: ScriptDirectory) -> None:
    from alembic.util import CommandError

    for head in heads:
        try:
            scripts.get_revision(head)
        except CommandError:
            raise OutOfDate(
                f"the database is of a newer version ({head}) than this persona knows; "
                "update persona (git pull, then make setup), or set PERSONA_DATABASE_URL to another database"
            ) from None


def alembic_config() -> Config:
    """Alembic's configuration: where the migrations are. Raises OutOfDate if they are not there."""
    from alembic.config import Config

    if not MIGRATIONS.is_dir():
        raise OutOfDate(f"{MIGRATIONS} is missing; install persona from its checkout with `pip install --editable .`")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _known(config: Config) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config)
