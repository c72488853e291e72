"""Migrations: they make exactly the tables that the models describe, and a database of another version is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from persona.errors import BadInput, OutOfDate
from persona.store import Agreement, Event, Item, NamedStyle, Preference, Profile, Rights, Store, migrate, upgrade
from persona.store.base import Base
from persona.store.engine import make_engine, parse_url
from persona.store.migrate import alembic_config


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def test_models_and_migrations_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_checks_and_names_agree_too(engine: Engine) -> None:
    """What compare_metadata does not look at: CHECK constraints, and what the foreign keys do on delete."""
    found = inspect(engine)
    for table in Base.metadata.sorted_tables:
        checks = {check["name"] for check in found.get_check_constraints(table.name)}
        assert checks == {c.name for c in table.constraints if type(c).__name__ == "CheckConstraint"}
        keys = found.get_foreign_keys(table.name)
        assert {key["name"] for key in keys} == {key.name for key in table.foreign_key_constraints}
        assert all(key["options"]["ondelete"] == "CASCADE" for key in keys)


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    with Store.open(database_url) as store:
        store.put_user(Profile(id="u1"))
    upgrade(database_url)
    with Store.open(database_url) as store:
        assert store.user_ids() == ["u1"]


def test_down_and_up_again(database_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) - {"sqlite_sequence"} == {"alembic_version"}
    with pytest.raises(OutOfDate, match="persona db upgrade"):
        Store.open(database_url)
    upgrade(database_url)
    Store.open(database_url).close()


def test_looks_go_with_their_migration_and_garments_stay(database_url: str, engine: Engine) -> None:
    rights = Rights(licence="CC0-1.0", source="https://example.org")
    coat = Item(id="coat", category="outwear", owner="u1", price=9.5, rights=rights)
    look = Item(id="look", domain="look", category="party", owner="u1", rights=rights, look={"products": []})
    at = datetime(2025, 5, 4, tzinfo=UTC)
    with Store.open(database_url) as store:
        store.put_user(Profile(id="u1"))
        store.put_items([coat, look])
        store.put_item_vectors("visual-64@1", ["coat", "look"], np.ones((2, 4), np.float32))
        worn = Event(key="worn", user_id="u1", item_id="coat", type="like", at=at)
        store.add_events([worn, Event(key="put on", user_id="u1", item_id="look", type="like", at=at)])
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    assert "look" not in {column["name"] for column in inspect(engine).get_columns("items")}
    with pytest.raises(OutOfDate, match=r"earlier version \(0001\)"):
        Store.open(database_url)
    upgrade(database_url)
    with Store.open(database_url) as store:
        assert store.items(domain=None) == [coat]
        assert store.history("u1") == [worn]
        assert store.item_vectors("visual-64@1")[0] == ["coat"]
        store.put_items([look])
        assert store.looks("u1") == [look]


def test_styles_go_with_their_migration_and_looks_stay(database_url: str, engine: Engine) -> None:
    at = datetime(2025, 5, 4, tzinfo=UTC)
    rights = Rights(licence="CC0-1.0", source="https://example.org")
    look = Item(id="look", domain="look", category="party", rights=rights, look={"products": []})
    agreed = Agreement(licence="by agreement", source="mia", consent=True, given_at=at)
    mia = NamedStyle(id="mia", agreement=agreed, model="style@1", weights=(1,), learnt_at=at)
    ones = np.ones((1, 4), np.float32)
    with Store.open(database_url) as store:
        store.put_user(Profile(id="u1"))
        store.put_items([look])
        store.put_style(mia, ones, "visual-64@1", ones[0])
        liked = [Event(key=item, user_id="u1", item_id=item, type="like", at=at) for item in ("look", "mia")]
        store.add_events(liked)
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    assert not {"styles", "style_vectors"} & set(inspect(engine).get_table_names())
    upgrade(database_url)
    with Store.open(database_url) as store:
        assert store.items(domain=None) == [look]
        assert store.history("u1") == liked[:1]
        assert store.styles() == []
        store.put_style(mia, ones, "visual-64@1", ones[0])
        assert store.get_style("mia") == mia


TOMORROW = """
import sqlalchemy as sa
from alembic import op
revision = "9999"
down_revision = "{head}"
def upgrade():
    how = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("users", recreate=how) as users:  # on SQLite: copy, drop, rename
        users.add_column(sa.Column("shoe_width", sa.String(16)))
"""


def test_the_next_migration(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is refused before it and kept whole by it; afterwards it is the older persona that is refused."""
    with Store.open(database_url) as store:
        profile = Profile(id="u1", preferences=(Preference(facet="colour", value="green", weight=1),))
        store.put_user(profile)
    with monkeypatch.context() as tomorrow:
        shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
        (head,) = ScriptDirectory.from_config(alembic_config()).get_heads()
        (tmp_path / "migrations" / "versions" / "9999_tomorrow.py").write_text(TOMORROW.format(head=head))
        tomorrow.setattr(migrate, "MIGRATIONS", tmp_path / "migrations")
        with pytest.raises(OutOfDate, match=rf"earlier version \({head}\).*`persona db upgrade`"):
            Store.open(database_url)
        upgrade(database_url)
        with Store.open(database_url) as store:
            assert store.get_user("u1") == profile
    for use in (Store.open, upgrade):
        with pytest.raises(OutOfDate, match=r"newer version \(9999\).*update persona"):
            use(database_url)


def test_no_database_yet(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there.db"
    with pytest.raises(OutOfDate, match="no tables yet; run `persona db upgrade`"):
        Store.open(f"sqlite:///{path}")
    assert not path.parent.exists()
    upgrade(f"sqlite:///{path}")
    Store.open(f"sqlite:///{path}").close()


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    url = f"sqlite:///{tmp_path / 'persona.db'}"
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            upgrade(url)
    engine = make_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "is no URL"),
        ("mysql://root@localhost/x", "mysql: choose sqlite:///FILE or postgresql"),
        ("sqlite://", "name a file"),
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "cannot use postgresql.*nobody:\\*\\*\\*@"),
    ],
)
def test_urls_that_cannot_be_used(url: str, why: str) -> None:
    for use in (Store.open, upgrade):
        with pytest.raises(BadInput, match=f"database_url: .*{why}") as error:
            use(url)
        assert "secret" not in str(error.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "persona.db"
    path.write_bytes(b"my holiday pictures, honestly" * 100)
    for use in (Store.open, upgrade):
        with pytest.raises(BadInput, match=r"database_url: .*not a database"):
            use(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "postgresql+psycopg://h/d"])
def test_ways_to_write_postgresql(url: str) -> None:
    assert parse_url(url).drivername == "postgresql+psycopg"
