"""Many rows into one table: in one statement, or over COPY on PostgreSQL. Only here do the dialects differ."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    String,
    Table,
    any_,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
)  # fmt: skip
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import InstrumentedAttribute, Session

from persona.store.engine import batches

Rows = Sequence[dict[str, Any]]
Insert = postgresql.Insert | sqlite.Insert
IdColumn = InstrumentedAttribute[str]


def existing(session: Session, of: IdColumn, ids: Collection[str], *, change: bool = False) -> set[str]:
    """Which of these ids are there. They stay until the transaction ends; change: nobody else changes them either."""
    found: set[str] = set()
    for part in batches(sorted(ids)):
        # always in the order of the ids, so that two transactions cannot wait for each other
        query = select(of).where(of.in_(part)).order_by(of).with_for_update(read=not change, key_share=True)
        found.update(session.scalars(query))
    return found


def among(session: Session, of: Any, ids: Collection[str]) -> ColumnElement[bool]:
    """Whether a column is one of many ids: they are one parameter, where thousands cost more than what they ask for."""
    if _is_postgres(session):
        return of == any_(literal(list(ids), postgresql.ARRAY(String)))
    return of.in_(select(column("value")).select_from(func.json_each(json.dumps(list(ids)))))


def insert_new(session: Session, into: Table, rows: Rows, *, key: str, bulk: bool = False) -> set[str]:
    """Insert the rows whose `key` is not there yet, in their order; returns the keys of those."""
    if not rows:
        return set()
    statement, parameters = _source(session, into, rows, bulk)
    new = statement.on_conflict_do_nothing(index_elements=[key]).returning(into.c[key])
    return set(session.scalars(new, parameters))


def replace(session: Session, into: Table, rows: Rows, *, keep: Collection[str] = (), bulk: bool = False) -> None:
    """Insert rows, or overwrite those with the same primary key, but for the columns to keep."""
    if not rows:
        return
    statement, parameters = _source(session, into, rows, bulk)
    primary = [c.name for c in into.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in primary and name not in keep}
    session.execute(statement.on_conflict_do_update(index_elements=primary, set_=changed), parameters)


def append(session: Session, into: Table, rows: Rows, *, bulk: bool = False) -> None:
    """Insert rows that cannot be there yet."""
    if rows and bulk and _is_postgres(session):
        _copy(session, into.name, list(rows[0]), (tuple(row.values()) for row in rows))
    elif rows:
        session.execute(insert(into), list(rows))


def append_plain(session: Session, into: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that cannot be there yet: the values of these columns, as the driver itself writes them.

    Text has to be free of tabs, line ends and backslashes, as ids, names of values and numbers are.
    """
    if rows and _is_postgres(session):
        _copy_plain(session, into.name, names, rows)
    elif rows:
        listed, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
        session.connection().exec_driver_sql(f"INSERT INTO {into.name} ({listed}) VALUES ({marks})", list(rows))


def committed_later(session: Session) -> None:
    """Do not wait for the disk at the end of this transaction: PostgreSQL writes it within a second, whole or not at
    all. For who would do it again after a power failure."""
    if _is_postgres(session):
        session.execute(text("SET LOCAL synchronous_commit = off"))


def without_row_checks(session: Session) -> None:
    """Leave out PostgreSQL's look for what each row refers to, until the transaction ends: half the time of a load.

    For who has seen to it that all of it is there, and stays. Only some roles may do so; for others the looks remain.
    """
    if not _is_postgres(session):
        return  # where a look costs little
    with suppress(ProgrammingError), session.begin_nested():
        session.execute(text("SET LOCAL session_replication_role = replica"))


def time_text(at: NDArray[np.int64], *, postgres: bool) -> list[str]:
    """Microseconds since 1970 as both databases write times: for SQLite as SQLAlchemy does, in UTC unsaid."""
    moments = np.datetime_as_string(at.view("datetime64[us]"), unit="us")
    letters = moments.view(np.uint32).reshape(len(moments), moments.dtype.itemsize // 4).copy()
    letters[:, 10] = ord(" ")
    written: list[str] = letters.view(moments.dtype).reshape(-1).tolist()
    return [f"{moment}+00" for moment in written] if postgres else written


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _source(session: Session, into: Table, rows: Rows, bulk: bool) -> tuple[Insert, list[dict[str, Any]] | None]:
    """An INSERT and its parameters: the rows themselves, or none when they have been staged by COPY."""
    if not _is_postgres(session):
        return sqlite.insert(into), list(rows)
    if not bulk:
        return postgresql.insert(into), list(rows)
    names = list(rows[0])
    stage = f"incoming_{into.name}"
    listed = ", ".join(f'"{name}"' for name in names)
    alike = f"SELECT {listed} FROM {into.name} WITH NO DATA"
    session.execute(text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DROP AS {alike}"))
    session.execute(text(f"TRUNCATE {stage}"))
    _copy(session, stage, names, (tuple(row.values()) for row in rows))
    columns: list[ColumnElement[Any]] = [column(name) for name in names]
    as_sent = select(*columns).select_from(table(stage)).order_by(literal_column("ctid"))  # row numbers follow the file
    return postgresql.insert(into).from_select(names, as_sent), None


def _copy_plain(session: Session, into: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """COPY rows as lines made here, in a third of the time that the driver takes for one value after the other."""
    with _copying(session, into, names) as copy:
        for part in batches(rows):
            copy.write("".join(["\t".join([v if type(v) is str else _plain(v) for v in row]) + "\n" for row in part]))


def _plain(value: Any) -> str:
    """A value as PostgreSQL reads it in COPY."""
    if value is None:
        return "\\N"
    return f"\\\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def _copy(session: Session, into: str, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """COPY rows into columns of a table; their values are those that psycopg itself can write (no JSON)."""
    with _copying(session, into, names) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _copying(session: Session, into: str, names: Sequence[str]) -> Iterator[Any]:
    listed = ", ".join(f'"{name}"' for name in names)
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} ({listed}) FROM STDIN") as copy:
        yield copy
