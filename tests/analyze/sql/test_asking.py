"""SQL of analysts' own: what it may do, for how long and how much, and what it gives; alike on both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from persona.analyze import AnalystStore, open_store
from persona.errors import BadInput, OutOfDate
from persona.store import Store, guard
from persona.store.base import Base
from persona.store.warehouse import AT_ONCE, VIEWS, Warehouse

FOR_EVER = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT "
MANY = "FROM fct_event a CROSS JOIN fct_event b CROSS JOIN fct_event c"  # eight thousand million rows


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def asked(request: pytest.FixtureRequest) -> Iterator[AnalystStore]:
    """The company, opened so that SQL of one's own runs."""
    if request.param == "sqlite":
        url, own = f"sqlite:///{request.getfixturevalue('company_file')}", None
    else:
        url = str(request.getfixturevalue("company_postgres"))
        with Store.open(url) as store:
            own = store.make_analyst_role(f"ana_{uuid4().hex[:8]}").url
    with open_store(url, own) as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM users", "only reads"),
        ("-- SELECT\nUPDATE users SET source = 'x'", "only reads"),
        ("PRAGMA query_only = off", "only reads"),
        ("SET ROLE postgres", "only reads"),
        ("COPY users TO STDOUT", "only reads"),
        ("ATTACH 'x' AS y", "only reads"),
        ("EXPLAIN ANALYZE SELECT 1 FROM dim_user", "only reads"),
        ("WITH gone AS (DELETE FROM users RETURNING 1) SELECT * FROM gone", "sql: "),
        ("WITH a AS (SELECT 1) DELETE FROM users", "sql: "),
        ("SELECT 1; DELETE FROM users", "one statement at a time"),
        ("SELECT 1; COMMIT; DELETE FROM users; SELECT 2", "one statement at a time"),
        ("SELECT size_top FROM users", "Analysts read the views"),
        ("WITH dim_user AS (SELECT size_top FROM users) SELECT * FROM dim_user", "Analysts read the views"),
        ("WITH dim_user(a) AS (SELECT digest FROM api_keys) SELECT a FROM dim_user", "Analysts read the views"),
        ("SELECT (SELECT count(*) FROM audit_log) AS n FROM dim_user", "Analysts read the views"),
        ("SELECT * FROM (SELECT key FROM events) AS fct_event", "Analysts read the views"),
        ("SELECT load_extension('x')", "Analysts read the views"),
        ("SELECT pg_read_file('/etc/passwd')", "Analysts read the views"),
        ("SELECT nothing FROM dim_user", "nothing"),
        ("SELECT * FROM dim_user FOR UPDATE", "sql: "),
        ("SELECT user_id, user_id FROM dim_user", "two columns called 'user_id'"),
        ("SELECT 1 + FROM dim_user", "syntax error"),
        ("SELECT 'a\x00b' AS a", "one statement of 1 to 100,000 characters"),
        (" \n", "one statement of 1 to"),
        ("SELECT 1 AS a WHERE 1 = :b", "b: is a parameter of the statement"),
    ],
)
def test_what_it_may_not_is_refused_with_a_reason(asked: AnalystStore, sql: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        asked.sql(sql + " ")
    assert asked.sql("SELECT count(*) AS n FROM dim_user")["n"].tolist() == [199]


def test_no_table_is_reached_on_sqlite(company_file: Path) -> None:
    """Nor by a WITH that has the name of a view, by which SQLite's authorizer would take it for one."""
    with open_store(f"sqlite:///{company_file}") as opened:
        for table in Base.metadata.tables:
            within = f"WITH dim_user AS (SELECT * FROM {table}) SELECT * FROM dim_user"
            for sql in (f"SELECT count(*) AS n FROM {table}", within, f"SELECT 1 FROM main.{table}"):
                with pytest.raises(BadInput, match="no such table"):
                    opened.sql(sql)
                with pytest.raises(BadInput, match="no such table"), opened.warehouse.query(sql):
                    pass


@pytest.mark.parametrize("function", ["printf('%.*c', 9, 'x')", "zeroblob(9)", "randomblob(9)", "readfile('x')"])
def test_functions_that_only_fill_the_memory_are_not_there_on_sqlite(company_file: Path, function: str) -> None:
    with open_store(f"sqlite:///{company_file}") as opened, pytest.raises(BadInput, match="function"):
        opened.sql(f"SELECT {function} AS a")
    assert not {"load_extension", "regexp", "printf", "format"} & guard.FUNCTIONS


@pytest.mark.parametrize("sql", [f"SELECT count(*) AS n {MANY}", FOR_EVER + "count(*) AS n FROM r"])
def test_what_runs_for_ever_is_ended(asked: AnalystStore, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(BadInput, match=r"did not end within 0\.3 s; ask for less"):
        asked.sql(sql, seconds=0.3)
    assert time.monotonic() - began < 3


def test_who_turns_the_clock_off_is_ended_too(asked: AnalystStore) -> None:
    if asked.warehouse.dialect != "postgresql":
        pytest.skip("its clock is not the statement's to turn off")
    off = f"SELECT a.event_id, set_config('statement_timeout', '0', true) AS set {MANY}"
    with pytest.raises(BadInput, match=r"did not end within 0\.3 s|more than"):
        asked.sql(off, seconds=0.3, most=10_000_000)
    with pytest.raises(BadInput, match=r"within 0\.3 s"):
        asked.sql(
            "SELECT set_config('statement_timeout', '0', true) AS a, pg_sleep(i) AS b FROM generate_series(0, 9) i",
            seconds=0.3,
        )


def test_a_hundred_million_rows_do_not_come(asked: AnalystStore) -> None:
    sql = f"SELECT a.event_id, b.day {MANY}"
    with pytest.raises(BadInput, match="more than 1,000 rows; count or group them"):
        asked.sql(sql, most=1000)
    first = asked.sql(sql, most=1000, cut=True)
    assert (len(first), first.attrs["cut"]) == (1000, True)
    whole = asked.sql("SELECT user_id FROM dim_user", most=199)
    assert (len(whole), whole.attrs["cut"]) == (199, False)
    parts = asked.stream_sql(sql, most=10 * AT_ONCE)
    assert max(len(next(parts)) for _ in range(6)) <= AT_ONCE
    parts.close()


def test_times_and_numbers_come_alike_from_both(asked: AnalystStore) -> None:
    frame = asked.sql(
        """SELECT min(at) AS first_at, max(day) AS last_day, count(*) AS n, avg(event_id) AS mean,
        sum(event_id) AS total, min(type) AS type, 1 < 2 AS less FROM fct_event WHERE type = 'like'"""
    )
    kinds = {"first_at": "datetime64[us, UTC]", "last_day": "datetime64[us]", "n": "int64", "mean": "float64"}
    assert {name: str(frame[name].dtype) for name in kinds} == kinds
    one = frame.iloc[0]
    assert one["first_at"] == asked.frame("fct_event", where="type = 'like'")["at"].min()
    assert float(one["total"]) == pytest.approx(one["n"] * one["mean"])
    assert (one["type"], bool(one["less"])) == ("like", True)


def test_names_that_mean_something_else_are_read_as_they_are(asked: AnalystStore) -> None:
    frame = asked.sql(
        "SELECT 'noon' AS day, 3 AS month, 'x' AS created_at, 1 AS active FROM dim_user", cut=True, most=2
    )
    assert frame.iloc[0].tolist() == ["noon", 3, "x", 1]


def test_parameters_are_values_not_sql(asked: AnalystStore) -> None:
    tricky = "x' OR '1'='1"
    assert asked.sql("SELECT user_id FROM dim_user WHERE source = :s", {"s": tricky}).empty
    found = asked.sql("SELECT 1 AS a FROM fct_event WHERE day >= :since", {"since": date(2025, 2, 1)})
    assert 0 < len(found) < len(asked.frame("fct_event", ["event_id"]))


def test_times_as_parameters_need_a_zone_and_may_have_any(asked: AnalystStore) -> None:
    sql = "SELECT count(*) AS n FROM fct_event WHERE at <= :at"
    noon = datetime(2025, 2, 1, 12, tzinfo=UTC)
    elsewhere = noon.astimezone(timezone(timedelta(hours=-7)))
    counts = [asked.sql(sql, {"at": at})["n"].item() for at in (noon, elsewhere, pd.Timestamp(elsewhere))]
    assert counts == [int((asked.frame("fct_event")["at"] <= noon).sum())] * 3
    with pytest.raises(BadInput, match="at: 2025-02-01T12:00:00 has no time zone; write one"):
        asked.sql(sql, {"at": noon.replace(tzinfo=None)})


@pytest.mark.parametrize(
    ("parameters", "why"),
    [({"a": [1]}, "a: a list cannot be a parameter"), ({"b": 1}, "a: is a"),
     ({"a": 1, "b": 2}, "b: is no parameter of the statement; it has a")],
)  # fmt: skip
def test_parameters_that_cannot_be(asked: AnalystStore, parameters: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        asked.sql("SELECT 1 AS x FROM fct_event WHERE event_id = :a", parameters)


def test_a_view_before_its_migration(tmp_path: Path) -> None:
    with pytest.raises(OutOfDate, match="run `persona db upgrade`"):
        Warehouse.open(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


def test_the_file_is_opened_to_be_read(company_file: Path) -> None:
    with Warehouse.open(f"sqlite:///{company_file}") as warehouse, warehouse._engine.connect() as connection:
        with pytest.raises(Exception, match="readonly database"):
            connection.exec_driver_sql("DELETE FROM users")
        assert [connection.exec_driver_sql(f"SELECT count(*) FROM {view}").scalar() != 0 for view in VIEWS] == [
            True
        ] * 9
