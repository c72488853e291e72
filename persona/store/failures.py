"""What databases say when they cannot do their work, in our own words. Only here are drivers' errors told apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFree

from persona.errors import NoRoom, PersonaError, Unavailable

# a write that the system refuses without saying that the disk is full is one over a quota or a limit on files
_FULL = ("53100", "SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")
_READ_ONLY = ("25006", "SQLITE_READONLY")
_AWAY = ("42P01", "SQLITE_CORRUPT", "SQLITE_NOTADB")  # tables that are not there: it is being put back, or another one
log = logging.getLogger(__name__)


@contextmanager
def telling(engine: Engine) -> Iterator[None]:
    """Raise Unavailable where the database is away, locked, or too slow, and NoRoom where its disk is full.

    Neither says anything of the statement; the log says why. Other errors, which are ours, pass.
    """
    try:
        yield
    except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        told = _failure(error, engine.dialect.loaded_dbapi)
        if told is None:
            raise
        log.warning("%s (%s)", told, _why(error))
        raise told from error


def _failure(error: Exception, driver: Any) -> PersonaError | None:
    if isinstance(error, NoneFree):
        return Unavailable("every connection to the database is in use; try again in a moment")
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or ""
    if code in _FULL:
        return NoRoom("the database has no room left on its disk; make room there, then try again")
    if code.startswith(_READ_ONLY):
        return Unavailable("the database takes no changes now; try again in a moment")
    if code == "SQLITE_ERROR" and not str(cause).startswith("no such table"):
        return None  # a statement that is wrong
    if (
        code.startswith(_AWAY)
        or isinstance(cause, (driver.OperationalError, driver.InterfaceError))
        or code == "SQLITE_ERROR"
    ):
        return Unavailable("the database does not answer; try again in a moment")
    return None


def _why(error: Exception) -> str:
    """The first line of what the driver says, without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
