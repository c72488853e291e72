"""Statements and parameters from outside: looked at before a database sees them; what it says of them, in our words."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Compiled, TextClause, text
from sqlalchemy.exc import StatementError

from persona.errors import BadInput

LONGEST = 100_000  # characters
_READS = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values)\b", re.DOTALL | re.IGNORECASE)
_TOO_LONG = ("57014", "SQLITE_INTERRUPT")
_REFUSED = ("42501", "25006", "SQLITE_AUTH", "SQLITE_READONLY")
# of PostgreSQL: wrong data, wrong syntax or names, what there is not, a program's limits, what a cursor cannot be for
_WRONG = ("22", "42", "0A", "21", "54", "34", "24")
_WRONG_HERE = ("SQLITE_ERROR", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE")


def looked_at(sql: str) -> TextClause:
    """A statement that reads, by its first word. Raises BadInput for any other."""
    if len(sql) > LONGEST or "\x00" in sql or not sql.strip():
        raise BadInput("sql", f"has to be one statement of 1 to {LONGEST:,} characters")
    if not _READS.match(sql):
        raise BadInput("sql", "only reads: begin with SELECT or WITH. Nothing can be written or set here")
    return text(sql.rstrip().rstrip(";"))


def bound(statement: Compiled, parameters: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The parameters as the driver takes them. Raises BadInput for missing and unknown ones, and naive times."""
    wanted = set(statement.params)
    if missing := sorted(wanted - set(parameters)):
        raise BadInput(missing[0], "is a parameter of the statement; give its value")
    if unknown := sorted(set(parameters) - wanted):
        raise BadInput(unknown[0], f"is no parameter of the statement; it has {', '.join(sorted(wanted)) or 'none'}")
    return {name: _value(name, value, dialect) for name, value in parameters.items()}


def _value(name: str, value: Any, dialect: str) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadInput(name, f"{value.isoformat()} has no time zone; write one, such as {value.isoformat()}Z")
        utc = value.astimezone(UTC)
        return f"{utc:%Y-%m-%d %H:%M:%S.%f}" if dialect == "sqlite" else utc  # there times are text
    if isinstance(value, date):
        return value.isoformat() if dialect == "sqlite" else value
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if hasattr(value, "item"):
        return value.item()  # numpy's
    raise BadInput(name, f"a {type(value).__name__} cannot be a parameter; give text, a number, a date or a time")


def over(seconds: float | None) -> BadInput:
    """What is said of a statement that takes too long."""
    return BadInput(
        "sql",
        f"did not end within {seconds:g} s; ask for less: fewer days or users, or agg_* instead of fct_*",
        code="too_long",
    )


@contextmanager
def explaining(seconds: float | None) -> Iterator[None]:
    """Raise BadInput, in the database's words, for what is wrong with a statement; other errors pass."""
    try:
        yield
    except (StatementError, sqlite3.Error) as error:
        if (told := _told(getattr(error, "orig", None) or error, seconds)) is None:
            raise
        raise told from None
    except (OverflowError, UnicodeEncodeError) as error:
        raise BadInput("parameters", f"cannot be used: {error}") from None


def _told(cause: BaseException, seconds: float | None) -> BadInput | None:
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or ""
    why = str(cause).strip().partition("\n")[0]
    if code in _TOO_LONG or "within the time allowed" in why:
        return over(seconds)
    if code in _REFUSED:
        return BadInput("sql", f"is not allowed: {why}. Analysts read the views of the data dictionary, nothing else")
    if (code.startswith(_WRONG) and len(code) == 5) or code in _WRONG_HERE or "one statement at a time" in why:
        return BadInput("sql", f"{why}. Analysts read the views of the data dictionary, one statement at a time")
    return None
