"""The analysts' role on PostgreSQL, tested as that role: what it sees, what it does not; all others see all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from persona.analyze import open_store
from persona.analyze.dictionary import dictionary
from persona.errors import BadInput
from persona.store import Store
from persona.store.analysts import AnalystRole
from persona.store.migrate import alembic_config
from persona.store.warehouse import VIEWS

PERSONAL = [
    "SELECT size_top FROM users", "SELECT face_shape FROM users", "SELECT updated_at FROM users", "SELECT * FROM users",
    "SELECT size_shoe FROM user_versions", "SELECT picture FROM generations", "SELECT seed FROM generations",
    "SELECT reasons FROM generations", "SELECT made_from FROM condition_vectors", "SELECT key FROM events",
    "SELECT picture FROM items", "SELECT look FROM items", "SELECT changed_at FROM consents", "SELECT 1 FROM api_keys",
    "SELECT 1 FROM audit_log", "SELECT 1 FROM jobs", "SELECT 1 FROM idempotency", "SELECT 1 FROM user_catalogues",
    "SELECT 1 FROM styles", "SELECT 1 FROM style_vectors",
    "SELECT query_to_xml('SELECT size_top FROM users', true, true, '')",
]  # fmt: skip
WRITING = [
    "DELETE FROM users", "UPDATE users SET analysed = true", "INSERT INTO stale_tastes VALUES ('u1')",
    "CREATE TABLE t (a int)", "DROP VIEW dim_user", "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
    "SET ROLE postgres", "UPDATE dim_user SET age_band = 'x'", "TRUNCATE events",
]  # fmt: skip
# many users, quickly
FILL = [
    """INSERT INTO users (id, age_band, skin_tone, source, created_at, updated_at, valid_from, analysed)
    SELECT 'u' || n, (ARRAY['18-24', '25-34', '35-44', '45-54'])[1 + n / 10 % 4], 1 + n % 10, 'simulated', now(),
        now(), now(), n / 40 % 5 > 0 FROM generate_series(1, 100000) n""",
    """INSERT INTO user_tastes (user_id, events, first_at, last_at, top_colour, top_category, vector)
    SELECT id, 5, now(), now(), (ARRAY['red', 'blue', 'navy'])[1 + substr(id, 2)::int / 200 % 3], 'dress', ''
    FROM users""",
]
NewDatabase = Callable[[], str]
OF_USERS = [view for view in VIEWS if "user_id" in dictionary()[view].columns]


@pytest.fixture(scope="module")
def made(company_postgres: str) -> AnalystRole:
    with Store.open(company_postgres) as store:
        store.make_analyst_role()
        return store.make_analyst_role(f"ana_{uuid4().hex[:8]}")  # again: what is there already is no obstacle


@pytest.fixture(scope="module")
def analyst(made: AnalystRole) -> Iterator[Engine]:
    engine = create_engine(str(made.url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))  # the rights alone have to do
    yield engine
    engine.dispose()


def rows(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


@pytest.mark.parametrize("view", VIEWS)
def test_the_role_sees_in_each_view_just_what_is_there(made: AnalystRole, company_postgres: str, view: str) -> None:
    with open_store(company_postgres) as ours, open_store(str(made.url)) as theirs:
        key = list(dictionary()[view].key)
        own = theirs.frame(view, key)
        assert len(own) > 0
        assert sorted(map(repr, own.values.tolist())) == sorted(map(repr, ours.frame(view, key).values.tolist()))


def test_the_tables_show_the_role_those_rows_alone(made: AnalystRole, analyst: Engine, company_postgres: str) -> None:
    owner = create_engine(company_postgres)
    seen = {str(name) for (name,) in rows(owner, "SELECT id FROM users WHERE analysed")}
    everybody = rows(owner, "SELECT id FROM users")
    assert 0 < len(seen) < len(everybody) == 240
    assert {name for (name,) in rows(analyst, "SELECT id FROM users")} == seen
    for table in made.columns:
        if "user_id" in made.columns[table]:
            found = {name for (name,) in rows(analyst, f"SELECT user_id FROM {table}")}
            assert found - {None} <= seen, table
            assert len(found) > 0
    owner.dispose()


@pytest.mark.parametrize("sql", PERSONAL + WRITING)
def test_it_neither_reads_what_is_personal_nor_writes(analyst: Engine, sql: str) -> None:
    with analyst.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(text(sql))
    assert isinstance(
        refused.value.orig, psycopg.errors.InsufficientPrivilege | psycopg.errors.ObjectNotInPrerequisiteState
    )


def test_consent_that_is_withdrawn_takes_the_user_out_of_all_views(made: AnalystRole, company_postgres: str) -> None:
    with Store.open(company_postgres) as store, open_store(str(made.url)) as analysts:
        before = store.get_user("u1")

        def seen() -> list[int]:
            return [len(analysts.frame(view, ["user_id"], "user_id = :u", {"u": "u1"})) for view in OF_USERS]

        assert all(seen())
        store.put_user(before.model_copy(update={"consents": {**before.consents, "analytics": False}}))
        assert not any(seen())
        store.put_user(before)
        store.put_condition("u1", "taste@1", 1, np.ones(64, np.float32), {})
        assert all(seen())


@pytest.fixture(scope="module")
def other(company_postgres: str, made: AnalystRole) -> Iterator[Engine]:
    """A login that has all rights on the tables, does not own them, and is no superuser."""
    owner, name = create_engine(company_postgres), f"app_{uuid4().hex[:8]}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        connection.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"))
    engine = create_engine(owner.url.set(username=name))
    yield engine
    for one in (engine, owner):
        one.dispose()


def test_whoever_else_may_read_the_tables_sees_all_of_them(other: Engine) -> None:
    assert rows(other, "SELECT count(*) FROM users") == [(240,)]
    with other.begin() as connection:
        connection.execute(text("INSERT INTO preferences VALUES ('u6', 'colour', 'red', 0.5, 3)"))
        assert connection.execute(text("DELETE FROM preferences WHERE value = 'red'")).rowcount == 1


def test_sql_of_one_s_own_needs_that_login(company_postgres: str, made: AnalystRole) -> None:
    asked = "SELECT count(*) AS users FROM dim_user"
    with open_store(company_postgres) as ours, pytest.raises(BadInput, match="analyst_url: SQL of one's own needs"):
        ours.sql(asked)
    with open_store(company_postgres, company_postgres) as ours, pytest.raises(BadInput, match="needs the analysts'"):
        ours.sql(asked)  # set to the app's own login, which sees everything
    with open_store(company_postgres, str(made.url)) as ours:
        assert ours.sql(asked)["users"].tolist() == [199]


def test_names_of_logins_that_cannot_be(company_postgres: str, sqlite_store: Store) -> None:
    with Store.open(company_postgres) as store:
        for name in ("Ana", "ana; drop role x", "persona_analyst", "pg_ana", ""):
            with pytest.raises(BadInput, match="is no name for one"):
                store.make_analyst_role(name)
        with pytest.raises(BadInput, match="'postgres' is somebody else's already"):
            store.make_analyst_role("postgres")
    with pytest.raises(BadInput, match="SQLite has no roles"):
        sqlite_store.make_analyst_role()


def test_a_login_that_may_not_make_roles_is_told_so(company_postgres: str, other: Engine) -> None:
    with Store.open(other.url.render_as_string()) as store, pytest.raises(BadInput, match="use the one that owns"):
        store.make_analyst_role()


def test_a_downgrade_takes_the_role_s_rule_along(new_postgres: NewDatabase) -> None:
    from alembic import command

    url = new_postgres()
    with Store.open(url) as store:
        store.make_analyst_role()
    engine, config = create_engine(url), alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        command.upgrade(config, "head")
    with Store.open(url) as store:
        assert store.count_users() == 0
        assert store.make_analyst_role().url is None
    engine.dispose()


@pytest.mark.slow
def test_plans_under_the_role_stay_those_of_the_owner(new_postgres: NewDatabase) -> None:
    """With 100,000 users, 20,000 of whom analysts do not see: by indexes, and in about the owner's time."""
    url = new_postgres()
    owner = create_engine(url)
    with owner.begin() as connection:
        for sql in FILL:
            connection.execute(text(sql))
    with owner.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    with Store.open(url) as store:
        analyst = create_engine(str(store.make_analyst_role(f"ana_{uuid4().hex[:8]}").url))
    asked = "SELECT count(*) FROM dim_user WHERE age_band = '25-34' AND skin_tone = 3 AND top_colour = 'red'"
    taken = {}
    for name, engine in {"owner": owner, "analyst": analyst}.items():
        plan = "\n".join(str(line) for (line,) in rows(engine, f"EXPLAIN {asked}"))
        assert "Seq Scan on users" not in plan, plan
        began = time.perf_counter()
        found = [rows(engine, asked) for _ in range(20)]
        taken[name] = (time.perf_counter() - began) / 20
        assert found[0][0][0] > 0
        engine.dispose()
    assert taken["analyst"] < 10 * taken["owner"] + 0.02, taken
