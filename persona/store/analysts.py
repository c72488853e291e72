"""Analysts' own way into PostgreSQL: a role that can read the views, and in them only the users who allow it.

The views run with the rights of who reads them. So the role may read just those columns of the tables that the views
are made of, which the database itself says, and row-level security shows it only rows of users whom analysts see.
Whoever else has rights on the tables sees all rows, as before.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from persona.errors import BadInput, OutOfDate
from persona.store.audit import add_audit
from persona.store.engine import Database
from persona.store.warehouse import ROLE, VIEWS

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NEEDED = (15,)  # of PostgreSQL: from then on views can run with their reader's rights
_PATIENCE = "10s"  # the tables are locked for a moment; who waits for that keeps others waiting
# of a login, where it does not say otherwise; work_mem is for who may see what, looked up for millions of rows
_DEFAULTS = {"default_transaction_read_only": "on", "statement_timeout": "60s", "work_mem": "64MB"}
# which rows analysts see; of other tables with a user_id: those of users whom they see
_OF_A_USER = "EXISTS (SELECT FROM users WHERE users.id = {}.user_id)"
_SEEN = {
    "users": "analysed",
    "consents": f"purpose = 'training' AND {_OF_A_USER.format('consents')}",
    "items": "domain = 'garment' OR owner IS NULL",
    "item_days": "EXISTS (SELECT FROM items WHERE items.id = item_days.item_id)",
    "generations": "user_id IS NULL OR EXISTS (SELECT FROM users WHERE users.id = generations.user_id)",
}
# the database knows which columns its views are made of
_COLUMNS = text(
    """SELECT t.relname, array_agg(DISTINCT a.attname::text ORDER BY a.attname::text)
    FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p')
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE v.oid = ANY (CAST(:views AS regclass[])) GROUP BY t.relname ORDER BY t.relname"""
)
_MAY_LOGIN = text(
    "SELECT rolcanlogin AND NOT rolsuper AND pg_has_role(oid, :role, 'USAGE') FROM pg_roles WHERE rolname = :name"
)


@dataclass(frozen=True)
class AnalystRole:
    """What there is now. columns: of each table, those that analysts may read; url: of the login that was asked for."""

    columns: dict[str, tuple[str, ...]]
    url: str | None = None


class Analysts(Database):
    """The part of the store that lets analysts in."""

    def make_analyst_role(self, login: str | None = None) -> AnalystRole:
        """Make the role, or bring it up to the views as they are now; login: a name to log in by, with a new password.

        All of it or, after an error, nothing. Raises BadInput where it cannot be: on SQLite, for a name that is taken,
        for a login of ours that may not make roles; OutOfDate before PostgreSQL 15.
        """
        if not self._postgres:
            raise BadInput("database_url", "SQLite has no roles; analysts' SQL is guarded there without one")
        if login is not None and (not _NAME.fullmatch(login) or login == ROLE or login.startswith("pg_")):
            raise BadInput("login", f"{login!r} is no name for one: small letters, digits and _, such as ana")
        with _explaining(), self._writing(alone=True) as session:
            if (session.connection().dialect.server_version_info or ()) < _NEEDED:
                raise OutOfDate("the analysts' role needs PostgreSQL 15 or later")
            _do(session, f"SET LOCAL lock_timeout = '{_PATIENCE}'")
            columns = _columns(session)
            _make_role(session)
            _allow(session, columns)
            url = _make_login(session, login, self._engine.url) if login else None
            add_audit(session, "analysts.login" if login else "analysts.role", "command", tables=len(columns))
        return AnalystRole(columns, url)


def _columns(session: Session) -> dict[str, tuple[str, ...]]:
    """The columns of tables that the views are made of."""
    return {table: tuple(columns) for table, columns in session.execute(_COLUMNS, {"views": list(VIEWS)})}


def _make_role(session: Session) -> None:
    if not session.scalar(text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)"), {"name": ROLE}):
        _do(session, f"CREATE ROLE {ROLE} NOLOGIN")
    database, schema = session.execute(
        text("SELECT quote_ident(current_database()), quote_ident(current_schema())")
    ).one()
    _do(session, f"GRANT CONNECT ON DATABASE {database} TO {ROLE}")
    _do(session, f"GRANT USAGE ON SCHEMA {schema} TO {ROLE}")
    _do(session, f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {ROLE}")  # what earlier versions allowed


def _allow(session: Session, columns: dict[str, tuple[str, ...]]) -> None:
    """Let the role read these columns through the views, in the rows that are for analysts."""
    _do(session, f"GRANT SELECT ON alembic_version, {', '.join(VIEWS)} TO {ROLE}")
    for view in VIEWS:
        _do(session, f"ALTER VIEW {view} SET (security_invoker = true)")  # one made by an older server is not
    for table, readable in columns.items():
        _do(session, f"GRANT SELECT ({', '.join(readable)}) ON {table} TO {ROLE}")
        _do(session, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        for policy in ("everybody", ROLE):
            _do(session, f"DROP POLICY IF EXISTS {policy} ON {table}")
        _do(session, f"CREATE POLICY everybody ON {table} USING (true) WITH CHECK (true)")
        seen = _SEEN.get(table) or _OF_A_USER.format(table)
        _do(session, f"CREATE POLICY {ROLE} ON {table} AS RESTRICTIVE TO {ROLE} USING ({seen})")


def _make_login(session: Session, name: str, place: URL) -> str:
    """A login that is in the role, with a new password; returns its URL, password included."""
    allowed = session.scalar(_MAY_LOGIN, {"role": ROLE, "name": name})
    if allowed is False:
        raise BadInput("login", f"{name!r} is somebody else's already; choose another name")
    password = secrets.token_urlsafe(24)
    driver: Any = session.connection().connection.driver_connection
    digest = driver.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    verb = "CREATE" if allowed is None else "ALTER"
    _do(
        session, f"{verb} ROLE {name} LOGIN INHERIT CONNECTION LIMIT 20 PASSWORD '{digest}'"
    )  # the server's log has that
    _do(session, f"GRANT {ROLE} TO {name}")
    for setting, value in _DEFAULTS.items():
        _do(session, f"ALTER ROLE {name} SET {setting} = '{value}'")
    return place.set(username=name, password=password).render_as_string(hide_password=False)


def _do(session: Session, statement: str) -> None:
    session.connection().exec_driver_sql(statement)


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") != "42501":
            raise
        why = str(error.orig).strip().partition("\n")[0]
        raise BadInput(
            "database_url", f"its login may not do this ({why}); use the one that owns the tables, with CREATEROLE"
        ) from None
