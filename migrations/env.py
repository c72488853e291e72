"""How Alembic reaches the database: over the connection that `persona.store.upgrade` hands in, or the settings' URL."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from persona.settings import load_settings
from persona.store.base import Base, UtcDateTime
from persona.store.engine import make_engine
from persona.store.sqlite import for_writing


def render(kind: str, value: Any, _: Any) -> str | Literal[False]:
    """Write our own column type as the one it stands for: a migration has to outlive the code of its day."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(value, UtcDateTime) else False


def run(connection: Connection) -> None:
    """Run the migrations in one transaction, which SQLite can do as well when it is told to."""
    if connection.dialect.name == "sqlite":  # else a table that a view reads could not be replaced
        connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:  # `alembic -c migrations/alembic.ini revision --autogenerate -m "..."`
    engine = for_writing(make_engine(load_settings().url, foreign_keys=False))
    with engine.begin() as own:
        run(own)
    engine.dispose()
